"""The rooms of the house, as Dagster sees them. A new room is a folder with a tables.yml and a line here."""

from orders_pipeline.kernel.orchestration.build import build_definitions

ROOMS = (
    *("cleaning", "orders", "payments", "fulfilment", "inventory", "reconciliation"),
    *("finance", "aftersales", "customers", "promotions", "health", "ops", "quality"),
)

defs = build_definitions(ROOMS)
