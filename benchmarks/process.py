"""One process from start to end: how long, how much processor, how much memory at most."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Used:
    """What a process and its children used: seconds on the clock and of the processor, largest resident set."""

    wall: float
    cpu: float
    peak_gb: float


class FailedError(Exception):
    """A measured process did not end well: its figures mean nothing."""


def measure(command: Sequence[str]) -> Used:
    """Run a command from the repository's root. Raises FailedError with its last words when it fails."""
    os.sync()  # what the run before has left to write is not this one's cost
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        output = process.stdout.read() if process.stdout else b""
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()  # whoever interrupts the measuring does not want it to go on
        raise
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        words = output.decode(errors="replace")[-2000:]
        raise FailedError(f"{' '.join(command)} ended with {process.returncode}:\n{words}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Used(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e9)
