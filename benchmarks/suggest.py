"""How well `channel suggest` does on files it has no description of: leave one source out, propose, compare with the truth.

    python -m benchmarks.suggest [--headers headers.json] [--columns]

Every source is tried on a file as its platform writes it, twice: with the knowledge of that source removed, and with that of all files
of the same platform removed (their headers share words). Two measures, from the two ends of a map:

Fields: one field the source truly makes of columns of the file is one case.
right   the proposed source makes it chiefly of a column the true one makes it of
wrong   it makes it of another column; or it makes a field the source does not have
unsure  it does not make it

Columns: one column is one case.
right   the column feeds a field and one of the fields it feeds is proposed
wrong   another field is proposed, or any field for a column that feeds none
unsure  the column feeds a field and none is proposed

For both the denominator is right + wrong + unsure: what is mapped, and what wrongly was. Columns that feed nothing
and got nothing are no merit and are not counted; nor are columns that only serve, with others, to number rows that have no number,
unless they are taken for something else. A column that selects rows or a sign (`where`, `leave_out`) is right when
proposed as what it decides; one that does nothing else is wrong when proposed as something else, and not counted otherwise. A
column that the source leaves to another file of the platform (the order's time in a file of lines) is right when proposed as what
that file's source makes of the same name; the fields do not count it.

The fields are those of the YAML that is written, read by the parser of the dictionary.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.suggest_files import Truth, family, made_of, truth_of, truths, write_file
from orders_pipeline.dictionary.model import OPEN, Dictionary, Source, canonical_header, load_dictionary, parse_source
from orders_pipeline.ingest.recognise import bind
from orders_pipeline.ingest.suggest import Suggestion, suggest
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.write import source_yaml


@dataclass
class Outcome:
    """One file's figures."""

    name: str
    entities_right: bool = True
    entities: tuple[str, ...] = ()
    counts: Counter = field(default_factory=Counter)
    fields: Counter = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)
    judged: list[tuple[float, bool]] = field(default_factory=list)


def judge(truth: Truth, found: Suggestion) -> Outcome:
    """Compare a suggestion with the truth, column by column."""
    outcome = Outcome(truth.name, set(found.reading.entities) == set(truth.entities) - {"discounts"}, found.reading.entities)
    for choice in found.reading.choices:
        index = choice.column.index
        if index >= len(truth.header):
            continue
        fed = truth.feeds.get(index)
        said = choice.field.partition(":")[0] if choice.field else None
        numbers = truth.numbering.get(index, frozenset())
        verdict = _verdict(fed, truth.selects.get(index, frozenset()) | truth.elsewhere.get(index, frozenset()) | numbers, said)
        if verdict:
            outcome.counts[verdict] += 1
            if said:
                outcome.judged.append((choice.confidence, verdict == "right"))
        if verdict in ("wrong", "unsure"):
            guesses = ", ".join(f"{c.field} {c.confidence:.2f}" for c in choice.candidates)
            outcome.details.append(f"{verdict:6} {truth.header[index]} -> [{guesses}] truly {sorted(fed or ['nothing'])}")
    _judge_fields(truth, found, outcome)
    return outcome


def _judge_fields(truth: Truth, found: Suggestion, outcome: Outcome) -> None:
    """The same from the other end: each field, by the columns it is made of in the true source and in the proposed one."""
    proposed = truth_of(truth.name, _as_source(found), truth.header)
    true, said = _columns_by_field(truth), _columns_by_field(proposed)
    direct = {c.field.partition(":")[0] for c in found.reading.choices if c.field}
    for name in sorted(true.keys() | said.keys()):
        columns = said.get(name, ())
        if name not in true:
            # Reckoned of columns that are judged as what they are (a price times a quantity): no claim of its own.
            strangers = [i for i in columns if name not in truth.elsewhere.get(i, ()) and name not in truth.selects.get(i, ())]
            verdict = "wrong" if name in direct and strangers else None
        elif not columns:
            verdict = "unsure"
        else:
            shared = sum(i in true[name] for i in columns)
            verdict = "right" if columns[0] in true[name] and shared * 2 >= len(columns) else "wrong"
        if verdict:
            outcome.fields[verdict] += 1
        if verdict in ("wrong", "unsure"):
            told = [truth.header[i] for i in columns]
            outcome.details.append(f"  field {verdict:6} {name} of {told} truly {[truth.header[i] for i in true.get(name, ())]}")


def _columns_by_field(truth: Truth) -> dict[str, list[int]]:
    """Field -> columns it is made of, chief one first; discounts are counted by the order's own fields."""
    made: dict[str, list[int]] = {}
    bound = bind(truth.source, [canonical_header(h) for h in truth.header])
    for block in truth.source.blocks:
        if block.entity == "discounts":
            continue
        for name, rule in block.fields.items():
            for handle in made_of(rule):
                if handle in bound and bound[handle] not in made.setdefault(name, []):
                    made[name].append(bound[handle])
    for index, names in truth.feeds.items():
        for name in names & {"shop_id", "account"}:
            made.setdefault(name, []).append(index)
    return {name: columns for name, columns in made.items() if columns}


def with_words_answered(text: str) -> str:
    """The YAML with every word nobody knows set aside, as a person may answer."""
    return "".join(row.replace("'?'", "unmapped") if row.startswith(" ") else row for row in text.splitlines(keepends=True))


def _as_source(found: Suggestion) -> Source:
    """The YAML as it would be read once every question is answered."""
    dictionary = load_dictionary()
    spec = yaml.safe_load(with_words_answered(source_yaml(found)))
    spec = {key: value for key, value in spec.items() if value != OPEN} | {"timezone": "UTC"}
    spec["optional_fields"] = {f: "asked" for e in dictionary.entities.values() for f in e.required}
    return parse_source(spec, dictionary.fields, dictionary.entities, origin="proposed.yml")


def _verdict(fed: frozenset[str] | None, also: frozenset[str], said: str | None) -> str | None:
    if fed is None:
        return None if said is None else "right" if said in also else "wrong"
    return "unsure" if said is None else "right" if said in fed | also else "wrong"


def run(dictionary: Dictionary, headers: Mapping[str, Sequence[str]], whole_family: bool, only: str = "") -> Iterator[Outcome]:
    """Every source left out once (with its platform's other files, if asked)."""
    known: dict[frozenset[str], Names] = {}
    with tempfile.TemporaryDirectory() as folder:
        for truth in truths(dictionary, headers):
            if only not in truth.name:
                continue
            same = {s.name for s in dictionary.sources.values() if not s.is_standard and family(s) == family(truth.source)}
            without = frozenset(same if whole_family else {truth.source.name})
            if without not in known:
                known[without] = Names(dictionary, without)
            path = Path(folder) / "export.csv"
            write_file(truth, path)
            yield judge(truth, suggest(path, known[without]))


def total(outcomes: Sequence[Outcome], what: str = "counts") -> Counter:
    """right, wrong and unsure of all files; `what`: counts (of columns) or fields."""
    return sum((getattr(o, what) for o in outcomes), Counter())


def line(name: str, counts: Counter, note: str = "") -> str:
    cases = sum(counts.values()) or 1
    shares = "  ".join(f"{k} {counts[k]:4d} ({counts[k] / cases:6.1%})" for k in ("right", "wrong", "unsure"))
    return f"{name:42} {sum(counts.values()):5d}  {shares}  {note}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headers", type=Path, help="JSON: name -> header list, beside the sources' own columns")
    parser.add_argument("--columns", action="store_true", help="list every column that was not right")
    parser.add_argument("--both", action="store_true", help="also with the platform's other files known")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    headers = json.loads(options.headers.read_text(encoding="utf-8")) if options.headers else {}
    dictionary = load_dictionary()
    for whole_family in (False, True) if options.both else (True,):
        outcomes = list(run(dictionary, headers, whole_family, options.only))
        print(f"\n{'without all files of the platform' if whole_family else 'without the source itself'}")
        for outcome in outcomes:
            print(line(outcome.name, outcome.fields, "" if outcome.entities_right else f"read as {'+'.join(outcome.entities)}"))
            if options.columns:
                print("\n".join(f"    {d}" for d in outcome.details))
        print(line("columns", total(outcomes)))
        kinds = f"entities right in {sum(o.entities_right for o in outcomes)} of {len(outcomes)} files"
        print(line("fields", total(outcomes, "fields"), kinds))
        _calibration(outcomes)


def _calibration(outcomes: Sequence[Outcome]) -> None:
    for low, high in ((0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 0.95), (0.95, 1.01)):
        inside = [(c, ok) for o in outcomes for c, ok in o.judged if low <= c < high]
        if inside:
            said, was = sum(c for c, _ in inside) / len(inside), sum(ok for _, ok in inside) / len(inside)
            print(f"    said {said:.2f}: right {was:.2f} of {len(inside)}")


if __name__ == "__main__":
    main()
