"""The dictionary is complete and consistent, and what is derived from it agrees with it."""

from __future__ import annotations

import pytest
import yaml

from orders_pipeline import pipeline
from orders_pipeline.checkup.configuration import used_thresholds
from orders_pipeline.dictionary.model import (
    DictionaryError,
    canonical_header,
    canonical_value,
    load_dictionary,
    parse_source,
)
from orders_pipeline.kernel.lineage import output_columns
from orders_pipeline.kernel.settings import declared_thresholds
from orders_pipeline.kernel.tables import load_tables

DICTIONARY = load_dictionary()


def test_every_entity_and_field_of_the_contract_is_in_the_dictionary(shared):
    contract = yaml.safe_load((shared("contract") / "entities.yml").read_text(encoding="utf-8"))
    for entity, columns in contract.items():
        names = {c.rstrip("*") for c in columns}
        required = {c.rstrip("*") for c in columns if c.endswith("*")}
        assert names <= set(DICTIONARY.entities[entity].fields), entity
        assert required == set(DICTIONARY.entities[entity].required), entity


def test_every_published_table_keeps_the_contract(shared):
    contract = yaml.safe_load((shared("contract") / "tables.yml").read_text(encoding="utf-8"))
    specs, models = load_tables(), {m.name: m for m in pipeline.models()}
    for name, spec in specs.items():
        if name in contract and spec.public:
            assert set(contract[name]["grain"]) | set(contract[name]["columns"]) <= set(spec.columns), name
            if name in models:
                assert set(models[name].grain) == set(contract[name]["grain"]), name


def test_the_columns_of_every_model_are_those_of_its_description():
    specs = load_tables()
    for model in pipeline.models():
        spec = specs[model.name]
        assert sorted(output_columns(model)) == sorted((*spec.columns, *spec.private)), model.name


def test_every_public_column_is_described_in_both_languages():
    for spec in load_tables().values():
        for column in spec.columns:
            meaning = spec.describe.get(column) or DICTIONARY.fields.get(column)
            assert meaning is not None, f"{spec.name}.{column} is in no dictionary"


def test_no_public_table_has_a_column_about_a_person():
    for spec in load_tables().values():
        if spec.public:
            personal = [c for c in spec.columns if c in DICTIONARY.fields and DICTIONARY.fields[c].pii]
            assert not personal, f"{spec.name} publishes {personal}"


def test_every_threshold_is_declared_and_used():
    assert used_thresholds() == set(declared_thresholds())


def test_a_source_without_a_time_zone_is_refused_with_the_fix():
    spec = {"source": "x", "columns": {"a": ["A"]}, "signature": ["a"], "entities": {}}
    with pytest.raises(DictionaryError, match="timezone: Asia/Shanghai"):
        parse_source(spec, DICTIONARY.fields, DICTIONARY.entities, origin="x.yml")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"timezone": "Mars/Olympus"}, "no IANA time zone"),
        ({"signature": ["nobody"]}, "not under columns"),
        ({"entities": {"ordres": {"fields": {}}}}, "no standard entity"),
        ({"entities": {"products": {"fields": {"sku": "b"}}}}, "not under columns"),
        ({"entities": {"products": {"fields": {"sku": "a", "colour": "a"}}}}, "no field 'colour'"),
        ({"entities": {"kits": {"fields": {"kit_sku": "a"}}}}, "needs component_sku"),
        ({"entities": {}}, "no entities"),
    ],
)
def test_a_source_with_a_mistake_is_refused_naming_it(spec, says):
    good = {
        "source": "x", "timezone": "UTC", "columns": {"a": ["A"]}, "signature": ["a"],
        "entities": {"products": {"fields": {"sku": "a"}}},
    }
    parse_source(good, DICTIONARY.fields, DICTIONARY.entities, origin="x.yml")
    with pytest.raises(DictionaryError, match=says):
        parse_source({**good, **spec}, DICTIONARY.fields, DICTIONARY.entities, origin="x.yml")


def test_headers_are_compared_in_one_form():
    assert canonical_header("收货地址 ") == canonical_header("\ufeff收货地址")
    assert canonical_header("收入金额（+元）") == canonical_header("收入金额(+元)")
    assert canonical_header("动帐流水号") == canonical_header("动账流水号")
    assert canonical_header("SKU") == canonical_header("*:sku")


def test_words_are_compared_without_widths_and_spaces():
    assert canonical_value("买家已付款，等待卖家发货") == canonical_value("买家已付款, 等待卖家发货")


def test_pandera_schemas_hold_for_the_rows_of_the_sample(sample_home):
    import duckdb
    import pandas

    from orders_pipeline.dictionary.schemas import entity_schema

    connection = duckdb.connect(str(sample_home.warehouse), read_only=True)
    checked = 0
    for entity in DICTIONARY.entities:
        names = ", ".join(f'"{n}"' for n in DICTIONARY.entities[entity].fields)
        for (source,) in connection.execute(f"SELECT DISTINCT source FROM raw.{entity}").fetchall():
            rows = connection.execute(f"SELECT {names} FROM raw.{entity} WHERE source = ? LIMIT 300", [source]).fetchall()
            frame = pandas.DataFrame(rows, columns=list(DICTIONARY.entities[entity].fields), dtype=object)
            optional = DICTIONARY.sources[source].optional_fields
            entity_schema(DICTIONARY, entity, optional=optional).validate(frame.where(frame.notna(), None), lazy=True)
            checked += len(frame)
    connection.close()
    assert checked > 1_000


def test_a_pandera_schema_refuses_what_the_dictionary_forbids():
    import pandas
    import pandera.errors

    from orders_pipeline.dictionary.schemas import entity_schema

    schema = entity_schema(DICTIONARY, "kits")
    good = pandas.DataFrame([{"kit_sku": "K", "component_sku": "A", "component_quantity": None}], dtype=object)
    with pytest.raises(pandera.errors.SchemaErrors):
        schema.validate(good, lazy=True)
