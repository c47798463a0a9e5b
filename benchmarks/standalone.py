"""A standalone Spark cluster on this machine: a master and workers, each a process of its own, from the PySpark wheel."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 60.0
_HOST = "127.0.0.1"
_DEPLOY = "org.apache.spark.deploy"
#: Of the driver. What a cluster of large machines is given by its operators in $SPARK_CONF_DIR, in small.
_DEFAULTS = """\
spark.driver.host {host}
spark.driver.bindAddress {host}
spark.sql.shuffle.partitions {partitions}
spark.driver.memory {memory}g
spark.executor.memory {memory}g
"""
#: Of every Java here: in a run of some minutes, its thorough compiler costs more than it earns.
_JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass
class Standalone:
    """A master, its workers of one core each, and where they write."""

    folder: Path
    port: int
    environment: Mapping[str, str]
    master: subprocess.Popen | None = None
    workers: list[subprocess.Popen] = field(default_factory=list)

    @property
    def url(self) -> str:
        """What `--master` is given."""
        return f"spark://{_HOST}:{self.port}"

    def driver_environment(self) -> dict[str, str]:
        """The environment in which a driver finds its settings."""
        return {**self.environment, "SPARK_CONF_DIR": str(self.folder / "conf")}

    def kill(self, number: int) -> None:
        """End a worker and the executors it has started, as a machine that loses its power does."""
        os.killpg(self.workers[number].pid, signal.SIGKILL)
        self.workers[number].wait()

    def worker_cpu(self) -> float:
        """Processor seconds of the workers so far, with those of the executors that have ended."""
        ticks = 0
        for worker in self.workers:
            fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(one) for one in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        """What the master has said."""
        return (self.folder / "master.log").read_text(errors="replace")

    def executors_started(self) -> set[str]:
        """The workers that the master has had an executor start on."""
        return set(re.findall(r"Launching executor \S+ on worker (\S+)", self.log()))

    def workers_lost(self) -> set[str]:
        """The workers the master has given up."""
        return set(re.findall(r"Removing worker (\S+)", self.log()))


@contextmanager
def standalone(folder: Path, workers: int, memory: int = 1, partitions: int = 2) -> Iterator[Standalone]:
    """A cluster with so many workers, of so many GB each, as the driver, until the end of the block. PySpark and Java must be there.

    partitions: in how many parts a table is joined and sorted; each must fit into a worker's share of its memory.
    """
    import pyspark

    spark_class = Path(pyspark.__file__).parent / "bin" / "spark-class"
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "spark-defaults.conf").write_text(
        _DEFAULTS.format(host=_HOST, partitions=partitions, memory=memory), encoding="utf-8"
    )
    environment = {**os.environ, "SPARK_LOCAL_IP": _HOST, "SPARK_DAEMON_MEMORY": "256m", "JDK_JAVA_OPTIONS": _JAVA}
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port = probe.getsockname()[1]
    cluster = Standalone(folder, port, environment)

    def start(name: str, *words: str) -> subprocess.Popen:
        with (folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                [str(spark_class), *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )

    try:
        cluster.master = start("master", f"{_DEPLOY}.master.Master", "--host", _HOST, "--port", str(port), "--webui-port", "0")
        for number in range(workers):
            place = folder / f"worker-{number}"
            options = ["--host", _HOST, "--webui-port", "0", "--cores", "1", "--memory", f"{memory}g", "--work-dir", str(place)]
            cluster.workers.append(start(f"worker-{number}", f"{_DEPLOY}.worker.Worker", *options, cluster.url))
        _until(lambda: cluster.log().count("Registering worker") >= workers, cluster)
        yield cluster
    finally:
        for process in [*cluster.workers, *([cluster.master] if cluster.master else [])]:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until(condition: Callable[[], bool], cluster: Standalone) -> None:
    end = time.monotonic() + START_SECONDS
    while not condition():
        ended = [p for p in (cluster.master, *cluster.workers) if p is None or p.poll() is not None]
        if ended or time.monotonic() > end:
            raise RuntimeError(f"the Spark cluster did not start:\n{cluster.log()[-2000:]}")
        time.sleep(0.1)
