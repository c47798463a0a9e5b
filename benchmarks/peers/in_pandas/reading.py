"""Files as text columns, and texts as amounts, instants, codes and keys."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

NEW_YORK, BEIJING = "America/New_York", "Asia/Shanghai"
SECONDS = "%Y-%m-%d %H:%M:%S"
HOUR = pd.Timedelta(hours=1)
Frames = dict[str, pd.DataFrame]
PARCEL = ["courier_code", "waybill_id"]


def read(landing: Path, *patterns: str, columns: list[str], quoted: bool = True, **options: object) -> pd.DataFrame:
    """These columns of all files of the patterns as text, with the file's name."""
    options |= {"dtype": str, "keep_default_na": False, "na_values": [""]}
    options.setdefault("usecols", lambda name: name.strip() in columns)
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    paths = [path for pattern in patterns for path in sorted(landing.glob(pattern))]
    frames = [
        pd.read_csv(path, quoting=quoting, **options).rename(columns=str.strip).assign(filename=path.name) for path in paths
    ]
    return pd.concat(frames, ignore_index=True)


def bare(texts: pd.Series) -> pd.Series:
    return texts.str.strip('="')


def cents(texts: pd.Series, errors: str = "raise") -> pd.Series:
    return (pd.to_numeric(texts, errors=errors).astype(float) * 100).round()


def beijing(texts: pd.Series, form: str = SECONDS, errors: str = "raise") -> pd.Series:
    """Text in Beijing's time as an instant."""
    return (pd.to_datetime(texts, format=form, errors=errors).dt.as_unit("us") - 8 * HOUR).dt.tz_localize("UTC")


def iso(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format="ISO8601", utc=True).dt.as_unit("us")


def utc(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts.str[:19], format=SECONDS, utc=True).dt.as_unit("us")


def code(texts: pd.Series, codes: dict[str, str], default: str = "unmapped") -> pd.Series:
    return texts.map(codes).fillna(default)


def key(channel: str | pd.Series, shop: str | pd.Series, own: pd.Series) -> pd.Series:
    return channel + "|" + shop + "|" + own


def standard_key(frame: pd.DataFrame) -> pd.Series:
    return key(frame["channel"], frame["shop_id"], frame["channel_order_id"])


def undash(texts: pd.Series) -> pd.Series:
    return texts.where(texts != "-")
