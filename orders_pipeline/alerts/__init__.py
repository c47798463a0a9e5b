"""Alerts: what holds now that somebody must hear of, once until it ends.

`<room>/alerts.yml` states rules, `book.py` keeps which of them hold since when (table ops.alerts), `delivery.py` takes the
news to people. A rule looks at tables only; whoever adds a table adds its rules beside it.
"""
