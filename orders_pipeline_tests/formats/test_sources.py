"""Every case of `sources/*.yml`: the file is read into exactly the standard rows that are expected of it (see `source_cases`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import Home
from orders_pipeline.pipeline import Session
from orders_pipeline.pipeline import session as open_session
from orders_pipeline_tests import support
from orders_pipeline_tests.formats.source_cases import Case, expected_rows, load_cases, rows_of, write_file

AS_OF = parse_as_of("2026-11-01T00:00:00+08:00")
CASES = load_cases()


@dataclass
class Place:
    """One home all cases share: each file is looked at by its own path, and all of them together make one book in the end."""

    home: Home
    session: Session

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        return self.session.connection


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = support.new_home(tmp_path_factory.mktemp("sources"))
    with open_session(home, AS_OF) as session:
        yield Place(home, session)


def compare(what: str, columns: list[str], made: list[tuple], wanted: list[tuple]) -> None:
    """Fails, showing the rows that are too many and those that are missing, unless both are the same rows."""
    surplus, missing = list((Counter(made) - Counter(wanted)).elements()), list((Counter(wanted) - Counter(made)).elements())
    assert not surplus and not missing, f"{what} {columns}\nmade, not expected: {surplus}\nexpected, not made: {missing}"


@pytest.mark.parametrize(("source", "case"), CASES, ids=[f"{source}: {case['case']}" for source, case in CASES])
def test_a_file_gives_the_expected_rows(place: Place, source: str, case: Case) -> None:
    number = CASES.index((source, case))
    file = write_file(case, place.home.landing / f"case{number}", source)
    path = str(file.relative_to(place.home.landing))
    intake = place.session.ingest()
    connection = place.connection
    refused = [str(fault) for landed, fault in intake.refused if landed.split("#")[0] == path]
    if "refused" in case:
        assert [fault.split("[")[-1].split("]")[0] for fault in refused] == [case["refused"]]
        return
    assert not refused
    assert {s for (s,) in rows_of(connection, "raw.files", ["source"], path)} >= {source}
    for entity in load_dictionary().entities:
        columns, wanted = expected_rows(connection, f'raw."{entity}"', case.get("expect", {}).get(entity, ()))
        compare(entity, columns, rows_of(connection, f'raw."{entity}"', columns, path), wanted)
    columns, wanted = expected_rows(connection, "raw.quarantine", case.get("quarantine", ()))
    compare("quarantine", columns, rows_of(connection, "raw.quarantine", columns, path), wanted)


def test_a_number_is_the_same_with_and_without_the_code_of_its_country(place: Place) -> None:
    source, case = next((s, c) for s, c in CASES if s == "shopify_orders" and "the country of the address" in c["case"])
    write_file(case, place.home.landing / "numbers", source)
    place.session.ingest()
    keys = dict(place.connection.execute("SELECT channel_order_id, phone_id FROM raw.orders WHERE country IS NOT NULL").fetchall())
    assert keys["#5001"] == keys["#5002"] != keys["#5003"]
    assert None not in keys.values()


def test_all_files_together_make_a_book_that_is_published(place: Place) -> None:
    """Runs last over whatever the cases have landed: nothing that a source gives stands against publishing."""
    session = place.session
    session.refresh()
    session.check()
    blocked = [(r.check.table, r.check.name, r.sample) for r in session.results.values() if r.blocks]
    assert not blocked
