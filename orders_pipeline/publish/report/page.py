"""The page: head with a policy that forbids everything but its own style and script, tiles, sections, foot."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from orders_pipeline.publish.report import data, differences, health, match, promotions, stages, stock
from orders_pipeline.publish.report.book import Book, Section
from orders_pipeline.publish.report.markup import Both, Safe, html, tag
from orders_pipeline.publish.report.words import moment, money, percent, say, whole

FOLDER = Path(__file__).parent
LANGUAGES = {"zh": "中文", "en": "English"}


def page(book: Book, language: str) -> str:
    """The whole report as one HTML text; the same tables give the same text."""
    made = (
        match.section(book),
        differences.section(book),
        stock.section(book),
        stages.section(book),
        health.section(book),
        promotions.section(book),
        data.section(book),
    )
    sections = [_glance(book), *(s for s in made if s)]
    style, script = ((FOLDER / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    title = say("title")
    when = say("as_of", moment=moment(book.as_of, book.zone), zone=book.zone.key)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", getattr(title, language), data_en=title.en, data_zh=title.zh),
        tag("style", Safe(style)),
    )
    switch = tag(
        "div",
        [
            tag("button", name, type="button", data_language=code, aria_pressed=str(code == language).lower())
            for code, name in LANGUAGES.items()
        ],
        class_="switch",
        role="group",
        aria_labelledby="language",
    )
    body = tag(
        "body",
        tag("a", say("skip"), href="#now", class_="skip"),
        tag(
            "header",
            tag("div", tag("h1", title), tag("p", when)),
            tag("span", say("language"), id="language", class_="unseen"),
            switch,
        ),
        _contents(sections),
        tag("main", [_section(s) for s in sections]),
        tag("footer", tag("p", say("made_of", zone=book.zone.key))),
        tag("script", Safe(script)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang=language)}\n"


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded from anywhere; of style and script only this file's own, by their hashes."""
    sums = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in (("style", style), ("script", script))
    }
    own = "; ".join(f"{name}-src 'sha256-{digest}'" for name, digest in sums.items())
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _contents(sections: Sequence[Section]) -> Safe:
    links = [tag("li", tag("a", s.title, href=f"#{s.name}")) for s in sections]
    return tag("nav", tag("span", say("contents"), id="contents", class_="unseen"), tag("ul", links), aria_labelledby="contents")


def _section(section: Section) -> Safe:
    heading = f"{section.name}-title"
    return tag(
        "section",
        tag("h2", section.title, id=heading),
        tag("div", html(*section.figures), class_="figures"),
        id=section.name,
        aria_labelledby=heading,
    )


# ---- the tiles


def _glance(book: Book) -> Section:
    orders = book.one("SELECT count(*) AS orders, count(DISTINCT channel) AS channels FROM orders.orders")
    matched = book.one(
        "SELECT count(*) AS all_rows, count(*) FILTER (WHERE status IN ('MATCHED', 'MATCHED_WITHIN_TOLERANCE')) AS matched "
        f"FROM {match.MATCH}"
    )
    tiles = [
        _tile(say("tile_orders"), whole(orders.orders), say("tile_channels", count=whole(orders.channels))),
        _tile(
            say("tile_matched"),
            percent(matched.matched / matched.all_rows if matched.all_rows else None),
            say("tile_matched_of", count=whole(matched.matched), all=whole(matched.all_rows)),
        ),
        _open(book),
    ]
    if book.has("fulfilment.order_stages"):
        late = book.one(
            f"SELECT count(DISTINCT order_guid) AS orders, count(DISTINCT order_guid) FILTER (WHERE level = 'suspended') AS out "
            f"FROM {stages.LATE} WHERE level <> 'reminder'"
        )
        tiles.append(_tile(say("tile_late"), whole(late.orders), say("tile_late_of", count=whole(late.out))))
    if book.has(stock.ATP):
        found = book.one(
            f"SELECT count(*) AS places, count(*) FILTER (WHERE oversold_qty > 0) AS oversold FROM {stock.ATP} "
            f"WHERE {stock.KNOWN}"
        )
        tiles.append(_tile(say("tile_oversold"), whole(found.oversold), say("tile_oversold_of", all=whole(found.places))))
    standing = (
        book.one(
            f"SELECT count(*) AS standing, count(*) FILTER (WHERE severity = 'critical') AS critical FROM {data.ALERTS} "
            "WHERE cleared_at IS NULL"
        )
        if book.has(data.ALERTS)
        else None
    )
    if standing:
        tiles.append(_tile(say("tile_alerts"), whole(standing.standing), say("tile_alerts_of", count=whole(standing.critical))))
    shown = data.alerts(book)
    return Section("now", say("now_title"), [tag("ul", tiles, class_="tiles"), *([shown] if shown else [])])


def _open(book: Book) -> Safe:
    rows = book.rows(
        f"SELECT currency, count(*) AS orders, coalesce(sum(abs(amount_diff)), 0) AS amount FROM {differences.EXCEPTIONS} "
        f"WHERE state IN {differences.OPEN} GROUP BY ALL ORDER BY orders DESC, currency"
    )
    stake = [r for r in rows if r.currency and r.amount]
    under = (
        [tag("span", _line(say("tile_open_money", amount=money(r.amount), currency=r.currency))) for r in stake[:2]]
        if stake
        else say("tile_open_none")
    )
    return _tile(say("tile_open"), whole(sum(r.orders for r in rows)), under)


def _line(text: Both) -> Safe:
    return html(text, tag("br"))


def _tile(name: Both, value: str, under: object) -> Safe:
    return tag("li", tag("small", name), tag("strong", value), tag("small", under))
