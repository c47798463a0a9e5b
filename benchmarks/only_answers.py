"""The pipeline, asked for no more than the tables the other tools make: the same input, the same output.

A run makes some 160 tables, the floor and the peers eleven. Here the house makes these eleven and what they read, by its own
way: files recognised, every row accounted for, faults set aside, totals checked, the tables' own checks, then published and written as Parquet.

    python -m benchmarks.only_answers HOME 2026-02-21T12:00:00+08:00
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import datetime
from pathlib import Path

from benchmarks.compare import QUESTIONS
from orders_pipeline import pipeline
from orders_pipeline.kernel.home import Home
from orders_pipeline.publish.publisher import Publisher

#: What the questions are asked of.
TABLES = frozenset(re.findall(r"FROM (\w+\.\w+)", " ".join(QUESTIONS.values())))


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.only_answers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("home", type=Path, help="empty but for its landing folder; of no use for runs afterwards")
    parser.add_argument("as_of", type=datetime.fromisoformat)
    options = parser.parse_args()
    home = Home(options.home)
    with pipeline.session(home, options.as_of) as now:
        now.ingest()
        now.refresh(TABLES)
        results = now.check(TABLES)
        wanted = [model for model in pipeline.models() if model.name in TABLES]
        done = Publisher(now.connection, home, now.refresher(), now.run_id, wanted).publish(results)
    if not done.done:
        print(f"not published: {', '.join(done.blocked_by) or 'nothing has changed'}")
    return 0 if done.done else 1


if __name__ == "__main__":
    sys.exit(main())
