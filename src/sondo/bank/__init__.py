"""The bank: one Lance table that the stages hand to each other.

A row is a clip. `ingest` writes the rows; `teach` and `cluster` add columns; `train` reads. What lives here: the
schema and its version (`schema`), reading and writing the table (`bank`), the write lock (`lock`), columns that are
computed in steps and can be interrupted (`column`), what can be ingested (`sources`: folders; `manifest`; `shards`:
Parquet tables that hold sound), ingestion (`ingest`), reading the sound of a row again (`sound`), and following files
that were moved (`files`: in any table of clips; `moved`: in a bank).

May import: `sondo.audio`, `sondo.csv_rows`, `sondo.errors`, `sondo.in_threads`, `sondo.screen`, lance, pyarrow, numpy.
Never torch.
"""

from sondo.bank.bank import Bank
from sondo.bank.column import ColumnWriter
from sondo.bank.ingest import IngestReport, ingest

__all__ = ["Bank", "ColumnWriter", "IngestReport", "ingest"]
