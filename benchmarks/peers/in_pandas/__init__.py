"""The work of the floor, in pandas: only the columns that are needed are read, as text; no Python loop over rows; Parquet at the end.

    python -m benchmarks.peers.in_pandas LANDING OUT 2026-02-21T12:00:00+08:00

Money is whole cents (exact in a float, which leaves room for what is missing) until it is written. An order's `key` is
`channel|shop|number`; its guid is made once for each key.
"""
