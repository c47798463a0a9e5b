"""Every published header list is recognised as its source, however the columns are ordered, chosen, renamed or spelt.

`header_lists.yml` says which list is which source; nothing here needs changing for a new one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.dictionary.model import Source, canonical_header, load_dictionary
from orders_pipeline.ingest.recognise import bind, recognise

DICTIONARY = load_dictionary()
LISTS: Mapping[str, Mapping[str, str]] = yaml.safe_load(Path(__file__).with_name("header_lists.yml").read_text(encoding="utf-8"))

#: Ways in which exporters, spreadsheets and people write one and the same column name.
SPELLINGS = (
    lambda name: name,
    lambda name: f" {name} ",
    lambda name: f"\ufeff{name}",
    lambda name: f"{name}\u200b",
    lambda name: name.replace("(", "（").replace(")", "）"),
    lambda name: name.replace("账", "帐"),
    str.upper,
)


@pytest.fixture(scope="module")
def headers(shared) -> Mapping[str, list[str]]:
    return json.loads((shared("formats") / "headers.json").read_text(encoding="utf-8"))


def recognised(header: list[str], kind: str = "table") -> str:
    return recognise(DICTIONARY, SimpleNamespace(head=[header], kind=kind, numbered=False)).source.name


def needed_columns(source: Source, header: list[str]) -> set[int]:
    """Where the columns stand without which a file is not this source."""
    bound = bind(source, [canonical_header(c) for c in header])
    return {bound[handle] for handle in source.signature}


@pytest.mark.parametrize(("name", "source"), sorted(LISTS["read"].items()))
def test_a_header_list_is_recognised_as_it_stands(headers, name, source):
    assert recognised(headers[name], DICTIONARY.sources[source].kind) == source


@pytest.mark.parametrize(("name", "source_name"), sorted(LISTS["read"].items()))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_selection_and_spelling_of_a_list_is_recognised(headers, name, source_name, data):
    """The columns the source needs, any others of the list beside them, under any of their known names."""
    source, header = DICTIONARY.sources[source_name], headers[name]
    needed = needed_columns(source, header)
    kept = data.draw(st.lists(st.sampled_from(range(len(header))), unique=True), label="columns kept")
    chosen = data.draw(st.permutations(sorted({*kept, *needed})), label="order")
    names = {canonical_header(a): aliases for aliases in source.columns.values() for a in aliases}
    written = []
    for index in chosen:
        alias = data.draw(st.sampled_from(names.get(canonical_header(header[index]), (header[index],))), label="alias")
        written.append(data.draw(st.sampled_from(SPELLINGS), label="spelling")(alias))
    assert recognised(written, source.kind) == source_name


def test_every_list_is_accounted_for_once(headers):
    listed = [name for part in LISTS.values() for name in part]
    assert sorted(listed) == sorted(headers)


def test_a_list_whose_source_exists_is_not_called_missing():
    there = {name: source for name, source in LISTS["missing"].items() if source in DICTIONARY.sources}
    assert not there, "move these to `read` in header_lists.yml"
