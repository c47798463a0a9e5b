"""Pictures of the attribution on the asset's page: they hold what the tables hold, and nothing that a browser would run."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import duckdb

from orders_pipeline import pipeline
from orders_pipeline.kernel.orchestration.metadata import plots

SVG = "{http://www.w3.org/2000/svg}"


def pictures() -> list[ElementTree.Element]:
    model = next(m for m in pipeline.models() if m.name == "promotions.attribution_daily")
    with duckdb.connect() as connection:
        connection.execute("""
            CREATE SCHEMA promotions;
            CREATE TABLE promotions.calendars AS SELECT * FROM (VALUES ('sale <1>', DATE '2026-02-03', DATE '2026-02-05'))
                AS t(promotion_id, starts_on, ends_on);
            CREATE TABLE promotions.attribution AS SELECT 'sale <1>' AS promotion_id, 'estimated' AS status, 'positive' AS verdict,
                900.0 AS observed_gmv_amount, 300.0 AS incremental_amount, 100.0 AS incremental_low_amount, 500.0 AS incremental_high_amount;
            CREATE TABLE promotions.attribution_daily AS SELECT 'sale <1>' AS promotion_id, DATE '2026-02-01' + CAST(n AS INTEGER) AS day,
                100.0 + 10 * n AS observed_amount, CASE WHEN n <> 5 THEN 90.0 END AS counterfactual_amount,
                CASE WHEN n <> 5 THEN 8.0 END AS standard_error_amount FROM range(8) AS t(n);
        """)
        shown = plots(connection, model)["plots"].md_str or ""
        assert not plots(connection, next(m for m in pipeline.models() if m.name == "promotions.windows"))
    found = re.findall(r"!\[[^\]]*\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", shown)
    return [ElementTree.fromstring(base64.b64decode(one)) for one in found]  # noqa: S314


def test_a_promotion_is_drawn_with_observed_counterfactual_and_band() -> None:
    (picture,) = pictures()
    words = " ".join(picture.itertext())
    assert "sale <1>: net 300 (100 to 500), positive" in words
    points = [line.get("points", "").split() for line in picture.iter(f"{SVG}polyline")]
    assert [len(line) for line in points] == [5, 2, 8], "without it, with a gap where nothing is known; then observed"
    heights = [float(point.split(",")[1]) for point in points[2]]
    assert heights == sorted(heights, reverse=True), "more sold is drawn higher"
    assert len(list(picture.iter(f"{SVG}path"))) == 2, "one band for each stretch of days"
    shaded = [rect for rect in picture.iter(f"{SVG}rect") if rect.get("fill") == "#f3e9c8"]
    assert len(shaded) == 3, "the days it ran"
