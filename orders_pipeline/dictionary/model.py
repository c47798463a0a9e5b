"""Loads the dictionary and refuses what is inconsistent, saying how to mend it.

Everything that needs to know a field (parsing, DuckDB types, pandera schemas, Dagster column metadata, generated
documentation) asks here, so that a field's name, type and meaning have one home: the YAML files beside this module.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import yaml

from orders_pipeline.dictionary.parts import blocks_of
from orders_pipeline.dictionary.rules import condition_handles, rule_handles, spelled_out
from orders_pipeline.kernel.faults import Usage

FOLDER = Path(__file__).parent

#: Standard type -> DuckDB type. Money is exact, never a float; ids are text from end to end.
DUCKDB_TYPES = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "code": "VARCHAR",
    "guid": "UUID",
    "money": "DECIMAL(18,2)",
    "price": "DECIMAL(18,4)",
    "quantity": "DECIMAL(18,3)",
    "ratio": "DOUBLE",
    "integer": "BIGINT",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "date": "DATE",
}

GLOBAL_NULLS = ("", "-", "--", "—", "——", "/", "NA", "N/A", "NULL", "null", "无", "None", "nan", "NaN")
#: Of these, what says of a number that it could not be worked out: a fault there unless the source lists it, blank in a text.
NOT_A_NUMBER = ("nan", "NaN")
#: What databases write for no time (MySQL's zero date, pandas' NaT); in a time or date it is blank.
NO_TIME = ("0000-00-00", "0000-00-00 00:00:00", "0000-00-00T00:00:00", "0000/00/00", "0000/00/00 00:00:00", "NaT")
STANDARD_PREFIX = "standard_"
#: Of equal rows in one file: the first counts | all count | all count, and the later ones are marked and counted as duplicates.
REPEATED_ROWS = ("duplicate", "legitimate", "marked")
#: Stands for a column in `concat`: the number of a row among its equals in the file, from 1 (only where repeats are kept).
#: Equals are rows with the same cells, or, with `repeats_of`, with the same cells in these columns.
REPEAT_NUMBER = "repeat_number"
#: What the place of a file may say of all its rows: field -> key in the source and of a landing folder (`courier=zto/`).
PLACE_FIELDS = {"shop_id": "shop", "account": "account", "courier_code": "courier", "warehouse_id": "warehouse", "owner": "owner"}
DECLARED_ZONE = "declared"
#: Stands where `channel suggest` asks and a person has to answer.
OPEN = "?"


class DictionaryError(Usage):
    """The dictionary contradicts itself; the message names the file, the entry and the mend."""


@dataclass(frozen=True)
class Field:
    """One standard field: its type, meaning and personal-data class."""

    name: str
    type: str
    en: str
    zh: str
    pii: str | None = None
    event: bool = False
    scrub: bool = False
    case: str | None = None
    pattern: str | None = None
    vocabulary: str | None = None
    min: float | None = None
    max: float | None = None
    unit: str | None = None

    @property
    def duckdb_type(self) -> str:
        return DUCKDB_TYPES[self.type]


@dataclass(frozen=True)
class Entity:
    """A standard entity: what one kind of row carries, whatever file it came from."""

    name: str
    title: Mapping[str, str]
    grain: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    family: tuple[str, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    repeated_rows: str = "duplicate"

    @property
    def fields(self) -> tuple[str, ...]:
        return self.required + self.optional


@dataclass(frozen=True)
class Block:
    """One way a source's rows become rows of an entity."""

    entity: str
    rows: str
    fields: Mapping[str, Mapping[str, Any]]
    group_by: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    #: Columns without which a file has no rows of this block; the rest of the file is read all the same.
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One kind of file: how it is recognised, read and mapped to the standard."""

    name: str
    title: Mapping[str, str]
    timezone: str
    kind: str
    columns: Mapping[str, tuple[str, ...]]
    signature: tuple[str, ...]
    blocks: tuple[Block, ...]
    spec: Mapping[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        return self.spec.get(key, default)

    @property
    def channel(self) -> str | None:
        return self.spec.get("channel")

    @property
    def ignore(self) -> str | None:
        """Why a recognised file carries no rows of its own (a summary, for example)."""
        return self.spec.get("ignore")

    @property
    def primary(self) -> Block:
        """The block that accounts for the source's rows, one entity row per source row where there is one."""
        return next((b for b in self.blocks if b.rows == "each"), self.blocks[0])

    @property
    def optional_fields(self) -> frozenset[str]:
        return frozenset(self.spec.get("optional_fields", ()))

    @property
    def is_standard(self) -> bool:
        return self.name.startswith(STANDARD_PREFIX)

    @property
    def repeated_rows(self) -> str:
        """What rows of one file are that equal another one in every cell (see REPEATED_ROWS)."""
        return self.spec.get("repeated_rows", "duplicate")


@dataclass(frozen=True)
class Dictionary:
    """All of it, checked."""

    fields: Mapping[str, Field]
    entities: Mapping[str, Entity]
    vocabularies: Mapping[str, Mapping[str, Mapping[str, Any]]]
    channels: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Source]
    courier_words: Sequence[Mapping[str, str]]

    def field(self, entity: str, column: str) -> Field:
        """The standard field a column of an entity means (`kind` of a payment is a payment_kind)."""
        return self.fields[self.entities[entity].meanings.get(column, column)]

    @functools.cached_property
    def source_names_by_header(self) -> Mapping[str, frozenset[str]]:
        """Canonical name of a column -> the sources that have it under any of its aliases."""
        out: dict[str, set[str]] = {}
        for source in self.sources.values():
            for aliases in source.columns.values():
                for alias in aliases:
                    out.setdefault(canonical_header(alias), set()).add(source.name)
        return {name: frozenset(sources) for name, sources in out.items()}

    def channel(self, code: str) -> Mapping[str, Any]:
        return {**self.channels["default"], **self.channels.get(code, {})}

    def aliases(self, vocabulary: str) -> dict[str, str]:
        """Every accepted wording of a vocabulary's codes, canonical form -> code."""
        out: dict[str, str] = {}
        for code, entry in self.vocabularies[vocabulary].items():
            for word in (code, *(entry.get("aliases") or ())):
                key = canonical_value(str(word))
                if out.setdefault(key, code) != code:
                    raise DictionaryError(
                        f"vocabulary {vocabulary}: '{word}' is an alias of both {out[key]} and {code}; keep one"
                    )
        return out


_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff\u00ad]")
_SPACES = re.compile(r"\s+")
_EXPORTER_PREFIX = re.compile(r"^(?:\*:|col:)")
#: What templates say of a column beside its name, and a name broken into lines.
_TEMPLATE_MARKS = re.compile(r"^\*\s*|(?:\s*(?:\*|\((?:必填|选填|必填项|选填项|required|optional)\)))+$", re.IGNORECASE)
_BROKEN_NAME = re.compile(r"(?<=[\u4e00-\u9fff)])[ \t]*[\r\n]+\s*(?=[\u4e00-\u9fff(])")


@functools.lru_cache(maxsize=20_000)
def canonical_header(name: str) -> str:
    """A header cell in the form in which headers are compared.

    Full- and half-width forms, spaces, zero-width characters, 帐/账, letter case and the `*:`/`col:` prefixes of some
    exporters, a line break inside a Chinese name and a template's `*` or `(必填)` make no difference to what a column is.
    """
    text = _BROKEN_NAME.sub("", unicodedata.normalize("NFKC", str(name)))
    text = _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip().strip("\"'`=").strip()
    text = _TEMPLATE_MARKS.sub("", _EXPORTER_PREFIX.sub("", text))
    return text.replace("帐", "账").casefold()


def canonical_value(text: str) -> str:
    """A status or kind word in the form in which words are compared (commas, widths and spaces do not matter)."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold()


def read_yaml(path: Path) -> Any:
    """YAML by the C loader where it exists: the pure Python one takes longer than the rest of a start."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader by name
    except yaml.YAMLError as error:
        raise DictionaryError(f"{path.name} is not valid YAML: {error}") from error


@functools.cache
def _zones() -> frozenset[str]:
    """Python looks through the whole folder of zones each time it is asked."""
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Whether there is an IANA time zone of this name."""
    return name in _zones()


@functools.cache
def load_dictionary(folder: Path = FOLDER) -> Dictionary:
    """Read and check the dictionary in `folder`; raises DictionaryError with the entry and the mend."""
    fields, entities = read_entities(folder)
    vocabularies = {p.stem: read_yaml(p) for p in sorted((folder / "vocabularies").glob("*.yml"))}
    courier_status = vocabularies.pop("courier_status")
    channels = read_yaml(folder / "channels.yml")
    sources = {e.name: e for e in _standard_sources(entities)}
    for path in sorted((folder / "sources").glob("*.yml")):
        source = read_source(path, fields, entities)
        sources[source.name] = source
    return Dictionary(fields, entities, vocabularies, channels, sources, courier_status["patterns"])


def read_entities(folder: Path = FOLDER) -> tuple[dict[str, Field], dict[str, Entity]]:
    """The standard fields and entities; raises DictionaryError for a type or a field nobody knows."""
    fields = {}
    for name, spec in read_yaml(folder / "fields.yml").items():
        known = {k: v for k, v in spec.items() if k in Field.__dataclass_fields__}
        fields[name] = Field(name=name, **known)
        if fields[name].type not in DUCKDB_TYPES:
            raise DictionaryError(f"fields.yml: {name} has type '{fields[name].type}'; use one of {list(DUCKDB_TYPES)}")
    entities = dict(_entities(read_yaml(folder / "entities.yml"), fields))
    return fields, entities


def read_source(path: Path, fields: Mapping[str, Field], entities: Mapping[str, Entity]) -> Source:
    """The source that a file of the folder `sources` describes; raises DictionaryError with the entry and the mend."""
    folder = path.parents[1]
    spec = _with_codes(read_yaml(path), _providers(folder), path.name)
    if spec.get("exported_at") == "usual":
        spec["exported_at"] = _export_times(folder)
    return parse_source(spec, fields, entities, path.name)


@functools.cache
def _providers(folder: Path) -> Mapping[str, Mapping[str, str]]:
    return read_yaml(folder / "vocabularies" / "courier_status.yml")["providers"]


@functools.cache
def _export_times(folder: Path) -> Sequence[Mapping[str, str]]:
    return read_yaml(folder / "export_times.yml")


def _with_codes(spec: dict[str, Any], providers: Mapping[str, Mapping[str, str]], origin: str) -> dict[str, Any]:
    """The source with `codes_of: <provider>` written out as the map of that tracking service's codes."""
    for given in (spec.get("entities") or {}).values():
        for block in given if isinstance(given, list) else [given]:
            for name, rule in block["fields"].items():
                provider = rule.get("codes_of") if isinstance(rule, dict) else None
                if provider is None:
                    continue
                if provider not in providers:
                    raise DictionaryError(f"{origin}: {name} takes the codes of '{provider}', unknown to courier_status.yml")
                block["fields"][name] = {**rule, "map": {**providers[provider], **rule.get("map", {})}}
    return spec


def _entities(spec: Mapping[str, Any], fields: Mapping[str, Field]) -> Iterator[tuple[str, Entity]]:
    for name, e in spec.items():
        entity = Entity(
            name,
            e.get("title", {}),
            e.get("grain", ""),
            tuple(e["required"]),
            tuple(e.get("optional", ())),
            tuple(e.get("family", ())),
            e.get("fields", {}),
            e.get("repeated_rows", "duplicate"),
        )
        for column in entity.fields:
            if entity.meanings.get(column, column) not in fields:
                raise DictionaryError(f"entities.yml: {name}.{column} is not in fields.yml; describe it there once")
        yield name, entity


def _standard_sources(entities: Mapping[str, Entity]) -> Iterator[Source]:
    """A file in the standard format itself: its header carries the entity's own field names."""
    for entity in entities.values():
        columns = {name: (name,) for name in entity.fields}
        block = Block(entity.name, "each", {name: {"from": name} for name in entity.fields})
        yield Source(
            STANDARD_PREFIX + entity.name,
            entity.title,
            DECLARED_ZONE,
            "table",
            columns,
            entity.required,
            (block,),
            {"source": STANDARD_PREFIX + entity.name, "repeated_rows": entity.repeated_rows},
        )


def parse_source(spec: Mapping[str, Any], fields: Mapping[str, Field], entities: Mapping[str, Entity], origin: str) -> Source:
    """One source from its YAML; raises DictionaryError when a zone, handle or field is missing or unknown."""
    name = spec.get("source") or origin.removesuffix(".yml")
    zone = spec.get("timezone")
    if not zone:
        raise DictionaryError(
            f"{origin}: source {name} declares no time zone, so its times cannot be read. Add a line such as "
            "`timezone: Asia/Shanghai` (an IANA name: the zone the platform writes its times in)."
        )
    if zone != DECLARED_ZONE and zone not in _zones():
        raise DictionaryError(f"{origin}: '{zone}' is no IANA time zone; write e.g. Asia/Shanghai")
    if zone != DECLARED_ZONE:
        ZoneInfo(zone)
    for key, value in spec.items():
        if value == OPEN:
            raise DictionaryError(
                f"{origin}: '{key}' is left open ('{OPEN}'); write its value, the comments of the file say what is asked"
            )
    columns = {h: tuple([a] if isinstance(a, str) else a) for h, a in (spec.get("columns") or {}).items()}
    blocks = tuple(_blocks(spec.get("entities") or {}, fields, entities, columns, origin))
    source = Source(
        name,
        spec.get("title", {}),
        zone,
        spec.get("kind", "table"),
        columns,
        tuple(spec.get("signature", ())),
        blocks,
        spec,
    )
    for handle in source.signature:
        if handle not in columns:
            raise DictionaryError(f"{origin}: signature names '{handle}', which is not under columns")
    if not blocks and not source.ignore:
        raise DictionaryError(f"{origin}: no entities and no `ignore` reason; say what the rows become")
    if source.repeated_rows not in REPEATED_ROWS:
        raise DictionaryError(f"{origin}: repeated_rows is '{source.repeated_rows}'; use one of {', '.join(REPEATED_ROWS)}")
    for block in blocks:
        _check_required(source, block, entities[block.entity], origin)
    return source


def _blocks(
    spec: Mapping[str, Any],
    fields: Mapping[str, Field],
    entities: Mapping[str, Entity],
    columns: Mapping[str, Any],
    origin: str,
) -> Iterator[Block]:
    for entity, given in spec.items():
        if entity not in entities:
            raise DictionaryError(f"{origin}: '{entity}' is no standard entity; use one of {sorted(entities)}")
        listed = given if isinstance(given, list) else [given]
        for block in listed:
            if not isinstance(block, dict) or not isinstance(block.get("fields"), dict):
                raise DictionaryError(f"{origin}: {entity} has no `fields`; name at least one field and the column it comes from")
            if "parts" in block and "payment_id" not in block["fields"]:
                raise DictionaryError(f"{origin}: the `parts` of {entity} need a payment_id; map it, or make it with `concat`")
        for block in itertools.chain.from_iterable(blocks_of(b, columns) for b in listed):
            mapped = {}
            for name, rule in block["fields"].items():
                if name not in entities[entity].fields:
                    raise DictionaryError(f"{origin}: {entity} has no field '{name}'")
                mapped[name] = spelled_out(rule)
                left = [word for word, code in (mapped[name].get("map") or {}).items() if code == OPEN]
                if left:
                    raise DictionaryError(
                        f"{origin}: what {entity}.{name} makes of '{left[0]}' is left open ('{OPEN}'); write a standard word, "
                        "or unmapped"
                    )
                for handle in rule_handles(mapped[name]):
                    if handle not in columns and handle != REPEAT_NUMBER:
                        raise DictionaryError(f"{origin}: {entity}.{name} uses '{handle}', which is not under columns")
            unknown = [h for h in (*block.get("needs", ()), *condition_handles(block.get("where") or {})) if h not in columns]
            if unknown:
                raise DictionaryError(f"{origin}: a block of {entity} uses '{unknown[0]}', which is not under columns")
            yield Block(
                entity,
                block.get("rows", "each"),
                mapped,
                tuple(block.get("group_by", ())),
                block.get("where") or {},
                tuple(block.get("needs", ())),
            )


def _check_required(source: Source, block: Block, entity: Entity, origin: str) -> None:
    stated = {field for field, key in PLACE_FIELDS.items() if key in source.spec}
    stated |= {"counted_at"} if source.get("counted_at") == "exported_at" else set()
    supplied = set(block.fields) | source.optional_fields | stated | {"channel", "shop_id", "account", "currency"}
    missing = [f for f in entity.required if f not in supplied]
    if missing:
        raise DictionaryError(
            f"{origin}: {entity.name} needs {', '.join(missing)}. Map it, or list it under optional_fields with a reason."
        )
