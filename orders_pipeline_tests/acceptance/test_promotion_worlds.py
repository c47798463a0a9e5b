"""A simulated world with known truth in the pipeline's own entities: overlapping promotions, null promotions, order of rows, rivals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import promotions as benchmark
from benchmarks.promotion_worlds import World, simulate

WORLD = World(seed=5, stores=8, skus=120, categories=20, days=420, promotions=100, overlaps=30, units=3.0, nulls=0.4)
PARTS = [f"{name}_amount" for name in benchmark.PARTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("promotion_world")
    simulate(WORLD, place)
    return place


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, pd.DataFrame]:
    return benchmark.attribute(folder)[0]


@pytest.fixture(scope="module")
def truth(folder: Path) -> pd.DataFrame:
    made = pd.read_parquet(folder / "truth.parquet").merge(pd.read_parquet(folder / "lifts.parquet"), on="promo_id")
    return made.assign(promotion_id=made.promo_id.astype(str)).set_index("promotion_id")


def _known(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame.status != "not_estimable"]


def _held(frame: pd.DataFrame, real: pd.Series) -> float:
    """Share of gross intervals that hold the truth."""
    low, high = frame.gross_low_amount.astype(float), frame.gross_high_amount.astype(float)
    return float(((low <= real) & (real <= high)).mean())


def test_only_overlapping_promotions_are_refused_for_it_and_lead_to_their_joint(found: dict, truth: pd.DataFrame) -> None:
    rows = found["attribution"].set_index("promotion_id").join(truth[["should_refuse"]])
    overlapping = rows.should_refuse == "overlap"
    assert overlapping.sum() >= 40
    assert (rows[overlapping].reason == "overlapping_promotion").all() and rows[overlapping].incremental_amount.isna().all()
    assert not (rows[~overlapping].reason == "overlapping_promotion").any()
    assert (rows.joint_guid.notna() == overlapping).all()
    assert set(rows.joint_guid.dropna()) == set(found["joint_attribution"].joint_guid)


def test_a_joint_counts_every_sale_once_and_adds_up_to_the_cent(found: dict, folder: Path) -> None:
    promos = pd.read_parquet(folder / "promos.parquet").astype({"promo_id": str}).set_index("promo_id")
    panel = pd.read_parquet(folder / "panel.parquet")
    for row in found["joint_attribution"].itertuples():
        inside = np.zeros(len(panel), bool)
        for name in row.promotion_ids.split(" + "):
            promo = promos.loc[name]
            inside |= (panel.sku.isin([int(x) for x in promo.skus.split(",")]) & panel.store.isin([int(x) for x in promo.stores.split(",")])
                       & panel.day.between(promo.start, promo.end))  # fmt: skip
        sold = panel[inside]
        assert round(row.observed_gmv_amount * 100) == ((sold.u_exist + sold.u_new) * sold.net_price_cents).sum()
    known = _known(found["joint_attribution"])
    assert len(known) >= 20
    assert (known[PARTS].astype(float).mul(100).round().sum(axis=1) == known.observed_gmv_amount.astype(float).mul(100).round()).all()


def test_a_joint_holds_what_its_promotions_made_together(found: dict, truth: pd.DataFrame) -> None:
    real = found["joint_shares"].set_index("promotion_id").join(truth[["gross_lift"]]).groupby("joint_guid").gross_lift.sum() / 100
    known = _known(found["joint_attribution"]).set_index("joint_guid")
    assert _held(known, real[known.index]) >= 0.85
    assert (known.verdict == "negative").sum() == 0


def test_who_runs_alone_somewhere_is_told_apart_and_the_same_goods_on_the_same_days_never(found: dict, truth: pd.DataFrame) -> None:
    rows = found["joint_shares"].set_index("promotion_id").join(truth[["gross_lift"]])
    alone = rows.groupby("joint_guid").alone_gmv_amount.transform("sum")
    assert (alone == 0).sum() >= 10 and (rows[alone == 0].reason == "same_goods_and_days").all()
    known = _known(rows)
    assert len(known) >= 25
    assert _held(known, known.gross_lift / 100) >= 0.9
    assert np.corrcoef(known.gross_lift_amount.astype(float), known.gross_lift)[0, 1] > 0.9


def test_nothing_of_a_joint_is_given_to_two_promotions(found: dict) -> None:
    known = _known(found["joint_shares"]).groupby("joint_guid")
    whole = found["joint_attribution"].set_index("joint_guid")
    pairs = known.filter(lambda rows: len(rows) == 2).groupby("joint_guid")
    assert len(pairs) >= 10
    for joint, rows in pairs:
        for name in ("gross_lift_amount", "incremental_amount"):
            assert abs(rows[name].astype(float).sum() - float(whole.loc[joint, name])) < (0.015 if name.startswith("gross") else 0.005)


def test_promotions_that_did_nothing_are_praised_no_more_often_than_stated(found: dict, truth: pd.DataFrame) -> None:
    rows = _known(found["attribution"]).set_index("promotion_id").join(truth[["is_null", "incremental"]])
    null = rows[rows.is_null == 1]
    assert len(null) >= 12
    assert (null.verdict == "positive").sum() <= 1, "2.5 % of them; negative is right where a price was cut for nothing"
    low, high = null.incremental_low_amount.astype(float), null.incremental_high_amount.astype(float)
    assert ((null.incremental / 100).between(low, high)).sum() >= len(null) - 2


def test_the_net_is_nearer_to_the_truth_than_what_is_usually_done(found: dict, truth: pd.DataFrame, folder: Path) -> None:
    truth = truth.set_index("promo_id")
    mine = benchmark.candidate(found["attribution"])
    ours = benchmark.score(truth, mine)
    assert (ours["refusal_recall"], ours["false_refusals"], ours["sum_violations"], ours["observed_mismatch"]) == (1, 0, 0, 0)
    assert ours["coverage"] >= 90
    for name, made in benchmark.rivals(folder, truth, mine.index[mine.status.eq("estimated")]).items():
        usual = benchmark.score(truth, made)
        assert ours["rmse"] < 0.8 * usual["rmse"] and ours["interval_score"] < 0.5 * usual["interval_score"], name


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    """The same small world with every file shuffled."""
    world = replace(WORLD, stores=4, skus=36, categories=6, days=250, promotions=16, overlaps=4)
    made: list[Any] = []
    for name in ("as_is", "shuffled"):
        simulate(world, tmp_path / name)
        if name == "shuffled":
            for file in (tmp_path / name).glob("*.parquet"):
                rows = pd.read_parquet(file)
                rows.sample(frac=1, random_state=3).to_parquet(file, index=False)
        found = benchmark.attribute(tmp_path / name)[0]
        made.append({table: rows.sort_values(list(rows.columns[:2])).reset_index(drop=True) for table, rows in found.items()})
    for table in benchmark.RESULTS:
        assert len(made[0][table])
        pd.testing.assert_frame_equal(made[0][table], made[1][table])
