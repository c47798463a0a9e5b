"""Probes of credentials, keys, permissions, and of who hears of what."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from orders_pipeline.alerts.delivery import read_targets
from orders_pipeline.checkup.probes import Fact, fact, probe
from orders_pipeline.checkup.scene import Scene
from orders_pipeline.dev import PG_VARIABLE, refuse_unreachable, sqlalchemy_url
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import KEY_VARIABLE
from orders_pipeline.kernel.sqltext import quote
from orders_pipeline.kernel.tables import load_tables

#: Shorter keys and passwords can be tried out.
KEY_LENGTH, PASSWORD_LENGTH = 16, 12
COMMON_PASSWORDS = frozenset(
    {"postgres", "password", "passwort", "123456", "12345678", "123456789", "admin", "root", "secret", "changeme", "dagster"}
)
#: Rows of a published table that are looked at for what looks personal.
ROWS_LOOKED_AT = 200_000
#: What looks personal in free text: mobile numbers of the mainland, identity cards, e-mail addresses.
PERSONAL = {
    ("telephone numbers", "手机号"): r"(^|[^0-9A-Za-z])(\+?86[- ]?)?1[3-9][0-9]{9}($|[^0-9A-Za-z])",
    (
        "identity cards",
        "身份证号",
    ): r"(^|[^0-9A-Za-z])[1-9][0-9]{5}(19|20)[0-9]{2}[01][0-9][0-3][0-9][0-9]{3}[0-9Xx]($|[^0-9A-Za-z])",
    ("e-mail addresses", "邮箱"): r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}",
}
IN_NAMES = {
    ("a password or token", "密码或令牌"): r"(?i)(passwo?r?d|passwd|pwd|secret|token|api[_-]?key|密码|口令)\s*[=：:_-]\s*\S",
    ("an access key", "访问密钥"): r"(?:^|[^A-Za-z0-9])(?:AKIA[0-9A-Z]{16}|LTAI[0-9A-Za-z]{12,}|sk_live_\w+|ghp_\w{20,})",
    ("a telephone number", "手机号"): r"(?:^|\D)1[3-9]\d{9}(?:\D|$)",
    ("an e-mail address", "邮箱"): r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}",
}


@probe
def postgres_unreachable(scene: Scene) -> Iterator[Fact]:
    url = scene.environ.get(PG_VARIABLE)
    if url:
        try:
            refuse_unreachable(sqlalchemy_url(url))
        except Usage as error:
            yield fact(PG_VARIABLE, detail=error)


@probe
def postgres_password_weak(scene: Scene) -> Iterator[Fact]:
    url = scene.environ.get(PG_VARIABLE)
    if not url:
        return
    parts = urlsplit(url)
    password = parts.password or ""
    if not password and parts.hostname:
        yield fact(PG_VARIABLE, flaw="is empty")
    elif password and (password.lower() in COMMON_PASSWORDS or password == parts.username):
        yield fact(PG_VARIABLE, flaw="is one of those tried first")
    elif password and len(password) < PASSWORD_LENGTH:
        yield fact(PG_VARIABLE, flaw=f"is shorter than {PASSWORD_LENGTH} characters")


@probe
def customer_key_missing(scene: Scene) -> Iterator[Fact]:
    if scene.environ.get(KEY_VARIABLE) or _key_file(scene).exists():
        return
    scene.need("raw.orders")
    count = scene.rows("SELECT count(*) FROM raw.orders WHERE customer_id IS NOT NULL")[0][0]
    if count:
        yield fact("customer.key", count=count)


@probe
def customer_key_twice(scene: Scene) -> Iterator[Fact]:
    given, file = scene.environ.get(KEY_VARIABLE), _key_file(scene)
    if given and file.exists() and file.read_text().strip() != given:
        yield fact(KEY_VARIABLE)


@probe
def customer_key_open(scene: Scene) -> Iterator[Fact]:
    file = _key_file(scene)
    if file.exists() and file.stat().st_mode & 0o077:
        yield fact(file.name, mode=f"{file.stat().st_mode & 0o777:o}")


@probe
def customer_key_short(scene: Scene) -> Iterator[Fact]:
    given, file = scene.environ.get(KEY_VARIABLE), _key_file(scene)
    place, key = (KEY_VARIABLE, given) if given else (file.name, file.read_text().strip() if file.exists() else "")
    if key and len(key) < KEY_LENGTH:
        yield fact(place, length=len(key))


def _key_file(scene: Scene) -> Path:
    return scene.home.root / "customer.key"


@probe
def alert_target_silent(scene: Scene) -> Iterator[Fact]:
    for target in read_targets(scene.settings.alerts):
        if not scene.environ.get(target.url_env):
            yield fact(f"[alerts.{target.name}]", variable=target.url_env)


@probe
def alert_address_unknown(scene: Scene) -> Iterator[Fact]:
    targets = [t for t in read_targets(scene.settings.alerts) if scene.environ.get(t.url_env)]
    if not targets:
        return
    import logging

    import apprise

    # Its log may hold the address, which is a secret.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    for target in targets:
        if not apprise.Apprise().add(scene.environ[target.url_env]):
            yield fact(f"[alerts.{target.name}]", variable=target.url_env)


@probe
def nobody_hears_alerts(scene: Scene) -> Iterator[Fact]:
    if not scene.settings.alerts:
        yield fact("settings.toml")


@probe
def folder_open_to_others(scene: Scene) -> Iterator[Fact]:
    home = scene.home
    if not home.root.exists() or not home.root.stat().st_mode & 0o001:
        return  # Nobody else gets into the home at all.
    for folder in (home.landing, home.warehouse.parent, home.decisions, home.work, home.dagster):
        mode = folder.stat().st_mode & 0o777 if folder.exists() else 0
        if mode & 0o002:
            yield fact(folder.name, "error", mode=f"{mode:o}", may="write to", may_zh="写入")
        elif mode & 0o004:
            yield fact(folder.name, mode=f"{mode:o}", may="read", may_zh="读取")


@probe
def secret_in_file_name(scene: Scene) -> Iterator[Fact]:
    for folder, _, names in os.walk(scene.home.landing):
        for name in names:
            for (what, what_zh), pattern in IN_NAMES.items():
                if re.search(pattern, name):
                    # The name itself is not repeated: it is what must not spread.
                    place = Path(folder).relative_to(scene.home.root) / f"{name[:4]}…{Path(name).suffix}"
                    yield fact(str(place), what=what, what_zh=what_zh)
                    break


@probe
def personal_data_published(scene: Scene) -> Iterator[Fact]:
    published = scene.published
    present = published.execute(
        "SELECT schema_name || '.' || table_name, column_name FROM duckdb_columns() "
        "WHERE database_name = 'published' AND data_type = 'VARCHAR'"
    ).fetchall()
    specs, fields = load_tables(), scene.dictionary.fields
    by_table: dict[str, list[str]] = {}
    for table, column in present:
        # Identifiers are long numbers by nature, and what a vocabulary allows holds nobody's data.
        is_text = column not in fields or (fields[column].type == "text" and not fields[column].vocabulary)
        if table in specs and is_text and not column.endswith(("_id", "_guid", "_key", "sha256", "_sha")):
            by_table.setdefault(table, []).append(column)
    for table, columns in sorted(by_table.items()):
        rows = f"(SELECT * FROM {table} LIMIT {ROWS_LOOKED_AT})"
        whole = f"concat_ws(chr(10), {', '.join(map(quote, columns))})"
        suspected = _counts(published, rows, [(whole, kind) for kind in PERSONAL])
        pairs = [(quote(column), kind) for column in columns for _, kind in suspected]
        for (column, kind), count in (_counts(published, rows, pairs) if pairs else {}).items():
            yield fact(f"{table}.{column.strip(chr(34))}", what=kind[0], what_zh=kind[1], count=count)


def _counts(
    published: duckdb.DuckDBPyConnection, rows: str, pairs: Sequence[tuple[str, tuple[str, str]]]
) -> dict[tuple[str, tuple[str, str]], int]:
    """(expression, kind) -> in how many rows the expression looks like that kind of personal data; without those in none."""
    counts = ", ".join(f"count(*) FILTER (regexp_matches({expression}, ?))" for expression, _ in pairs)
    row = published.execute(f"SELECT {counts} FROM {rows}", [PERSONAL[kind] for _, kind in pairs]).fetchall()[0]
    return {pair: count for pair, count in zip(pairs, row, strict=True) if count}
