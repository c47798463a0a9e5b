"""Every table that can be made range of keys by range of keys has the rows it has when made at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.models import WHOLE
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.simulate import simulate
from orders_pipeline_tests import support
from orders_pipeline_tests.spark.tangle import Tangle


def test_every_keyed_table_made_in_parts_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = simulate(300, tmp_path / "sample", seed=20)
    whole, parts = (support.new_home(tmp_path / name) for name in ("whole", "parts"))
    for home in (whole, parts):
        Tangle(3, 150, files.as_of).land(home)
        shutil.copytree(files.landing, home.landing, dirs_exist_ok=True)
    pipeline.run(whole, files.as_of)
    monkeypatch.setattr(Refresher, "_parts", lambda self, model: 1 if model.refresh == WHOLE else 7)
    made = []
    in_parts = Refresher._build_in_parts
    monkeypatch.setattr(Refresher, "_build_in_parts", lambda self, model, n: made.append(model.name) or in_parts(self, model, n))
    pipeline.run(parts, files.as_of)
    keyed = [m.name for m in pipeline.models() if m.refresh != WHOLE]
    assert made == keyed
    with duckdb.connect() as connection:
        for name, home in (("whole", whole), ("parts", parts)):
            connection.execute(f"ATTACH '{home.warehouse}' AS {name} (READ_ONLY)")
        question = "SELECT count(*), sum(hash(t)) FROM {}.{} AS t"
        answers = {t: [connection.execute(question.format(side, t)).fetchall() for side in ("whole", "parts")] for t in keyed}
    assert [t for t, (left, right) in answers.items() if left != right] == []
    assert len([t for t, (left, _) in answers.items() if left[0][0]]) > 50
