"""The generated pages: dictionary, sources, stages, tables, thresholds, vocabularies, checks, probes and the simulator's faults.

Every page is written from the files that rule the pipeline (dictionary, `tables.yml`, models, checks): it cannot say
anything else than they do. The same files give the same pages, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from orders_pipeline.docs import dictionary, health, sources, stages, tables

NOTE = "<!-- Written by `orders-pipeline docs` from the files named below. Change those and run the command again. -->"

PAGES: Mapping[str, Callable[[], list[str]]] = {
    "dictionary.md": dictionary.fields_and_entities,
    "vocabularies.md": dictionary.vocabularies,
    "thresholds.md": dictionary.thresholds,
    "sources.md": sources.page,
    "stages.md": stages.page,
    "health.md": health.page,
    "tables.md": tables.page,
    "checks.md": tables.checks,
    "probes.md": tables.probes,
    "faults.md": tables.faults,
}


def render(name: str) -> str:
    """One page by its file name, as Markdown text."""
    return "\n".join([NOTE, "", *PAGES[name]()]).rstrip() + "\n"


def write(out: Path, check: bool = False) -> list[Path]:
    """Write the pages that differ from those in `out`; with `check`, write nothing.

    Returns what was written or, with `check`, what is stale: a page that differs, is missing, or that nothing writes
    any more (such a page of an earlier version is removed when writing; files of other people are left alone).
    """
    wanted = {out / name: render(name) for name in PAGES}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    orphans = [path for path in sorted(out.glob("*.md")) if path not in wanted and _is_ours(path)]
    if check:
        return stale + orphans
    out.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    for path in orphans:
        path.unlink()
    return stale


def _is_ours(path: Path) -> bool:
    return path.read_text(encoding="utf-8").startswith(NOTE)
