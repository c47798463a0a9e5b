"""The simulator's truth against the published tables: exactly the injected faults are found, no miss, no false alarm."""

from __future__ import annotations

import filecmp
from pathlib import Path

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published
from orders_pipeline.simulate import simulate

ROOT = Path(__file__).parents[2]


def differences(home: Home, truth: Path) -> list[tuple]:
    """Orders (or orphans) whose published status or reason is not the expected one, from either side.

    A payment without an order is told apart by its number alone: its bill does not name a channel.
    """
    with open_published(home) as connection:
        return connection.execute(
            """WITH expected AS (
                SELECT CASE WHEN expected_status LIKE 'UNMATCHED_PAY' THEN '' ELSE channel END AS channel, channel_order_id,
                    expected_status AS status, expected_reason AS reason FROM read_parquet($truth)
                WHERE expected_status <> 'QUARANTINED'),
            found AS (
                SELECT CASE WHEN status = 'UNMATCHED_PAY' THEN '' ELSE channel END AS channel, channel_order_id, status, reason
                FROM reconciliation.three_way_match)
            (SELECT 'missed', * FROM expected EXCEPT ALL SELECT 'missed', * FROM found)
            UNION ALL (SELECT 'false alarm', * FROM found EXCEPT ALL SELECT 'false alarm', * FROM expected)""",
            {"truth": str(truth / "expected_statuses.parquet")},
        ).fetchall()


def row_counts(home: Home, truth: Path) -> list[tuple]:
    """Files whose rows read or quarantined differ from the truth (repeats between exports are the ledger's to count)."""
    with open_published(home) as connection:
        return connection.execute(
            """SELECT t.file, t.rows, f.rows_read, t.quarantined_rows, f.rows_quarantined
            FROM read_csv($truth) AS t LEFT JOIN ops.files AS f ON f.path = t.file
            WHERE f.status IS DISTINCT FROM 'duplicate' AND (t.rows IS DISTINCT FROM f.rows_read
                OR t.quarantined_rows IS DISTINCT FROM f.rows_quarantined)""",
            {"truth": str(truth / "files.csv")},
        ).fetchall()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Six of every fault the simulator knows, among three thousand orders over two months."""
    folder = tmp_path_factory.mktemp("simulated")
    faults = folder / "faults.yml"
    faults.write_text("all: {count: 6}\n", encoding="utf-8")
    made = simulate(orders=3_000, out=folder / "out", months=2, seed=11, faults=faults)
    home = Home(folder / "out").create()
    result = pipeline.run(home, made.as_of)
    assert not result.intake.refused
    assert not result.blocked_by
    return home, made


def test_exactly_the_injected_faults_are_found(world):
    home, made = world
    assert differences(home, made.truth) == []


def test_every_fault_of_the_catalogue_was_among_them(world):
    _, made = world
    connection = duckdb.connect()
    kinds = connection.execute("SELECT fault, count(*) FROM read_csv(?) GROUP BY 1", [str(made.truth / "truth.csv")]).fetchall()
    assert len(kinds) >= 30
    assert min(count for _, count in kinds) >= 6


def test_every_row_of_every_file_is_accounted_for(world):
    home, made = world
    assert row_counts(home, made.truth) == []
    with open_published(home) as connection:
        lost = connection.execute(
            "SELECT path FROM ops.files WHERE rows_read <> rows_accepted + rows_quarantined + rows_duplicate"
        ).fetchall()
    assert lost == []


def test_the_money_of_the_match_is_the_money_of_the_files(world):
    home, made = world
    channels = made.content["channels"]
    with open_published(home) as connection:
        due = dict(connection.execute("SELECT channel, sum(payable_amount) FROM orders.orders GROUP BY 1").fetchall())
        quarantined = connection.execute(
            "SELECT count(*) FROM ops.quarantine WHERE released_at IS NULL AND reason <> 'family'"
        ).fetchall()[0][0]
    assert quarantined > 0
    for channel, truth in channels.items():
        # Quarantined orders are unpaid ones; what the others owe is below the truth by no more than theirs.
        assert 0 <= float(truth["due_amount"]) - float(due[channel]) < 0.02 * float(truth["due_amount"])


def test_the_bundled_sample_is_the_simulators_output(tmp_path):
    simulate(
        orders=400, out=tmp_path / "out", months=2, seed=20260101, faults=ROOT / "data" / "reference" / "sample-faults.yml"
    )
    made, bundled = tmp_path / "out" / "landing", ROOT / "data" / "landing"
    files = sorted(p.relative_to(made) for p in made.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(bundled) for p in bundled.rglob("*") if p.is_file())
    assert [f for f in files if not filecmp.cmp(made / f, bundled / f, shallow=False)] == []


def test_the_bundled_sample_shows_its_faults(sample_home, tmp_path):
    made = simulate(
        orders=400, out=tmp_path / "out", months=2, seed=20260101, faults=ROOT / "data" / "reference" / "sample-faults.yml"
    )
    assert differences(sample_home, made.truth) == []
