"""The landing folder: what is taken, in which order, and archives - friendly and hostile."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import time
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from orders_pipeline.ingest import landing
from orders_pipeline.ingest.landing import Waiting, as_member, expand, scan
from orders_pipeline.ingest.read import DEFAULT
from orders_pipeline.kernel.faults import BadInput


def put(root: Path, relative: str, data: bytes = b"a,b\n1,2\n") -> Path:
    path = root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def members(root: Path, limits=DEFAULT) -> dict[str, bytes]:
    found = {}
    for landed in scan(root):
        for member in expand(landed, root.parent / "work", limits):
            found[member.relative_path] = member.path.read_bytes()
            assert member.sha256 == hashlib.sha256(found[member.relative_path]).hexdigest()
            assert member.size == len(found[member.relative_path])
    return found


def refusal(root: Path, limits=DEFAULT) -> BadInput:
    with pytest.raises(BadInput) as caught:
        members(root, limits)
    return caught.value


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


def test_missing_folder_is_empty(tmp_path):
    assert list(scan(tmp_path / "nothing")) == []


def test_files_come_in_path_order_without_hidden_and_unfinished_ones(root):
    for name in (
        "b.csv",
        "a/z.csv",
        "a/B.csv",
        "Ä.csv",
        ".hidden.csv",
        ".git/x.csv",
        "~$b.xlsx",
        "x.csv.part",
        "Thumbs.db",
    ):
        put(root, name)
    for name in ("x.TMP", "y.crdownload", "z.csv.filepart"):
        put(root, name)
    paths = [landed.relative_path for landed in scan(root)]
    assert paths == sorted(paths) == ["a/B.csv", "a/z.csv", "b.csv", "Ä.csv"]


def test_decomposed_names_are_one_name(root):
    put(root, unicodedata.normalize("NFD", "订单-é.csv"))
    assert scan(root).files[0].relative_path == unicodedata.normalize("NFC", "订单-é.csv")


def test_folders_carry_hints_and_the_innermost_wins(root):
    put(root, "shop=main/channel=taobao/timezone=Asia%2FShanghai/shop=second/note=x/orders.csv")
    assert scan(root).files[0].hints == {"shop": "second", "channel": "taobao", "timezone": "Asia/Shanghai"}
    assert (
        as_member(root / "shop=main/channel=taobao/timezone=Asia%2FShanghai/shop=second/note=x/orders.csv").hints == {}
    )


def test_young_files_wait_when_a_settle_time_is_given(root):
    put(root, "new.csv")
    old = put(root, "old.csv")
    os.utime(old, (time.time() - 60, time.time() - 60))
    found = scan(root, settle_seconds=5)
    assert [landed.relative_path for landed in found] == ["old.csv"]
    assert found.waiting == [Waiting("new.csv", "too_young")]
    assert len(scan(root)) == 2


def test_files_that_change_or_vanish_during_the_scan_wait(root, monkeypatch):
    growing, leaving = put(root, "growing.csv"), put(root, "leaving.csv")
    put(root, "still.csv")
    walk = landing._walk

    def walk_and_write(folder):
        found = walk(folder)
        growing.write_bytes(b"a,b\n1,2\n3,4\n")
        leaving.unlink()
        return found

    monkeypatch.setattr(landing, "_walk", walk_and_write)
    found = scan(root)
    assert [landed.relative_path for landed in found] == ["still.csv"]
    assert found.waiting == [Waiting("growing.csv", "still_changing"), Waiting("leaving.csv", "vanished")]


def test_links_out_of_the_landing_folder_are_not_followed(root, tmp_path):
    outside = put(tmp_path, "outside/secret.csv")
    (root / "link.csv").symlink_to(outside)
    (root / "folder").symlink_to(outside.parent)
    (root / "dangling.csv").symlink_to(tmp_path / "nowhere")
    inside = put(root, "inside.csv")
    (root / "same.csv").symlink_to(inside)
    found = scan(root)
    assert [landed.relative_path for landed in found] == ["inside.csv", "same.csv"]
    assert found.waiting == [Waiting(name, "symlink") for name in ("dangling.csv", "folder", "link.csv")]


def test_plain_file_is_its_own_member(root):
    path = put(root, "a.csv")
    (member,) = expand(scan(root).files[0], root.parent / "work")
    assert (member.path, member.relative_path, member.is_archived) == (path.resolve(), "a.csv", False)
    assert member.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_zip_gives_its_files_in_order_with_hints(root):
    put(
        root,
        "shop=x/a.zip",
        zipped({"b/明细.csv": b"2", "账号/account=9/汇总.csv": b"1", "__MACOSX/._b": b"", ".DS_Store": b""}),
    )
    (landed,) = scan(root)
    found = list(expand(landed, root.parent / "work"))
    assert [member.relative_path for member in found] == [
        "shop=x/a.zip!/b/明细.csv",
        "shop=x/a.zip!/账号/account=9/汇总.csv",
    ]
    assert found[1].hints == {"shop": "x", "account": "9"}
    assert found[0].is_archived


def test_gbk_entry_names_without_the_flag(root):
    data = zipped({"XXXX.csv": b"1"})
    name = "明细".encode("gb18030")
    put(root, "a.zip", data.replace(b"XXXX.csv", name + b".csv"))
    assert list(members(root)) == ["a.zip!/明细.csv"]


def test_nested_archives_and_gzip(root):
    inner = zipped({"deep.csv": b"x"})
    put(root, "outer.zip", zipped({"inner.zip": inner, "bill.csv.gz": gzip.compress(b"y")}))
    put(root, "alone.csv.gz", gzip.compress(b"z"))
    assert members(root) == {
        "alone.csv.gz!/alone.csv": b"z",
        "outer.zip!/bill.csv.gz!/bill.csv": b"y",
        "outer.zip!/inner.zip!/deep.csv": b"x",
    }


def test_workbooks_are_not_unpacked(root):
    put(root, "a.xlsx", zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}))
    assert list(members(root)) == ["a.xlsx"]


def test_archive_within_too_many_archives(root):
    data = b"x"
    for _ in range(5):
        data = zipped({"a.zip": data})
    put(root, "a.zip", data)
    assert refusal(root).reason == "archive_too_deep"


@pytest.mark.parametrize(
    "name", ["../../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv", "C:\\evil.csv"]
)
def test_zip_slip_is_refused(root, name):
    put(root, "a.zip", zipped({name: b"x"}))
    fault = refusal(root)
    assert (fault.reason, fault.file) == ("archive_unsafe_name", "a.zip")
    assert not list(root.parent.rglob("evil*"))


def test_zip_bomb_is_refused_by_its_ratio_whatever_the_directory_claims(root):
    bomb = zipped({"zeros.csv": b"0" * (80 << 20)})
    put(root, "a.zip", bomb)
    assert refusal(root).reason == "archive_bomb"
    put(root, "a.zip", zipped({"zeros.gz": gzip.compress(b"0" * (80 << 20))}, zipfile.ZIP_STORED))
    assert refusal(root).reason == "archive_bomb"


def test_limits_on_entries_and_unpacked_size(root):
    put(root, "a.zip", zipped({f"{number}.csv": b"x" * 100 for number in range(20)}))
    assert refusal(root, replace(DEFAULT, archive_entries=10)).reason == "archive_too_many_files"
    assert refusal(root, replace(DEFAULT, archive_bytes=1_000)).reason == "archive_too_large"


def test_encrypted_zip_says_what_to_do(root):
    data = bytearray(zipped({"a.csv": b"x"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(mark) + offset
        data[place : place + 2] = struct.pack("<H", 1)
    put(root, "a.zip", bytes(data))
    fault = refusal(root)
    assert fault.reason == "archive_encrypted"
    assert "password" in fault.remedy


def test_damaged_archives_are_refused(root):
    whole = zipped({"a.csv": os.urandom(10_000), "b.csv": os.urandom(10_000)})
    flipped = bytearray(whole)
    flipped[5_000] ^= 0xFF
    flipped[15_000] ^= 0xFF
    cases = [
        whole[:-1_000],
        whole[:9_000],
        bytes(flipped),
        gzip.compress(os.urandom(10_000))[:-100],
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
    ]
    for data in cases:
        put(root, "a.zip", data)
        assert refusal(root).reason == "archive_damaged"
    put(root, "a.zip", zipped({}))
    assert refusal(root).reason == "archive_empty"
    put(root, "a.zip", b"Rar!\x1a\x07\x00")
    assert refusal(root).reason == "archive_unsupported"


def test_an_entry_that_cannot_be_read_leaves_its_neighbours(root):
    packed = bytearray(zipped({"a.csv": os.urandom(10_000), "b.csv": b"x", "sub/c.zip": zipped({"d.csv": b"y"})[:-5]}))
    packed[5_000] ^= 0xFF
    put(root, "a.zip", bytes(packed))
    (landed,) = scan(root)
    found = {member.relative_path: member for member in expand(landed, root.parent / "work")}
    assert {path: member.fault and member.fault.reason for path, member in found.items()} == {
        "a.zip!/a.csv": "archive_damaged",
        "a.zip!/b.csv": None,
        "a.zip!/sub/c.zip": "archive_damaged",
    }
    assert str(found["a.zip!/a.csv"].fault).startswith("a.zip!/a.csv: this file of the archive is refused")
    for member in found.values():
        member.close()
    assert (root / "a.zip").exists() and not list((root.parent / "work").iterdir())
