"""A landing zone in an object store: what lies there is taken once, whole, and from nowhere else; what fails is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest

from orders_pipeline import pipeline
from orders_pipeline.ingest import store
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.dagster.conftest import AS_OF, land_orders
from orders_pipeline_tests.support import new_home, query, same

NOW = datetime.fromisoformat(AS_OF).astimezone(UTC)
URL = "memory://bucket/in"


@pytest.fixture
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    if system.exists("/bucket"):
        system.rm("/bucket", recursive=True)


@pytest.fixture
def orders_file(tmp_path: Path) -> bytes:
    return land_orders(new_home(tmp_path / "elsewhere"), "a.csv", "A1", "A2").read_bytes()


def names(home: Home) -> list[str]:
    return sorted(p.relative_to(home.landing).as_posix() for p in home.landing.rglob("*") if p.is_file())


def test_objects_come_once_and_again_when_replaced(
    home: Home, bucket: fsspec.AbstractFileSystem, orders_file: bytes
) -> None:
    bucket.pipe("/bucket/in/shop=main/a.csv", orders_file)
    bucket.pipe("/bucket/other/b.csv", orders_file)
    told: list[str] = []
    assert store.fetch(home, URL, told.append) == []
    assert names(home) == ["shop=main/a.csv"] and told == [f"{URL}: shop=main/a.csv"]
    assert store.fetch(home, URL, told.append) == [] and len(told) == 1, "nothing new"
    (home.landing / "shop=main/a.csv").unlink()
    assert store.fetch(home, URL) == [] and names(home) == [], "taken and removed by hand: it does not come back"
    bucket.pipe("/bucket/in/shop=main/a.csv", orders_file + orders_file.splitlines(keepends=True)[-1])
    assert store.fetch(home, URL) == [] and names(home) == ["shop=main/a.csv"], "replaced in the store"


def test_run_takes_what_is_in_the_store(home: Home, bucket: fsspec.AbstractFileSystem, orders_file: bytes, tmp_path: Path) -> None:
    home.settings_file.write_text(f'[landing]\nurl = "{URL}"\n')
    bucket.pipe("/bucket/in/a.csv", orders_file)
    assert pipeline.run(home, NOW).intake.loaded == ["a.csv"]
    assert not pipeline.run(home, NOW).publication.done
    assert query(home, "SELECT channel_order_id FROM orders.orders ORDER BY 1") == [("A1",), ("A2",)]
    other = new_home(tmp_path / "other")
    (other.landing / "a.csv").write_bytes(orders_file)
    pipeline.run(other, NOW)
    same(home, other)


def test_names_that_lead_elsewhere_are_told_and_not_followed(
    home: Home, orders_file: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (home.landing / "link").symlink_to(outside)

    class Hostile:
        def find(self, root: str, detail: bool) -> dict[str, dict[str, object]]:
            names = ("../up.csv", "a/../../up.csv", "/etc/up.csv", "link/up.csv", "bad\nname.csv", "c:\\up.csv", "good.csv", "folder/")
            return {f"{root}/{name}": {"size": len(orders_file)} for name in names}

        def get_file(self, name: str, target: str) -> None:
            Path(target).write_bytes(orders_file)

    monkeypatch.setattr(store, "_opened", lambda url: (Hostile(), "bucket"))
    failed = store.fetch(home, "s3://bucket")
    assert {name for name, _ in failed} == {"../up.csv", "a/../../up.csv", "link/up.csv", "bad\nname.csv", "c:\\up.csv"}
    assert names(home) == ["etc/up.csv", "good.csv"]
    assert not list(outside.iterdir()) and not list(tmp_path.rglob("up.csv"))[1:]


def test_half_an_object_never_lands_and_the_rest_does(
    home: Home, bucket: fsspec.AbstractFileSystem, orders_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.pipe("/bucket/in/a.csv", orders_file)
    bucket.pipe("/bucket/in/b.csv", orders_file)
    whole = type(bucket).get_file

    def breaks(self: object, name: str, target: str, **options: object) -> None:
        whole(self, name, target, **options)
        if name.endswith("a.csv"):
            Path(target).write_bytes(orders_file[:7])

    monkeypatch.setattr(type(bucket), "get_file", breaks)
    [(name, why)] = store.fetch(home, URL)
    assert name == "a.csv" and f"7 of {len(orders_file)} bytes came" in why
    assert names(home) == ["b.csv"] and not list(home.work.glob("fetched-*"))
    monkeypatch.undo()
    assert store.fetch(home, URL) == [] and names(home) == ["a.csv", "b.csv"]


def test_store_that_cannot_be_reached_stops_nothing(home: Home) -> None:
    home.settings_file.write_text('[landing]\nurl = "memory://bucket/in"\n')

    class Gone:
        def find(self, root: str, detail: bool) -> dict[str, object]:
            raise ConnectionError("no route to host\nand much more")

    land_orders(home, "here.csv", "H1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_opened", lambda url: (Gone(), "bucket"))
        intake = pipeline.run(home, NOW).intake
    assert intake.loaded == ["here.csv"]
    [(name, why)] = intake.waiting
    assert name == "memory://bucket/in" and "ConnectionError: no route to host" in why and "more" not in why


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:secret@bucket/in", "keys belong into the environment"),
        ("sftp://shop:secret@host/in", "passwords and keys belong into the environment"),
        ("sftp://shop%3Asecret@host/in", "passwords"),
        ("sftp://shop:secret@elsewhere@host/in", "passwords"),
        ("https://secret@host/in", "passwords"),
        ("bucket/in", "must be like s3://"),
        ("nosuch://bucket", "nosuch"),
    ],
)
def test_url_that_cannot_be_used_says_what_to_do(home: Home, url: str, said: str) -> None:
    with pytest.raises(Usage, match=said) as refused:
        store.fetch(home, url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["sftp://shop@host/in", "sftp://shop%40main@host:22/in", "abfs://container@account.dfs.core.windows.net/in"])
def test_a_user_without_a_password_is_no_secret(home: Home, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Empty:
        def find(self, root: str, detail: bool) -> dict[str, dict]:
            return {}

    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda url, **options: (asked.append(url), (Empty(), "/in"))[1])
    assert store.fetch(home, url) == []
    assert asked == [url]


def test_looks_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: clock[0])
    looks = store.Looks(URL)
    assert looks.is_due and not looks.is_due
    clock[0] += store.LOOK_SECONDS
    assert looks.is_due
    assert not store.Looks("").is_due


def test_from_a_real_s3_server(home: Home, orders_file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client against moto's server: the same protocol, another process's thread."""
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="merchant")
        client.put_object(Bucket="merchant", Key="in/channel=douyin/a.csv", Body=orders_file)
        home.settings_file.write_text('[landing]\nurl = "s3://merchant/in"\n')
        assert pipeline.run(home, NOW).intake.loaded == ["channel=douyin/a.csv"]
        client.put_object(Bucket="merchant", Key="in/late/b.csv", Body=orders_file.replace(b"A1", b"B1").replace(b"A2", b"B2"))
        assert pipeline.run(home, NOW).intake.loaded == ["late/b.csv"]
        assert pipeline.run(home, NOW).intake.loaded == []
        assert query(home, "SELECT count(*) FROM orders.orders") == [(4,)]
        client.delete_object(Bucket="merchant", Key="in/late/b.csv")
        assert pipeline.run(home, NOW).intake.waiting == []
        assert query(home, "SELECT count(*) FROM orders.orders") == [(4,)], "what was taken stays"
    finally:
        server.stop()
