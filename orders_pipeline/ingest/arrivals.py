"""Files that come into the landing zone, told at once by the kernel (inotify), so that nobody has to look for them.

A file renamed into the folder is whole by the time its name is there. A file written in place is not known to be: it waits
for its time (`settle_seconds`) like any other. Where there is no inotify (another system, a network share), nothing is
told, and whoever waits here looks for himself.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
from pathlib import Path

from orders_pipeline.ingest.landing import Landed, whole

_CLOSE_WRITE, _MOVED_TO, _CREATE, _IS_DIR, _OVERFLOW = 0x8, 0x80, 0x100, 0x40000000, 0x4000
FORGOTTEN_ABOVE = 10_000
_EVENT = struct.Struct("iIII")


class Arrivals:
    """Watches a folder and all below it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._folders: dict[int, Path] = {}
        self._descriptor = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            self._watch(self.root)

    def wait(self, seconds: float) -> bool:
        """Wait until something has come, at most so long; whether something has."""
        if self._descriptor < 0:
            select.select([], [], [], seconds)
            return False
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        return self._read() if ready else False

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return False
        at, come = 0, False
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            name = os.fsdecode(data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0"))
            at += _EVENT.size + length
            folder = self._folders.get(watch)
            if mask & _OVERFLOW:
                self._watch(self.root)
                come = True
            elif folder is not None and mask & _IS_DIR:
                self._watch(folder / name)
                come = True
            elif folder is not None:
                if mask & _MOVED_TO:
                    _remember(self.root, folder / name)
                come = come or bool(mask & (_MOVED_TO | _CLOSE_WRITE))
        return come

    def _watch(self, root: Path) -> None:
        """Watch a folder and those below; what lies in them already was not seen coming and is not known to be whole."""
        for folder, _, _ in os.walk(root):
            watch = self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _CLOSE_WRITE | _MOVED_TO | _CREATE)
            if watch >= 0:
                self._folders[watch] = Path(folder)


def _remember(root: Path, path: Path) -> None:
    try:
        state = path.stat()
    except OSError:
        return  # It is gone again.
    if len(whole) > FORGOTTEN_ABOVE:
        whole.clear()  # They are old by now; one that is not waits for its time.
    whole.add(Landed.key_of(root, path, state))
