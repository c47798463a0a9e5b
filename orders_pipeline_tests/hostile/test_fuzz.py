"""Valid files of many sources, damaged at random, through recognition and load: every row is accounted for or the file is refused.

A bounded number of cases, the same ones in every run; `ORDERS_PIPELINE_FUZZ=5000` looks further.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orders_pipeline import pipeline
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline_tests import workbooks
from orders_pipeline_tests.conftest import ROOT
from orders_pipeline_tests.hostile.corpus import csv, lines
from orders_pipeline_tests.support import new_home

AS_OF = parse_as_of("2026-03-21T12:00:00+08:00")
CASES = int(os.environ.get("ORDERS_PIPELINE_FUZZ", "120"))
LINES = 40


def seeds() -> dict[str, bytes]:
    """A file of every kind in the bundled sample, in its own encoding, cut after some lines unless it states totals; and
    workbooks."""
    found: dict[str, bytes] = {}
    kinds = set()
    for path in sorted((ROOT / "data" / "landing").rglob("*.csv")):
        kind = (path.parent.name, "".join(c for c in path.name if not c.isdigit()))
        if kind not in kinds:
            kinds.add(kind)
            data = path.read_bytes()
            states_totals = path.parts[-2] == "alipay" or "account=" in path.parts[-2]
            found[path.relative_to(ROOT).as_posix()] = data if states_totals else b"".join(data.splitlines(keepends=True)[:LINES])
    rows = lines("seed", 12, buyer_note="请尽快发货")
    found["utf16.csv"] = b"\xff\xfe" + csv(rows, "\r\n").encode("utf-16-le")
    found["book.xlsx"], found["book.xls"] = workbooks.xlsx(rows), workbooks.xls(rows)
    return found


SEEDS = seeds()
PIECES = [b'"', b'""', b",", b"\t", b"\r", b"\n", b"\r\n", b"\0", b"\xff", b"\xa1\xa1", b"=", b"`", b"'", b"-", b"9" * 40, b"E+17", "合计".encode("gbk")]
CODECS = [("utf-8", "gb18030"), ("gb18030", "utf-8"), ("utf-8", "utf-16"), ("gb18030", "utf-16-be"), ("utf-8", "utf-8-sig")]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A seed with one to four mutations."""
    name = draw(st.sampled_from(sorted(SEEDS)))
    data = SEEDS[name]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "insert", "cut", "drop", "repeat", "shuffle", "recode"]))
        text = data.splitlines(keepends=True) or [b""]
        line = draw(st.integers(0, len(text) - 1))
        if kind == "flip" and data:
            data = data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
        elif kind == "insert":
            data = data[:at] + draw(st.sampled_from(PIECES)) + data[at:]
        elif kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + draw(st.integers(1, 60)) :]
        elif kind == "repeat":
            data = b"".join([*text[: line + 1], *text[line : line + draw(st.integers(1, 4))], *text[line + 1 :]])
        elif kind == "shuffle":
            data = b"".join([*text[line:], *text[:line]])
        else:
            one, other = draw(st.sampled_from(CODECS))
            data = data.decode(one, "replace").encode(other, "replace")
    return name, Damaged(data)


class Damaged(bytes):
    """A file whose bytes are written away when a test fails instead of filling the screen."""

    def __repr__(self) -> str:
        path = Path(tempfile.gettempdir()) / f"damaged-{hashlib.sha256(self).hexdigest()[:12]}"
        path.write_bytes(self)
        return f"<{len(self)} bytes: {path}>"


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pipeline.Session]:
    home = new_home(tmp_path_factory.mktemp("fuzz") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDERS_PIPELINE_CUSTOMER_KEY", "a key for tests only")
        with pipeline.session(home, AS_OF) as session:
            yield session


def look(now: pipeline.Session, name: str, data: bytes) -> list[tuple]:
    """Take one file alone into the warehouse; its ledger rows. No exception may come out of it."""
    path = now.home.landing / Path(name).name
    path.write_bytes(data)
    try:
        intake = now.ingest()
    finally:
        path.unlink()
    assert not intake.waiting
    return now.connection.execute(
        "SELECT file_id, status, reason, rows_read, rows_accepted, rows_quarantined, rows_duplicate, rows_repeated, source FROM raw.files"
    ).fetchall()


def account(now: pipeline.Session, file: tuple) -> None:
    """Each row read is in the raw tables, in quarantine or a repeat; a refused file has left nothing."""
    file_id, status, reason, read, accepted, aside, duplicate, repeated, source = file
    tables = list(now.taker.dictionary.entities)
    rows = " UNION ".join(f"SELECT row_number FROM raw.{t} WHERE file_id = $file" for t in tables)
    stored = {r[0] for r in now.connection.execute(rows, {"file": file_id}).fetchall()}
    set_aside = now.connection.execute("SELECT row_number FROM raw.quarantine WHERE file_id = ?", [file_id]).fetchall()
    faults = sum(
        now.connection.execute(f"SELECT count(*) FROM raw.{t} WHERE file_id = ? AND fault IS NOT NULL", [file_id]).fetchall()[0][0]
        for t in tables
    )
    assert faults == 0
    if status == "refused":
        assert not stored and not set_aside and "[read_failed]" not in reason and "[load_failed]" not in reason, reason
        return
    assert status == "loaded"
    assert read == accepted + aside + duplicate and min(read, accepted, aside, duplicate) >= 0
    assert len(set_aside) == aside and not stored & {r[0] for r in set_aside}
    left_out = now.taker.dictionary.sources[source].get("leave_out")
    grouped = any(b.rows == "group" for b in now.taker.dictionary.sources[source].blocks)
    if not left_out and not (grouped and len(now.taker.dictionary.sources[source].blocks) == 1):
        assert len(stored) == read - aside - repeated


@settings(
    max_examples=CASES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(case=damaged())
def test_damaged_files_are_accounted_for_row_by_row_or_refused(now: pipeline.Session, case: tuple[str, bytes]) -> None:
    try:
        for file in look(now, *case):
            account(now, file)
    finally:
        forget(now)


def forget(now: pipeline.Session) -> None:
    """Empty the warehouse: each case stands alone."""
    for table in ("raw.files", "raw.quarantine", "kernel.seen", *(f"raw.{t}" for t in now.taker.dictionary.entities)):
        now.connection.execute(f"DELETE FROM {table}")


def test_the_seeds_themselves_are_loaded(now: pipeline.Session) -> None:
    forget(now)
    for name, data in SEEDS.items():
        for file in look(now, name, data):
            assert file[1] == "loaded", (name, file)
            account(now, file)
        forget(now)
