"""Open a file by what its bytes say it is, whatever its name claims."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orders_pipeline.ingest.read.encoding import DEFAULT_ENCODINGS, by_mark, line_too_long, nul_bytes, unmarked_utf16
from orders_pipeline.ingest.read.limits import DEFAULT, GIB, MIB, Limits
from orders_pipeline.ingest.read.model import Dialect, Sniffed
from orders_pipeline.kernel.faults import BadInput

if TYPE_CHECKING:
    from orders_pipeline.ingest.landing import Member

_MARKUP = (b"<html", b"<table", b"<!doctype html", b"<?xml", b"<head", b"<meta", b"<body", b"<div", b"<style")
#: Smaller files are read whole at once.
CHECKED_ABOVE_BYTES = 32 * MIB
_PICTURES = ((b"%PDF", "a PDF"), (b"\x89PNG", "a picture"), (b"\xff\xd8\xff", "a picture"), (b"GIF8", "a picture"))


def sniff_kind(path: Path) -> str:
    """``xlsx``, ``xls``, ``html``, ``json``, ``parquet`` or ``text`` (anything else), from the first bytes.

    Raises `BadInput` ``not_a_table`` for pictures, PDF files and zip archives without a workbook inside, and
    ``workbook_binary`` for a workbook in Excel's binary form (.xlsb).
    """
    with path.open("rb") as stream:
        start = stream.read(4096)
    for mark, what in _PICTURES:
        if start.startswith(mark):
            raise _no_table(what)
    if start.startswith(b"PK\x03\x04"):
        return "xlsx" if _is_workbook(path) else _refuse_zip()
    if start.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "xls"
    if start.startswith(b"PAR1"):
        return "parquet"
    bare = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        bare = start.replace(b"\0", b"")[2:].lstrip().lower()
    if bare.startswith(_MARKUP):
        return "html"
    if bare[:1] == b"{" or (bare[:1] == b"[" and bare[1:].lstrip()[:1] in (b"{", b"]")):
        return "json"
    return "text"


def _is_workbook(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.lower().replace("\\", "/") for name in archive.namelist()]
    except zipfile.BadZipFile:
        raise BadInput(
            "the file is damaged: it begins like a workbook or archive and ends too early",
            reason="archive_damaged",
            remedy="download or copy the file again",
        ) from None
    if "xl/workbook.bin" in names:
        # Its records are not looked at: neither how large it becomes in memory, nor the cells the library would leave blank.
        raise BadInput(
            "the workbook is in Excel's binary form (.xlsb), which is not read",
            reason="workbook_binary",
            remedy="open it in a spreadsheet program and save it as XLSX or CSV",
        )
    return any(name.startswith("xl/") for name in names)


def _refuse_zip() -> str:
    raise _no_table("an archive without a table in it")


def _no_table(what: str) -> BadInput:
    return BadInput(f"the file is {what}", reason="not_a_table", remedy="put CSV, XLSX, JSON or Parquet files here")


def check_start(path: Path, size: int, limits: Limits = DEFAULT) -> None:
    """Refuse a large file that is plainly no table by its beginning alone, before all of it is read to know its hash.

    Raises `BadInput` ``file_too_large``, ``nul_bytes`` or ``line_too_long``.
    """
    if size > limits.file_bytes:
        raise BadInput(
            f"the file is larger than {limits.file_bytes // GIB} GiB",
            reason="file_too_large",
            remedy="export it in parts, by month for example",
        )
    if size <= CHECKED_ABOVE_BYTES or sniff_kind(path) != "text":
        return
    with path.open("rb") as stream:
        start = stream.read(limits.line_bytes + 1)
    wide = unmarked_utf16(start[:64]) or (by_mark(start[:4]) or ("",))[0].startswith("utf-16")
    if not wide and (nul := start.find(b"\0", 0, 4 * MIB)) >= 0:
        raise nul_bytes(nul, start.count(b"\n", 0, nul) + 1)
    if b"\n" not in start and b"\r" not in start:
        raise line_too_long(limits.line_bytes, 1)


def open_table(
    member: Member,
    work_dir: Path,
    *,
    encodings: Sequence[str] = DEFAULT_ENCODINGS,
    dialect: Dialect | None = None,
    limits: Limits = DEFAULT,
) -> Sniffed:
    """The tables in a file, with the header still to be found. Copies are written into ``work_dir``.

    ``encodings`` lists the encodings to try (strict UTF-8 always comes first); ``dialect`` overrides the guess.
    ``member.sha256`` is filled in on the way. Every `BadInput` names the member's file.
    """
    from orders_pipeline.ingest.read import jsonfile, markup, parquet, sheet, text  # each imports what it needs

    try:
        kind = sniff_kind(member.path)
        if kind == "text":
            table = text.open_text(
                member.path, work_dir, encodings=encodings, limits=limits, sha256=member.known_sha256, dialect=dialect
            )
            if table.facts is not None:
                member.known_sha256 = table.facts.sha256
            return Sniffed(kind, [table], member.sha256, member.path)
        readers = {"xlsx": sheet.open_workbook, "xls": sheet.open_workbook, "html": markup.open_html}
        readers |= {"json": jsonfile.open_json, "parquet": parquet.open_parquet}
        tables = readers[kind](member.path, work_dir, limits)
        if not tables:
            raise BadInput("the file holds no table", reason="empty_file", remedy="export it again")
        return Sniffed(kind, tables, member.sha256, member.path)
    except BadInput as fault:
        raise fault.in_file(member.relative_path) from fault.__cause__
