"""Readers: bytes of a file to tables of text. They know nothing of channels, entities or the warehouse.

found = open_table(member, work_dir)            # real kind by bytes, tables with head and tail
table = found.tables[0]
csv = normalise(table, header_line, footer_prefixes=["#"], work_dir=work_dir)
loaded = load_rows(connection, "staged", csv)    # every row accounted for, line numbers kept
"""

from orders_pipeline.ingest.read.duck import Loaded, load_rows, read_csv_sql
from orders_pipeline.ingest.read.encoding import DEFAULT_ENCODINGS
from orders_pipeline.ingest.read.footer import footer_start
from orders_pipeline.ingest.read.grid import split_grid
from orders_pipeline.ingest.read.header import HeaderCandidate, header_candidates
from orders_pipeline.ingest.read.limits import DEFAULT, Limits
from orders_pipeline.ingest.read.model import BrokenRow, Dialect, NormalisedCsv, Sniffed, Table
from orders_pipeline.ingest.read.normalise import discard, normalise, without_rows
from orders_pipeline.ingest.read.opening import CHECKED_ABOVE_BYTES, check_start, open_table, sniff_kind

__all__ = [
    "CHECKED_ABOVE_BYTES",
    "DEFAULT",
    "DEFAULT_ENCODINGS",
    "BrokenRow",
    "Dialect",
    "HeaderCandidate",
    "Limits",
    "Loaded",
    "NormalisedCsv",
    "Sniffed",
    "Table",
    "check_start",
    "discard",
    "footer_start",
    "header_candidates",
    "load_rows",
    "normalise",
    "open_table",
    "read_csv_sql",
    "sniff_kind",
    "split_grid",
    "without_rows",
]
