"""The work of the floor, in Polars: files scanned lazily, columns pruned by the engine, tables kept as frames, Parquet at the end.

    python -m benchmarks.peers.in_polars LANDING OUT 2026-02-21T12:00:00+08:00

Money is whole cents until it is written. An order's `key` is `channel|shop|number`; its guid is made once for each key.
"""
