"""The pages of an audit (Data Docs), made to stand alone.

The library's own pages load styles and scripts from five networks, and a picture that tells their owner who is reading. Here they
are rendered by the library and stripped of all that: no script, no link to any network, our own style inside, and a policy that
forbids the browser to ask for anything.
"""

from __future__ import annotations

import html
import re
import shutil
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orders_pipeline.publish.audit.expectations import Found

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
#: Attributes whose value a browser may fetch, or go to when somebody clicks.
ADDRESSES = frozenset(
    {"action", "background", "cite", "data", "formaction", "href", "manifest", "ping", "poster", "src", "srcset", "xlink:href"}
)
NETWORK = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
IN_STYLE = re.compile(r"(?:url\(|@import)\s*['\"]?\s*(?:https?:|//)[^;)]*", re.IGNORECASE)
STYLE = """
body { font-family: system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; line-height: 1.5;
  margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #212529; background: #fff; }
h1 { font-size: 1.4rem } h4 { font-size: 1.15rem } h5 { font-size: 1.05rem } h6 { font-size: 0.95rem }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1.2rem }
th, td { border-bottom: 1px solid #dee2e6; padding: 0.35rem 0.6rem; text-align: left; vertical-align: top }
td.number { text-align: right }
.badge { background: #e9ecef; border-radius: 0.25rem; padding: 0 0.3rem; font-family: ui-monospace, monospace; font-size: 0.9em }
.text-danger, .failed { color: #b02a37 } .passed { color: #146c43 } .alert { background: #eef2f7; padding: 0.4rem 0.6rem }
.fa-check-circle::before { content: "\\2713"; color: #146c43; font-weight: bold; font-style: normal }
.fa-times::before { content: "\\2717"; color: #b02a37; font-weight: bold; font-style: normal }
.fa-exclamation-triangle::before { content: "!"; color: #b02a37; font-weight: bold; font-style: normal }
code { white-space: pre-wrap }
"""


def write_pages(folder: Path, month: date, run_id: str, found: Found) -> None:
    """The pages of a month below the folder, whole or not at all, and the list of all months beside them."""
    target = folder / f"{month:%Y-%m}"
    draft = folder / f".{target.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for table, (result, _) in found.items():
        (draft / f"{table}.html").write_text(stand_alone(_rendered(result), f"{table} {month:%Y-%m}"), encoding="utf-8")
    (draft / "index.html").write_text(_index(month, run_id, found), encoding="utf-8")
    if target.exists():
        shutil.rmtree(target)
    draft.rename(target)
    months = sorted((p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), reverse=True)
    items = "".join(f'<li><a href="{name}/index.html">{name}</a></li>' for name in months)
    (folder / "index.html").write_text(_page("Audits 审计", f"<h1>Audits 审计</h1><ul>{items}</ul>"), encoding="utf-8")


def _rendered(result: Any) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    # When and under which number it ran in memory says nothing of the figures, and would make every page another one.
    result.meta.update({"batch_markers": {}, "run_id": {"run_name": None, "run_time": None}})
    return DefaultJinjaPageView().render(ValidationResultsPageRenderer(run_info_at_end=True).render(result))


def stand_alone(page: str, title: str) -> str:
    """A page of the library as one that asks nothing of any network."""
    cleaner = _Cleaner()
    cleaner.feed(page)
    cleaner.close()
    return _page(title, f'<p><a href="index.html">↑</a></p><h1>{html.escape(title)}</h1>{"".join(cleaner.kept)}')


def remote_requests(page: str) -> list[str]:
    """What a browser would fetch, or lead to, from a network: addresses in attributes and in styles; scripts of any kind."""
    finder = _Finder()
    finder.feed(page)
    finder.close()
    return finder.found


class _Cleaner(HTMLParser):
    """Keeps the text, structure and classes of a page's body; drops what asks for something and what only a script would use."""

    DROPPED = frozenset({"script", "style", "nav", "footer", "button", "form", "iframe", "object", "svg", "head"})
    EMPTY = frozenset({"img", "link", "meta", "input", "base", "embed", "source"})
    ATTRIBUTES = frozenset({"class", "id", "colspan", "rowspan"})
    OUTER = frozenset({"html", "body"})
    #: The column of buttons and jumps, which does nothing without scripts.
    SIDE = frozenset({"col-lg-2"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.EMPTY or tag in self.OUTER:
            return
        classes = dict(attrs).get("class") or ""
        if self._inside:
            self._inside += [tag] * (tag == self._inside[0])
            return
        if tag in self.DROPPED or self.SIDE & set(classes.split()):
            self._inside.append(tag)
            return
        kept = [(name, value or "") for name, value in attrs if name in self.ATTRIBUTES]
        kept += [(name, value or "") for name, value in attrs if name == "href" and (value or "").startswith("#")]
        self.kept.append(f"<{tag}{''.join(f' {n}={chr(34)}{html.escape(v)}{chr(34)}' for n, v in kept)}>")

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            if tag == self._inside[0]:
                self._inside.pop()
        elif tag not in self.EMPTY and tag not in self.OUTER:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.kept.append(html.escape(data))


class _Finder(HTMLParser):
    """Finds addresses of networks, whatever attribute or style they stand in."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        if tag == "script":
            self.found.append("script")
        for name, value in attrs:
            if name in ADDRESSES and NETWORK.match(value or "") and not (value or "").startswith("data:"):
                self.found.append(f"{tag} {name} {value}")
            if name == "style" or name.startswith("on"):
                self.found += IN_STYLE.findall(value or "") or (["handler"] if name.startswith("on") else [])

    def handle_endtag(self, tag: str) -> None:
        self._style = self._style and tag != "style"

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found += IN_STYLE.findall(data)


def _index(month: date, run_id: str, found: Found) -> str:
    rows = []
    for table, (_, outcomes) in found.items():
        for o in outcomes:
            mark = '<span class="passed">✓</span>' if o.passed else '<span class="failed">✗</span>'
            rows.append(
                f'<tr><td>{mark}</td><td><a href="{table}.html">{table}</a></td><td>{html.escape(o.claim.replace("_", " "))}</td>'
                f'<td class="number">{o.rows_checked:,}</td><td class="number">{o.rows_failing:,}</td></tr>'
            )
    outcomes = [o for _, several in found.values() for o in several]
    held = sum(o.passed for o in outcomes)
    head = "<tr><th></th><th>Table 表</th><th>Claim 断言</th><th>Rows 行数</th><th>Failing 不符</th></tr>"
    summary = f"{held} of {len(outcomes)} expectations hold · {len(outcomes)} 项断言中 {held} 项成立"
    title = f"Audit 审计 {month:%Y-%m}"
    body = f'<p><a href="../index.html">↑</a></p><h1>{title}</h1><p>{summary}</p><p class="run">{run_id}</p>'
    return _page(title, f"{body}<table>{head}{''.join(rows)}</table>")


def _page(title: str, body: str) -> str:
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    )
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'
