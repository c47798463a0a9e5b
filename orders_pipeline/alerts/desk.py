"""What the `alerts` command does."""

from __future__ import annotations

import os
from typing import Any

from orders_pipeline.alerts.book import TABLE
from orders_pipeline.alerts.delivery import read_targets, send_now
from orders_pipeline.kernel.faults import Transient, Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.warehouse import open_published, records


def alerts(home: Home, *, ended: bool = False) -> list[dict[str, Any]]:
    """The published alerts that stand, the most severe first; with `ended`, all there ever were."""
    with open_published(home) as connection:
        return records(
            connection,
            f"SELECT * FROM {TABLE} WHERE $ended OR cleared_at IS NULL "
            "ORDER BY cleared_at IS NOT NULL, list_position(['critical', 'warn', 'info'], severity), "
            "first_seen_at, rule, entity_id",
            {"ended": ended},
        )


def test(home: Home, name: str) -> str:
    """Send a test message to one target. Raises Usage for an unknown one, Transient when it can not be reached."""
    targets = {t.name: t for t in read_targets(load_settings(home.settings_file).alerts)}
    if name not in targets:
        raise Usage(f"settings.toml has no [alerts.{name}]; it has: {', '.join(targets) or 'none'}")
    if not os.environ.get(targets[name].url_env):
        raise Usage(f"the environment variable {targets[name].url_env} is not set: it holds the address of {name}")
    error = send_now(os.environ[targets[name].url_env], "Orders pipeline: test", "A test message. 测试消息。")
    if error:
        raise Transient(f"{name}: {error}")
    return f"{name} took the test message"
