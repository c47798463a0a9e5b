"""A fault for every probe, and where the checkup must find it. Faults of one group are planted into one home together."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from orders_pipeline.dev import PG_VARIABLE
from orders_pipeline.dictionary.model import FOLDER
from orders_pipeline.kernel.home import KEY_VARIABLE
from orders_pipeline.kernel.settings import THRESHOLDS
from orders_pipeline_tests.checkup.world import World
from orders_pipeline_tests.scenarios.stories import ago

Fault = Callable[[World], None]


@dataclass(frozen=True)
class Planted:
    """A fault, the probe that must find it, and where."""

    probe: str
    places: tuple[str, ...]
    fault: Fault


#: By the home they are planted into.
PLANTS: dict[str, list[Planted]] = defaultdict(list)


def plant(group: str, *places: str, probe: str = "") -> Callable[[Fault], Fault]:
    """The function plants the fault that the probe of its name finds at these places."""

    def keep(fault: Fault) -> Fault:
        PLANTS[group].append(Planted(probe or fault.__name__, places, fault))
        return fault

    return keep


# ---- access


@plant("access", PG_VARIABLE)
def postgres_unreachable(world: World) -> None:
    world.environ[PG_VARIABLE] = "postgresql://dagster:dagster@127.0.0.1:9/runs"


@plant("access", PG_VARIABLE)
def postgres_password_weak(world: World) -> None:
    """The password of the fault above is the user's name."""


@plant("access", KEY_VARIABLE)
def customer_key_twice(world: World) -> None:
    (world.home.root / "customer.key").write_text("another key than the one of the environment")


@plant("access", "customer.key")
def customer_key_open(world: World) -> None:
    (world.home.root / "customer.key").chmod(0o640)


@plant("access", KEY_VARIABLE)
def customer_key_short(world: World) -> None:
    world.environ[KEY_VARIABLE] = "short"


@plant("access", "[alerts.finance]")
def alert_target_silent(world: World) -> None:
    world.settings('[alerts.finance]\nurl_env = "FINANCE_URL"')


@plant("access", "[alerts.stock]")
def alert_address_unknown(world: World) -> None:
    world.settings('[alerts.stock]\nurl_env = "STOCK_URL"')
    world.environ["STOCK_URL"] = "no address at all"


@plant("access", "stock")
def alerts_undelivered(world: World) -> None:
    values = f"5, TIMESTAMPTZ '{ago(1)}', NULL, 'the service did not take the message'"
    world.sql(f"INSERT INTO ops.alert_deliveries VALUES ('a1', 'raised', 'stock', {values})")


@plant("access", "landing", "decisions")
def folder_open_to_others(world: World) -> None:
    world.home.landing.chmod(0o755)
    world.home.decisions.chmod(0o757)


@plant("access", "landing/pass….csv", "landing/bill….csv", "landing/orde….part")
def secret_in_file_name(world: World) -> None:
    for name in ("password=hunter2.csv", "bill_13800138000.csv", "orders token-abc.csv.part"):
        (world.home.landing / name).touch()


@plant("access", "orders.orders.seller_note", "orders.orders.buyer_note")
def personal_data_published(world: World) -> None:
    world.sql(
        "UPDATE orders.orders SET seller_note = 'call 13800138000 first' WHERE channel_order_id = 'A1'",
        "UPDATE orders.orders SET buyer_note = 'mail li.na@example.com' WHERE channel_order_id = 'A2'",
        # Not personal: a number that goes on, an order's number.
        "UPDATE orders.orders SET buyer_note = 'bill 138001380001234' WHERE channel_order_id = 'A3'",
        "UPDATE orders.orders SET channel_order_id = '13800138000' WHERE channel_order_id = 'A4'",
        where="published",
    )


@plant("access", "shopify taobao")
def interface_refuses_us(world: World) -> None:
    columns = "system, endpoint, requested_at, channel, status_code, row_number, file_id"
    rows = [("shopify", 2, 200), ("shopify", 1, 401), ("woocommerce", 2, 401), ("woocommerce", 1, 200)]
    for system, days, code in rows:
        world.sql(
            f"INSERT INTO raw.interface_calls ({columns}) SELECT '{system}', '/orders', TIMESTAMPTZ '{ago(days)}', 'taobao', {code}, "
            "1, min(file_id) FROM raw.files"
        )


@plant("no key", "customer.key")
def customer_key_missing(world: World) -> None:
    del world.environ[KEY_VARIABLE]


@plant("clean", "settings.toml")
def nobody_hears_alerts(world: World) -> None:
    """The home in which all is well has settings for nobody: a note, no warning."""


@plant("clean", "this home")
def never_served(world: World) -> None:
    """Nor has `dev` ever served it."""


# ---- configuration


def _dictionary(world: World) -> Path:
    """A copy of the dictionary, for faults."""
    folder = world.home.root.parent / f"{world.home.root.name}-dictionary"
    if not folder.exists():
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        world.scene["dictionary_folder"] = folder
    return folder


def _source(world: World, name: str, of: str, **change: object) -> None:
    """A source description like another one, with changes; None takes a key away."""
    spec = yaml.safe_load((FOLDER / "sources" / f"{of}.yml").read_text(encoding="utf-8"))
    spec |= {"source": name, **change}
    text = yaml.safe_dump({k: v for k, v in spec.items() if v is not None}, allow_unicode=True)
    (_dictionary(world) / "sources" / f"{name}.yml").write_text(text, encoding="utf-8")


@plant("dictionary", "sources/nowhere.yml")
def source_without_time_zone(world: World) -> None:
    _source(world, "nowhere", "wms_stock", timezone=None)


@plant("dictionary", "sources/strange.yml", "sources/broken.yml")
def source_refused(world: World) -> None:
    _source(world, "strange", "wms_stock", signature=["no such handle"])
    (_dictionary(world) / "sources" / "broken.yml").write_text("a: [b\n")


@plant("sources", "source keyless")
def source_without_key(world: World) -> None:
    fields = {"account": "account", "kind": "kind", "amount": "amount", "currency": "currency", "occurred_at": "at"}
    (_dictionary(world) / "sources" / "keyless.yml").write_text(
        yaml.safe_dump(
            {
                "source": "keyless", "timezone": "Asia/Shanghai", "optional_fields": ["payment_id"],
                "columns": {h: [f"keyless {h}"] for h in fields.values()}, "signature": ["account", "amount"],
                "entities": {"payments": {"fields": fields}},
            }
        )
    )


@plant("sources", "twin and wms_stock")
def sources_share_a_header(world: World) -> None:
    _source(world, "twin", "wms_stock")


@plant("thresholds", "nameless_ratio", "lonely")
def threshold_incomplete(world: World) -> None:
    file = world.home.root.parent / f"{world.home.root.name}-thresholds.toml"
    more = '\n[nameless_ratio]\nvalue = 0.5\nreason = "r"\n[lonely]\nvalue = 1\nreason = "r"\nowner = "o"\n'
    file.write_text(THRESHOLDS.read_text(encoding="utf-8") + more, encoding="utf-8")
    world.scene["thresholds_file"] = file


@plant("thresholds", "nameless_ratio", "lonely")
def threshold_unused(world: World) -> None:
    """No rule asks for the two above either."""


@plant("settings", "settings.toml [alert]")
def settings_section_unknown(world: World) -> None:
    world.settings('[alert.finance]\nurl_env = "X"')


@plant("settings", "settings.toml standardisation_min_ratio", "settings.toml ship_sla_hours")
def threshold_override_off_scale(world: World) -> None:
    numbers = ("standardisation_min_ratio = 95", "ship_sla_hours = 2880", "match_tolerance_amount = 0.10")
    # The last one is no fault, but brings the end of the known holidays near.
    world.settings("\n".join(("[thresholds]", *numbers, "calendar_ahead_min_days = 400")))


@plant("settings", "office")
def calendar_runs_out(world: World) -> None:
    world.settings('[[calendars.office]]\nhours = {mon-fri = "09:00-18:00"}\nholidays = "china"')


@plant("settings", "taobao/main")
def shop_zone_unstated(world: World) -> None:
    world.sql("UPDATE orders.orders SET timezone = 'UTC'")


@plant("bad settings", "settings.toml")
def settings_refused(world: World) -> None:
    world.settings("[thresholds]\nno_such_number = 1")


# ---- landing


@plant("landing", "landing/upload.csv.part")
def unfinished_upload(world: World) -> None:
    (world.home.landing / "upload.csv.part").touch()
    world.age(world.home.landing / "upload.csv.part", hours=7)
    (world.home.landing / "fresh.csv.part").touch()


@plant("landing", "landing/elsewhere.csv")
def landing_unreadable(world: World) -> None:
    (world.home.landing / "elsewhere.csv").symlink_to(world.home.root / "alerts.jsonl")
    (world.home.root / "alerts.jsonl").touch()


@plant("landing", "landing/waiting.csv")
def file_not_taken(world: World) -> None:
    (world.home.landing / "waiting.csv").write_text("a,b\n1,2\n")
    world.age(world.home.landing / "waiting.csv", hours=7)


@plant("landing", "strange.csv")
def file_refused_and_forgotten(world: World) -> None:
    columns = "file_id, path, sha256, size_bytes, status, reason, rows_read, rows_accepted, rows_quarantined, ingested_at"
    rows = [("strange", 3, "refused", "no known source [unrecognised]"), ("fresh", 1, "refused", "no known source [unrecognised]"),
            ("sum", 3, "refused", "totals only [summary_only]")]  # fmt: skip
    for name, days, status, reason in rows:
        values = f"uuid(), '{name}.csv', 'x', 1, '{status}', '{reason}', 0, 0, 0, TIMESTAMPTZ '{ago(days)}'"
        world.sql(f"INSERT INTO raw.files ({columns}) VALUES ({values})")


@plant("landing", "orders.csv")
def rows_set_aside_too_long(world: World) -> None:
    for row, days in ((17, 8), (18, 9), (19, 1)):
        world.sql(
            "INSERT INTO raw.quarantine (file_id, row_number, entity, reason, quarantined_at) "
            f"SELECT file_id, {row}, 'orders', 'bad_number', TIMESTAMPTZ '{ago(days)}' FROM raw.files WHERE path = 'orders.csv'"
        )


@plant("landing", "payments.csv")
def file_mostly_set_aside(world: World) -> None:
    world.sql("UPDATE raw.files SET rows_quarantined = 2, rows_accepted = 2 WHERE path = 'payments.csv'")


@plant("landing", "landing/products.csv")
def landed_file_gone(world: World) -> None:
    (world.home.landing / "products.csv").unlink()


@plant("landing", "raw.returns")
def rows_of_no_file(world: World) -> None:
    world.sql("INSERT INTO raw.returns (return_id, file_id) VALUES ('R1', uuid())")


@plant("landing", "standard_orders")
def older_export_came_last(world: World) -> None:
    world.sql(
        f"INSERT INTO raw.files BY NAME SELECT * REPLACE (uuid() AS file_id, TIMESTAMPTZ '{ago(20)}' AS exported_at, "
        f"TIMESTAMPTZ '{ago(-1)}' AS ingested_at) FROM raw.files WHERE path = 'orders.csv'"
    )


@plant("landing", "movements of wallet")
def files_stopped_coming(world: World) -> None:
    for account, days in (("wallet", (20, 18, 16, 14)), ("yearly", (60, 40, 20)), ("monthly", (95, 65, 35, 5))):
        for day in days:
            world.sql(
                "INSERT INTO raw.payments (account, payment_id, kind, channel, exported_at, occurred_at, file_id) SELECT "
                f"'{account}', '{day}', 'fee', 'taobao', TIMESTAMPTZ '{ago(day)}', TIMESTAMPTZ '{ago(day)}', min(file_id) FROM raw.files"
            )


@plant("rows", "raw.orders status of standard_orders", "raw.order_lines quantity of standard_order_lines")
def rows_outside_the_dictionary(world: World) -> None:
    world.sql(
        "UPDATE raw.orders SET status = 'no such state' WHERE channel_order_id = 'A1'",
        "UPDATE raw.order_lines SET quantity = NULL WHERE channel_order_id = 'A2'",
    )


@plant("landing", "published/parquet/orders/old_name.parquet")
def published_parquet_orphaned(world: World) -> None:
    (world.home.published / "parquet" / "orders" / "old_name.parquet").touch()


# ---- figures


@plant("figures", "standard_orders orders.status", "some_courier tracking.status_code")
def unmapped_words(world: World) -> None:
    for row in ("'standard_orders', 'orders.status', 'odd', 1, uuid(), 2", "'some_courier', 'tracking.status_code', '?', 9, uuid(), 2"):
        world.both(f"INSERT INTO quality.unmapped_values VALUES ({row})")


@plant("figures", "mystery")
def channel_unregistered(world: World) -> None:
    world.both("UPDATE orders.orders SET channel = 'mystery' WHERE channel_order_id = 'A1'")


@plant("figures", "taobao/main")
def cancel_timer_in_the_wrong_zone(world: World) -> None:
    for number in range(3):
        world.both(
            "INSERT INTO fulfilment.payment_deadlines BY NAME SELECT "
            f"CAST(md5('{number}') AS UUID) AS order_guid, 'taobao' AS channel, 'main' AS shop_id, -28800 AS timer_diff_seconds, "
            "true AS is_timer_off"
        )


@plant("figures", "payments of standard_payments")
def events_in_the_future(world: World) -> None:
    world.sql(f"UPDATE raw.payments SET occurred_at = TIMESTAMPTZ '{ago(hours=-8)}' WHERE payment_id = 'P1'")


@plant("figures", "taobao")
def days_without_money(world: World) -> None:
    world.both("UPDATE payments.allocations SET is_linked = false")


@plant("figures", "bank")
def account_unassigned(world: World) -> None:
    for number, kind in (("1", "receipt"), ("2", "fee")):
        world.sql(
            "INSERT INTO raw.payments (account, payment_id, kind, exported_at, occurred_at, file_id) SELECT "
            f"'bank', '{number}', '{kind}', TIMESTAMPTZ '{ago(1)}', TIMESTAMPTZ '{ago(1)}', min(file_id) FROM raw.files"
        )


@plant("figures", "USD")
def exchange_rate_missing(world: World) -> None:
    world.both("UPDATE orders.orders SET currency = 'USD' WHERE channel_order_id = 'A2'")


@plant("figures", "GBP")
def exchange_rate_old(world: World) -> None:
    world.both("INSERT INTO finance.exchange_rates VALUES ('GBP', DATE '2025-12-01', DATE '9999-12-31', 9)")
    world.both("UPDATE orders.orders SET currency = 'GBP' WHERE channel_order_id = 'A3'")


@plant("figures", "taobao presale")
def revenue_rule_missing(world: World) -> None:
    world.sql("DELETE FROM ref.revenue_rules WHERE channel = 'taobao' AND order_type = 'presale'")
    world.both("UPDATE orders.orders SET order_type = 'presale' WHERE channel_order_id = 'A4'")


@plant("figures", "channel_decisions taobao")
def contradicting_decisions(world: World) -> None:
    for row, (at, action) in enumerate(((1, "hold"), (1, "release"), (2, "release"), (3, "hold"))):
        world.sql(
            "INSERT INTO raw.channel_decisions (channel, action, decided_by, decided_at, file_id, row_number) "
            f"SELECT 'taobao', '{action}', 'li.na', TIMESTAMPTZ '{ago(at)}', min(file_id), {row} FROM raw.files"
        )


@plant("figures", "jd")
def channel_held_and_forgotten(world: World) -> None:
    for channel, days in (("jd", 2), ("pdd", 0.5)):
        world.both(
            "INSERT INTO reconciliation.channel_holds BY NAME SELECT "
            f"'{channel}' AS channel, 3 AS missing_count, TIMESTAMPTZ '{ago(3)}' AS first_paid_at, "
            f"TIMESTAMPTZ '{ago(days)}' AS last_paid_at, TIMESTAMPTZ '{ago(-5)}' AS ends_at"
        )


@plant("figures", "2026-01")
def month_still_open(world: World) -> None:
    world.both(
        "INSERT INTO finance.closes BY NAME SELECT * REPLACE (DATE '2026-01-01' AS month) FROM finance.closes WHERE month = '2026-02-01'"
    )


@plant("figures", "2025-12")
def closed_month_changed(world: World) -> None:
    month, sha = "DATE '2025-12-01'", "a" * 64
    world.sql(
        f"INSERT INTO finance.closed_sets BY NAME SELECT {month} AS month, 1 AS set_number, '{sha}' AS content_sha256",
        "INSERT INTO raw.month_close_rows (closed_month, set_number, content_sha256, section, month, channel, item, file_id) SELECT "
        f"{month}, 1, '{sha}', 'revenue', {month}, 'taobao', 'revenue', min(file_id) FROM raw.files",
    )


@plant("figures", "taobao")
def sku_without_product(world: World) -> None:
    world.both("UPDATE orders.order_lines SET sku = 'S2' WHERE order_guid = (SELECT order_guid FROM orders.orders "
               "WHERE channel_order_id = 'A2')")  # fmt: skip


@plant("figures", "product list")
def product_without_cost(world: World) -> None:
    world.sql("UPDATE orders.products SET cost = NULL")


@plant("figures", "taobao")
def sku_without_stock(world: World) -> None:
    """The SKU that is in no product list lies in no stock file either."""


@plant("figures", "W1")
def stock_figure_old(world: World) -> None:
    world.sql(f"UPDATE raw.inventory_snapshots SET counted_at = TIMESTAMPTZ '{ago(3)}'")


@plant("figures", "W1")
def negative_on_hand(world: World) -> None:
    world.sql("UPDATE inventory.balances SET on_hand_qty = -3")
    world.sql("UPDATE inventory.atp SET on_hand_qty = -3", where="published")


# ---- machine


@plant("machine", "the tables")
def tables_ahead_of_the_clock(world: World) -> None:
    world.sql(f"UPDATE kernel.consumers SET as_of = TIMESTAMPTZ '{ago(hours=-3)}' WHERE consumer = 'orders.orders'")


@plant("machine", "orders.orders: grain_is_unique_orders")
def publication_blocked(world: World) -> None:
    world.sql(
        "INSERT INTO quality.check_results SELECT * REPLACE (false AS passed, 3 AS rows_failing, "
        f"TIMESTAMPTZ '{ago(-0.001)}' AS checked_at) FROM quality.check_results WHERE check_name = 'grain_is_unique_orders'"
    )


@plant("machine", "orders.order_lines")
def published_differs(world: World) -> None:
    world.sql("DELETE FROM orders.order_lines WHERE true", where="published")


@plant("machine", "tmp/entry-1", "published/.orders-dead.duckdb")
def leftovers(world: World) -> None:
    for path in (world.home.work / "entry-1", world.home.published / ".orders-dead.duckdb", world.home.work / "entry-2"):
        path.write_bytes(b"x" * 100)
    world.age(world.home.work / "entry-1", hours=7)
    world.age(world.home.published / ".orders-dead.duckdb", hours=30)


@plant("machine", "dagster/dagster.yaml")
def storage_mismatch(world: World) -> None:
    world.home.dagster.mkdir(mode=0o750)
    world.environ[PG_VARIABLE] = "postgresql://dagster:a-long-password@/runs?host=/nowhere"
    (world.home.dagster / "dagster.yaml").write_text("telemetry: {enabled: false}\n")


@plant("machine", PG_VARIABLE, probe="postgres_unreachable")
def _and_it_is_nowhere(world: World) -> None:
    """The Postgres of the fault above does not answer either."""


@plant("machine", "this home")
def daemon_not_running(world: World) -> None:
    (world.home.dagster / "serving").touch()


@plant("machine", "schedule checkup_every_night")
def schedule_off(world: World) -> None:
    from dagster import DagsterInstance
    from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, ScheduleInstigatorData
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    place = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="orders_pipeline.definitions"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(place, "__repository__"), "checkup_every_night")
    data = ScheduleInstigatorData("0 3 * * *")
    with DagsterInstance.from_config(str(world.home.dagster)) as instance:
        instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, data))


@plant("behind", "published/orders.duckdb")
def publication_behind(world: World) -> None:
    world.sql("UPDATE kernel.consumers SET rebuilt = 1000000 WHERE consumer = 'orders.orders'")


@plant("behind", "published/orders.duckdb")
def published_file_missing(world: World) -> None:
    world.home.published_database.unlink()


@plant("behind", "the tables")
def no_run_lately(world: World) -> None:
    world.sql(f"UPDATE kernel.consumers SET as_of = TIMESTAMPTZ '{ago(hours=7)}'")


@plant("in use", "warehouse/warehouse.duckdb")
def warehouse_in_use(world: World) -> None:
    world._own(world.home.warehouse)
    code = f"import duckdb, sys; c = duckdb.connect({str(world.home.warehouse)!r}); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"open\n"

    def end() -> None:
        other.communicate()

    world.undo.append(end)


@plant("in use", "the home")
def disk_nearly_full(world: World) -> None:
    world.settings("[thresholds]\ndisk_free_min_mb = 1_000_000_000_000")


@plant("in use", "settings.toml disk_free_min_mb", probe="threshold_override_off_scale")
def _and_so_is_the_number(world: World) -> None:
    """The number that makes every disk too small is off its scale."""


@plant("unreadable", "warehouse/warehouse.duckdb")
def warehouse_unreadable(world: World) -> None:
    world._own(world.home.warehouse)
    world.home.warehouse.write_bytes(b"no database" * 1000)


@plant("versions", "duckdb", "no-such-library")
def library_version_differs(world: World) -> None:
    """`test_probes` says what is asked for."""
