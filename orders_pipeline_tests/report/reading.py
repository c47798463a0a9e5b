"""The report as a reader meets it: its tables by id, the texts of one language, what is in it that could reach out."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

VOID = {"br", "meta", "link", "hr", "img", "input", "col", "base"}


class Reader(HTMLParser):
    """Rows of every table by id, sentences by id, every tag with its attributes, the texts outside of style and script."""

    def __init__(self, language: str) -> None:
        super().__init__(convert_charrefs=True)
        self.language = language
        self.tables: dict[str, list[list[str]]] = {}
        self.sentences: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {"style": "", "script": ""}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._table: str | None = None
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append((tag, known))
        if tag not in VOID:
            self._open.append((tag, known))
        if tag == "table" and known.get("id"):
            self._table = str(known["id"])
            self.tables[self._table] = []
        elif tag == "tr" and self._table:
            self.tables[self._table].append([])
        elif tag in ("td", "th") and self._table:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> ends <{opened}>"
        if tag in ("td", "th") and self._cell is not None and self._table:
            self.tables[self._table][-1].append("".join(self._cell).strip())
            self._cell = None
        elif tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self._open]
        if inside and inside[-1] in self.raw:
            self.raw[inside[-1]] += data
            return
        if any(known.get("lang") not in (None, self.language) for tag, known in self._open if tag != "html"):
            return
        self.texts.append(data)
        if self._cell is not None:
            self._cell.append(data)
        for _, known in self._open:
            if known.get("class") == "says" and known.get("id"):
                name = str(known["id"]).removesuffix("-says")
                self.sentences[name] = self.sentences.get(name, "") + data


def read(path: Path, language: str = "en") -> Reader:
    """The report in one language; fails where its tags do not close in order."""
    reader = Reader(language)
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert not reader._open
    return reader


def rows(reader: Reader, table: str) -> list[list[str]]:
    """The rows of a table without its head."""
    return reader.tables[table][1:]
