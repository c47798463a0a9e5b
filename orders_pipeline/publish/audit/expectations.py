"""Great Expectations over pandas frames: claims in, outcomes and its own results out. Heavy: imported by an audit alone."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any

# Before the library is imported: it reports its use home otherwise.
os.environ["GX_ANALYTICS_ENABLED"] = "false"

# Nor does it need Spark Connect, whose import ends the process where the main module is no file (a worker of a test run).
CONNECT = "pyspark.sql.connect"
is_barred = CONNECT not in sys.modules
if is_barred:
    sys.modules[CONNECT] = None  # type: ignore[assignment]
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PySpark, where installed, warns of the pandas it was not asked to use.
        import great_expectations as gx
        from great_expectations import expectations as gxe
finally:
    if is_barred:
        del sys.modules[CONNECT]

from orders_pipeline.publish.audit import Outcome, samples  # noqa: E402

Found = dict[str, tuple[Any, list[Outcome]]]


def validate(tables: Mapping[str, tuple[Any, Mapping[str, Mapping[str, Any]]]]) -> Found:
    """Table -> (frame, claims) held to its claims; table -> (the library's result, outcome of each claim)."""
    # It says of every decimal it prints that floats are lossy; it compares the decimals themselves.
    logging.getLogger("great_expectations.util").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("published")
    found: Found = {}
    for table, (frame, claims) in tables.items():
        suite = gx.ExpectationSuite(name=table)
        for name, spec in claims.items():
            suite.add_expectation(_expectation(name, spec))
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("month")
        definition = gx.ValidationDefinition(name=table, data=batch, suite=context.suites.add(suite))
        context.validation_definitions.add(definition)
        result = definition.run(batch_parameters={"dataframe": frame}, result_format="SUMMARY")
        # In the order of the suite: the library gives them by kind.
        place = {name: number for number, name in enumerate(claims)}
        result.results.sort(key=lambda one: place[one.expectation_config.meta["claim"]])
        found[table] = (result, [_outcome(table, one, len(frame)) for one in result.results])
    return found


def _expectation(name: str, spec: Mapping[str, Any]) -> Any:
    arguments = {key: value for key, value in spec.items() if key != "expect"}
    kind = getattr(gxe, "Expect" + "".join(word.capitalize() for word in spec["expect"].split("_")))
    words = name.replace("_", " ")
    return kind(**arguments, meta={"claim": name}, notes=words[0].upper() + words[1:] + ".")


def _outcome(table: str, one: Any, rows: int) -> Outcome:
    claim = one.expectation_config.meta["claim"]
    raised = [e for e in _exceptions(one.exception_info) if e.get("raised_exception")]
    if raised:
        return Outcome(table, claim, rows, max(rows, 1), [f"could not be told: {raised[0].get('exception_message')}"])
    if one.success:
        return Outcome(table, claim, rows, 0)
    failing = one.result.get("unexpected_count") or 1
    shown = one.result.get("partial_unexpected_list") or [one.result.get("observed_value")]
    return Outcome(table, claim, rows, failing, samples(shown))


def _exceptions(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One exception stands as it is, those of several metrics by metric."""
    return [info] if "raised_exception" in info else [value for value in info.values() if isinstance(value, Mapping)]
