"""What the random worlds look at beyond the usual."""

from __future__ import annotations

import pytest

from orders_pipeline.kernel import nearby


@pytest.fixture(autouse=True, scope="package")
def every_table_is_a_large_one() -> None:
    """Rows made by key are kept for the next model as they are of large tables; elsewhere tables are read as small ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearby, "KEPT_FROM", 0)
        yield
