"""What leaves the warehouse: the gate, the DuckDB file BI tools read, and Parquet beside it."""
