"""The rooms in Dagster: assets, checks, the run's hold on the warehouse, the landing sensor, the schedule.

Nothing here decides anything about orders: models, checks and the steps of a run come from `orders_pipeline.pipeline`,
which the command line uses as well.
"""
