"""`as_of` is an instant or a clear refusal."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.faults import Usage


def test_a_time_with_an_offset_is_an_instant():
    assert parse_as_of("2026-02-20T09:00:00+08:00") == datetime(2026, 2, 20, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-01", "2026-01-01T09:30:00"])
def test_a_time_without_an_offset_is_refused_with_one_that_works(text):
    with pytest.raises(Usage) as refused:
        parse_as_of(text)
    suggested = re.search(r"for example (\S+)", str(refused.value)).group(1)
    assert parse_as_of(suggested).tzinfo is UTC


def test_words_are_no_time():
    with pytest.raises(Usage, match="no time"):
        parse_as_of("yesterday")
