"""`checkup`: known traps of configuration and data, looked for by probes.

A probe is an entry in one of the YAML files here (severity; what was found, why it matters and how to fix it, in both languages)
and either SQL beside it or a function of its name in the module of the same name. `probes.py` reads them, `scene.py` is what
they may look at, `desk.py` runs them, `book.py` keeps what was found. docs/how-to/add-a-probe.md adds one.
"""
