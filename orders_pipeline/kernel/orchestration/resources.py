"""A run's hold on the warehouse: one connection from the first step that needs it to the end of the run."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from orders_pipeline import pipeline
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.faults import Fault, Transient
from orders_pipeline.kernel.home import Home, find_home
from orders_pipeline.kernel.orchestration.history import holding_back

#: The pool of steps that write to the warehouse: one run at a time (see dagster.yaml).
POOL = "warehouse"
AS_OF_TAG = "orders_pipeline/as_of"
#: On the runs of files: what is made later (`pace` of a model) is left to a run of its own.
PROMPT_TAG = "orders_pipeline/prompt"
#: Says whose warehouse a run holds, so that a run whose process died can be told from one that is at work.
HOLDER_TAG = "orders_pipeline/home"
#: How a run waits for one outside the pool (the command line) that has the warehouse: up to half an hour.
RETRY_SECONDS, RETRIES = 5, 360


class Warehouse(dg.ConfigurableResource):
    """The warehouse of one home. All steps of a run share one connection, one clock and one batch of touched keys."""

    home: str = Field(default="", description="Folder of the installation; empty: $ORDERS_PIPELINE_HOME, else `data`.")
    as_of: str = Field(default="", description=f"The clock of the run, with offset; empty: the run's tag {AS_OF_TAG}, else now.")
    full: bool = Field(default=False, description="Build every table anew.")

    _stack: ExitStack | None = PrivateAttr(default=None)
    _session: pipeline.Session | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Warehouse]:
        """Lets go of the warehouse at the end of the run, however it ends."""
        with ExitStack() as stack:
            if context.instance is not None:
                stack.enter_context(holding_back(context.instance))
            self._stack = stack
            yield self
            self._session = None

    @contextmanager
    def hold(self, context: dg.AssetExecutionContext) -> Iterator[pipeline.Session]:
        """The run's session, opened by its first step. Known failures become one clear line in the run.

        While another run has the warehouse the step is put off and tried again.
        """
        try:
            if self._session is None:
                self._session = self._open(context)
            yield self._session
        except Transient as fault:
            context.log.warning(str(fault))
            raise dg.RetryRequested(RETRIES, RETRY_SECONDS) from fault
        except Fault as fault:
            raise dg.Failure(str(fault), allow_retries=False) from fault

    def _open(self, context: dg.AssetExecutionContext) -> pipeline.Session:
        home = find_home(self.home or None).create()
        as_of = parse_as_of(self.as_of or context.run.tags.get(AS_OF_TAG))
        context.log.info(f"home {home.root}, as of {as_of.isoformat()}")
        with ExitStack() as opening:
            prompt = PROMPT_TAG in context.run.tags
            now = opening.enter_context(pipeline.session(home, as_of, context.run.run_id, full=self.full, prompt=prompt))
            opening.enter_context(marked(home))
            self._stack.push(opening.pop_all())
        context.instance.add_run_tags(context.run.run_id, {HOLDER_TAG: holder(home)})
        return now


def holder(home: Home) -> str:
    """This machine and this home."""
    return f"{socket.gethostname()}:{home.root}"


def _marker(home: Home) -> Path:
    return home.warehouse.with_name("in_use")


@contextmanager
def marked(home: Home) -> Iterator[None]:
    """Shows that a run has the warehouse, for as long as it or its process lives."""
    with _marker(home).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def in_use(home: Home) -> bool:
    """Whether a run of Dagster has the warehouse; told without touching the warehouse itself."""
    try:
        with _marker(home).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
