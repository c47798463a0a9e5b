"""Somebody with the Dagster UI open while files arrive: asks for what its pages ask for, over and over, and notes how long that takes."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: The list of runs, and the tables with what became of them last: what the pages of the UI are made of.
QUESTIONS = (
    "{runsOrError(limit: 25) {... on Runs {results {id status startTime endTime tags {key value}}}}}",
    "{assetNodes(group: {groupName: \"orders\", repositoryName: \"__repository__\", "
    "repositoryLocationName: \"orders_pipeline\"}) {assetKey {path} assetMaterializations(limit: 1) {timestamp runId}}}",
)
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 60.0


@dataclass
class Visitor:
    """Asks the server at `port`; `seconds` are the answers' times in order, `errors` what was answered with an error or not at all."""

    port: int
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def ask(self, question: str) -> None:
        """Ask once and note the time."""
        body = json.dumps({"query": question}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        started = time.monotonic()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - our own server
                told = json.load(answer)
        except OSError as error:
            self.errors.append(str(error))
            return
        self.seconds.append(time.monotonic() - started)
        if told.get("errors") or not any(told["data"].values()):
            self.errors.append(str(told.get("errors") or told)[:300])


@contextmanager
def visiting(port: int) -> Iterator[Visitor]:
    """A visitor who asks until the end of the block."""
    visitor, gone = Visitor(port), threading.Event()

    def stay() -> None:
        while not gone.is_set():
            for question in QUESTIONS:
                visitor.ask(question)
            gone.wait(PAUSE_SECONDS)

    thread = threading.Thread(target=stay, daemon=True)
    thread.start()
    try:
        yield visitor
    finally:
        gone.set()
        thread.join(PATIENCE_SECONDS)
