"""Pandera schemas generated from the dictionary: what a row of a standard entity may look like where it enters.

Heavy to import (pandera brings pandas), so only whoever validates asks for it.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from orders_pipeline.dictionary.model import Dictionary

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

# Pandera looks for PySpark, which, where installed, warns of the pandas it was not asked to use.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"pyspark\.pandas")

#: Standard type -> the Python type a value has in an object column (money stays Decimal, never a float).
PYTHON_TYPES = {
    "id": "str",
    "text": "str",
    "code": "str",
    "guid": "UUID",
    "money": "Decimal",
    "price": "Decimal",
    "quantity": "Decimal",
    "ratio": "float",
    "integer": "int",
    "bool": "bool",
    "timestamp": "datetime",
    "date": "date",
}


def entity_schema(dictionary: Dictionary, entity: str, *, optional: frozenset[str] = frozenset()) -> pa.DataFrameSchema:
    """The schema of an entity: required fields without blanks, types, vocabularies and bounds.

    Expects object columns (as DuckDB's `fetchall` gives them), None for blank. `optional` names required fields that
    the source at hand may leave out.
    """
    import pandera.pandas as pa

    columns = {}
    spec = dictionary.entities[entity]
    for name in spec.fields:
        field = dictionary.field(entity, name)
        checks = [pa.Check(_is_a(PYTHON_TYPES[field.type]), element_wise=True, name=f"{name}_is_{field.type}")]
        if field.vocabulary:
            words = set(dictionary.vocabularies[field.vocabulary]) | {"unmapped"}
            checks.append(pa.Check.isin(words, name=f"{name}_is_in_{field.vocabulary}"))
        if field.min is not None:
            checks.append(pa.Check.ge(field.min, name=f"{name}_at_least_{field.min}"))
        if field.max is not None:
            checks.append(pa.Check.le(field.max, name=f"{name}_at_most_{field.max}"))
        required = name in spec.required and name not in optional
        columns[name] = pa.Column(object, checks=checks, nullable=not required, required=True, coerce=False)
    return pa.DataFrameSchema(columns, strict=False, name=entity)


def faults(schema: pa.DataFrameSchema, rows: pd.DataFrame) -> pd.DataFrame:
    """Every cell that breaks the schema: `column`, `check`, `failure_case`, `index` (position of the row); empty where none."""
    import pandas as pd
    from pandera.errors import SchemaErrors

    try:
        schema.validate(rows, lazy=True)
    except SchemaErrors as errors:
        return errors.failure_cases
    return pd.DataFrame(columns=["column", "check", "failure_case", "index"])


def _is_a(kind: str):
    """A test for the values of one Python type; blank is not its business."""
    from datetime import date, datetime
    from decimal import Decimal
    from uuid import UUID

    kinds = {
        "str": str,
        "UUID": UUID,
        "Decimal": Decimal,
        "float": float,
        "int": int,
        "bool": bool,
        "datetime": datetime,
        "date": date,
    }
    wanted = kinds[kind]
    return lambda value: value is None or isinstance(value, wanted)
