"""Tolerances of one channel: what a home states, what is refused, where the thresholds hold."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.dictionary.tolerances import tolerance_rows
from orders_pipeline.ingest.reference import create_match_tables
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.settings import load_settings

D = Decimal
CHANNELS = ("taobao", "douyin", "default")


def test_one_direction_goes_before_both() -> None:
    stated = {
        "taobao": {"amount": D("0.10"), "over_amount": 1, "under_ratio": D("0.005")},
        "default": {"ratio": D("0.01"), "qty": 2},
    }
    assert tolerance_rows(CHANNELS, stated) == [
        ("default", None, None, D("0.01"), D("0.01"), D(2)),
        ("taobao", D(1), D("0.10"), None, D("0.005"), None),
    ]
    assert tolerance_rows(CHANNELS, {}) == []


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"tabao": {"amount": 1}}, "there is no channel 'tabao'"),
        ({"taobao": {"amuont": 1}}, "'amuont' is no tolerance"),
        ({"taobao": {"amount": D("-0.01")}}, "a number from 0 on"),
        ({"taobao": {"amount": "0.10"}}, "a number from 0 on"),
        ({"taobao": {"qty": True}}, "a number from 0 on"),
        ({"taobao": {"amount": D("NaN")}}, "a number from 0 on"),
        ({"taobao": {"over_ratio": D("1.5")}}, "a fraction from 0 to 1"),
        ({"taobao": D("0.10")}, "a section with some of"),
    ],
)
def test_what_cannot_be_meant_is_refused(stated: dict, said: str) -> None:
    with pytest.raises(Usage, match=said):
        tolerance_rows(CHANNELS, stated)


def test_settings_reach_the_table_the_match_reads(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[matching.douyin]\namount = 0.10\nover_amount = 1.00\n", encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA ref")
        create_match_tables(connection, load_dictionary(), load_settings(file))
        assert connection.execute("FROM ref.match_tolerances").fetchall() == [("douyin", D("1.0000"), D("0.1000"), None, None, None)]
