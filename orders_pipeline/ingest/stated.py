"""What the place of a file and the text around its table say of all its rows: zone, courier, time of export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from orders_pipeline.dictionary.model import DECLARED_ZONE, Dictionary, Source, canonical_value, is_zone
from orders_pipeline.ingest.landing import hints_of
from orders_pipeline.kernel.faults import BadInput


def zone_of_folder(hints: Mapping[str, str]) -> str | None:
    """The zone a folder `timezone=…` names. Raises BadInput when there is no such zone."""
    zone = hints.get("timezone")
    if zone and zone != DECLARED_ZONE and not is_zone(zone):
        raise BadInput(
            f"the folder timezone={zone} names no time zone",
            reason="unknown_timezone",
            remedy="name the folder by an IANA zone with %2F for its slash, e.g. timezone=Asia%2FShanghai or timezone=UTC",
        )
    return zone or None


def courier_code(dictionary: Dictionary, name: str) -> str:
    """The standard code of a courier that a folder, a file name or a heading names."""
    code = dictionary.aliases("courier").get(canonical_value(name))
    if code is None:
        raise BadInput(
            f"'{name}' is no known courier",
            reason="unknown_courier",
            field="courier_code",
            remedy="use a code or name of vocabularies/courier.yml, or add it there as an alias",
        )
    return code


def folder_time(text: str, zone: tzinfo) -> datetime:
    """The moment a folder `exported=…` names: ISO 8601, in the file's zone where it has no offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"the folder exported={text} names no time",
            reason="unreadable_time",
            remedy="write e.g. exported=2026-01-31T0930 (ISO 8601)",
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def stated_export(
    source: Source, path: str, lines: list[str], zone: str | None, hints: Mapping[str, str] | None = None
) -> datetime | None:
    """When the platform wrote the file, if its folder (`exported=`), its name or its own text says so."""
    folder = (hints_of(path) if hints is None else hints).get("exported")
    if folder:
        return folder_time(folder, ZoneInfo(zone or source.timezone) if (zone or source.timezone) != DECLARED_ZONE else UTC)
    for rule in source.get("exported_at", ()):
        texts = [path] if "filename" in rule else lines
        for text in texts:
            found = re.search(rule.get("filename") or rule.get("footer"), text)
            if not found:
                continue
            try:
                if rule["format"] == "epoch":
                    return datetime.fromtimestamp(int(found.group(1)), UTC)
                local = datetime.strptime(found.group(1), rule["format"])  # noqa: DTZ007 - the zone follows
            except ValueError:
                continue
            return local.replace(tzinfo=ZoneInfo(zone or source.timezone)).astimezone(UTC)
    return None


def found_in(pattern: str | None, lines: list[str]) -> str | None:
    """The pattern's first group in the first line that has it."""
    for line in lines if pattern else ():
        found = re.search(pattern or "", line)
        if found:
            return found.group(1)
    return None
