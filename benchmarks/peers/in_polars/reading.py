"""Files as text columns, and texts as amounts, instants, codes and keys."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
from polars import col, lit

NEW_YORK, BEIJING = "America/New_York", "Asia/Shanghai"
SECONDS = "%Y-%m-%d %H:%M:%S"
Frames = dict[str, pl.DataFrame]


def scan(landing: Path, pattern: str, quote: str | None = '"') -> pl.LazyFrame:
    """All files of a pattern as text, with the file's name."""
    return pl.scan_csv(
        sorted(landing.glob(pattern)), infer_schema=False, quote_char=quote, include_file_paths="filename", glob=False
    )


def gbk(landing: Path, pattern: str, **options: object) -> pl.LazyFrame:
    """The same of files in GBK, which only the eager reader decodes; header names have blanks around them."""
    frames = [
        pl.read_csv(path, infer_schema=False, quote_char=None, encoding="gb18030", **options)
        .rename(str.strip)
        .with_columns(filename=lit(path.name))
        for path in sorted(landing.glob(pattern))
    ]
    return pl.concat(frames).lazy()


def bare(name: str) -> pl.Expr:
    return col(name).str.strip_chars('="')


def cents(column: pl.Expr | str, *, strict: bool = True) -> pl.Expr:
    column = col(column) if isinstance(column, str) else column
    return (column.cast(pl.Float64, strict=strict) * 100).round().cast(pl.Int64)


def number(name: str) -> pl.Expr:
    return col(name).cast(pl.Float64)


def beijing(column: pl.Expr | str, form: str = SECONDS, *, strict: bool = True) -> pl.Expr:
    """Text in Beijing's time as an instant."""
    column = col(column) if isinstance(column, str) else column
    return (column.str.to_datetime(form, time_unit="us", strict=strict) - timedelta(hours=8)).dt.replace_time_zone("UTC")


def iso(name: str) -> pl.Expr:
    return col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us").dt.convert_time_zone("UTC")


def utc(column: pl.Expr | str) -> pl.Expr:
    column = col(column) if isinstance(column, str) else column
    return column.str.head(19).str.to_datetime(SECONDS, time_unit="us").dt.replace_time_zone("UTC")


def code(name: str, codes: dict[str, str], default: str | None = "unmapped") -> pl.Expr:
    return col(name).replace_strict(codes, default=default, return_dtype=pl.String)


def key(channel: pl.Expr, shop: pl.Expr, own: pl.Expr) -> pl.Expr:
    return pl.concat_str(channel, shop, own, separator="|")


STANDARD_KEY = key(col("channel"), col("shop_id"), col("channel_order_id"))
