"""The report: one HTML file with charts, made of the published tables and of nothing else; it asks no network for anything."""
