"""`orders-pipeline explain sku:SKU [WAREHOUSE]`: what can be promised, and the rows that add up to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records

PREFIX = "sku:"
#: Component -> how it enters the ATP.
SIGNS = {
    "on_hand": 1,
    "quality_control": -1,
    "frozen": -1,
    "damaged": -1,
    "reserved": -1,
    "held": -1,
    "safety_stock": -1,
    "in_transit": 0,
}


def explain(home: Home, sku: str, warehouse_id: str | None = None) -> dict[str, Any]:
    """Each warehouse's ATP of a SKU with its components and the rows behind them. Raises Usage when no table has the SKU."""
    with open_published(home) as connection:

        def rows(statement: str) -> list[dict[str, Any]]:
            return records(connection, statement, {"sku": sku, "place": warehouse_id})

        where = "sku = $sku AND coalesce(warehouse_id = $place, TRUE)"
        figures = rows(f"SELECT * FROM inventory.atp WHERE {where} ORDER BY warehouse_id, owner")
        kits = rows(f"SELECT * FROM inventory.kit_atp WHERE {where} ORDER BY warehouse_id")
        behind = rows(
            "SELECT e.*, f.path AS file FROM inventory.atp_evidence AS e LEFT JOIN ops.files AS f USING (file_id) "
            f"WHERE {where} ORDER BY component, occurred_at, reference_id"
        )
        units = records(
            connection,
            "SELECT u.unit, u.row_count, u.row_number, f.path AS file FROM inventory.stock_units AS u "
            "LEFT JOIN ops.files AS f USING (file_id) WHERE u.sku = ? AND u.base_qty IS NULL ORDER BY u.unit",
            [sku],
        )
    if not figures and not kits and not units:
        place = f" in {warehouse_id}" if warehouse_id else ""
        raise Usage(f"no stock, claim or supply of '{sku}'{place} is known; the SKU is written as in the files")
    for figure in figures:
        own = [r for r in behind if (r["owner"], r["warehouse_id"]) == (figure["owner"], figure["warehouse_id"])]
        figure["evidence"] = {c: [r for r in own if r["component"] == c] for c in SIGNS}
    return {"sku": sku, "warehouses": figures, "bundle": kits, "undeclared_units": units}


def text(found: dict[str, Any]) -> str:
    """Component by component with file and line, the sums, and how they make the figure."""
    lines = [f"sku      {found['sku']}"]
    for kit in found["bundle"]:
        limit = f", limited by {kit['limiting_sku']}" if kit["limiting_sku"] else " (no limit)"
        lines.append(f"bundle   {kit['warehouse_id']}: {_number(kit['atp_qty'])} can be promised{limit}")
    for unit in found["undeclared_units"]:
        lines.append(
            f"not counted: {unit['row_count']} rows in {unit['unit']}, first {unit['file']} line {unit['row_number']}; "
            "nobody has declared how much that is: put a product_units file (sku, unit, base_qty) into the landing folder"
        )
    for figure in found["warehouses"]:
        lines += ["", f"{figure['warehouse_id']} (owner {figure['owner']}, {figure['stock_record']}, as of {figure['as_of_at']})"]
        parts, total = [], Decimal(0)
        for component, sign in SIGNS.items():
            rows = figure["evidence"][component]
            quantity = sum((row["quantity"] for row in rows), Decimal(0))
            if not rows and component != "on_hand":
                continue
            lines.append(f"  {component:16}{_number(quantity):>12}" + ("" if sign else "   (listed, not counted)"))
            lines += [_row(row) for row in rows]
            if sign:
                parts.append(f"{'-' if sign < 0 else ''} {_number(quantity)} {component}".strip())
                total += sign * quantity
        if not figure["is_active"]:
            lines.append("  the warehouse is closed: its stock cannot be promised and its safety stock is not kept back")
        lines.append(f"  {' '.join(parts)} = {_number(total)}")
        lines.append(f"  available to promise: {_number(figure['atp_qty'])} (signed {_number(figure['atp_signed_qty'])})")
        if figure["is_stale"]:
            age = "never counted" if figure["age_seconds"] is None else f"{figure['age_seconds']} s old"
            lines.append(f"  stale: {age}, the target is {figure['target_age_seconds']} s")
    return "\n".join(lines)


def _row(row: dict[str, Any]) -> str:
    when = f"  {row['occurred_at']:%Y-%m-%d %H:%M:%S%z}" if row["occurred_at"] else ""
    where = f"   <- {row['file']} line {row['row_number']}" if row["file"] else ""
    return f"    {_number(row['quantity']):>14}  {row['kind']} {row['reference_id']}{when}{where}"


def _number(value: Decimal | None) -> str:
    return "no limit" if value is None else f"{value.normalize() + 0:f}"
