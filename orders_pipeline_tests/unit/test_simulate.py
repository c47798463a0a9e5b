"""The simulator: same bytes for the same arguments, formats true to the channels, and faults that are really there."""

from __future__ import annotations

import csv
import json
import re
import time
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.simulate import simulate
from orders_pipeline.simulate.catalogue import default_catalogue
from orders_pipeline_tests.unit.simulated_files import Legs, money, rows_of

EACH = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six thousand orders over two months with every fault kind four times."""
    out = tmp_path_factory.mktemp("simulated")
    faults = out / "faults.yml"
    faults.write_text(f"all: {{count: {EACH}}}\n", encoding="utf-8")
    simulate(6_000, out, months=2, seed=7, faults=faults)
    return out


@pytest.fixture(scope="module")
def legs(run: Path) -> Legs:
    return Legs(run / "landing")


@pytest.fixture(scope="module")
def expected(run: Path) -> dict[tuple[str, str], tuple[str, str, str]]:
    rows = duckdb.execute(
        "SELECT channel, channel_order_id, fault, expected_status, expected_reason FROM read_parquet(?)",
        [str(run / "truth" / "expected_statuses.parquet")],
    ).fetchall()
    result = {(row[0], row[1]): row[2:] for row in rows}
    assert len(result) == len(rows)
    return result


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_arguments_give_the_same_bytes_and_another_seed_gives_other_orders(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(30_000, tmp_path / name, seed=seed)
    first, second, other = (_tree(tmp_path / name) for name in "abc")
    assert first == second
    listed = next(name for name in first if "ExportOrderDetailList" in name)
    assert first[listed] != other[listed]


def test_a_hundred_orders_show_several_kinds_and_leave_no_empty_file(tmp_path: Path) -> None:
    summary = simulate(100, tmp_path, seed=1)
    assert sum(each["orders"] for each in summary.content["channels"].values()) == 100
    assert len(summary.content["faults"]) >= 3
    assert all(file.rows > 0 for file in summary.files)
    on_disk = set(_tree(tmp_path / "landing"))
    assert on_disk == {file.path for file in summary.files}
    assert not (tmp_path / ".simulate").exists()


def test_one_order_export_per_month_and_channel(run: Path) -> None:
    landing = run / "landing"
    assert len(list(landing.glob("taobao/ExportOrderDetailList*.csv"))) == 2
    assert len(list(landing.glob("taobao/ExportOrderList*.csv"))) == 3  # with the early export
    assert [path.name for path in sorted(landing.glob("wms/wms_stockout_*"))] == [
        "wms_stockout_202601.csv", "wms_stockout_202602.csv", "wms_stockout_202603.csv",
    ]  # fmt: skip
    assert len(list(landing.glob("zz_late/*/*.csv"))) == 2


def test_taobao_files_are_gbk_with_formula_ids_and_the_real_header(run: Path) -> None:
    path = max((run / "landing").glob("taobao/ExportOrderList*.csv"))
    content = path.read_bytes()
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    lines = content.decode("gbk").splitlines()
    header = lines[0].split(",")
    assert len(header) == 54
    assert {"收货地址 ", "联系电话 ", "订单付款时间 ", "宝贝标题 ", "宝贝种类 ", "物流单号 "} <= set(header)
    assert re.match(r'="\d{19}",买家\d+,', lines[1])
    assert re.search(r",'199\d{8},", lines[1])


def test_douyin_files_have_bom_tabbed_ids_and_hidden_buyers(run: Path) -> None:
    content = max((run / "landing").glob("douyin/*.csv")).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in content
    lines = content.decode("utf-8-sig").splitlines()
    assert len(lines[0].split(",")) == 74
    assert re.match(r'"\t\d{19}","\t\d{19}","\t', lines[1])
    assert ",##密文,$$密文," in lines[1]


def test_alipay_footers_and_balances_are_true(run: Path) -> None:
    for path in (run / "landing").glob("alipay/*.csv"):
        content = path.read_bytes()
        assert content.count(b"\n") == content.count(b"\r\n")
        text = content.decode("gb18030")
        assert re.search(r"\r\n54\d+\t,\d{28}\t,T200P\d{19}\t,", text)
        rows = rows_of(path, "gb18030", skip=4, stop=("#",))
        income = [money(row["收入金额（+元）"]) for row in rows if money(row["收入金额（+元）"])]
        expense = [money(row["支出金额（-元）"]) for row in rows if money(row["支出金额（-元）"])]
        assert f"#收入合计：{len(income)}笔，共{sum(income, Decimal('0.00'))}元" in text
        assert f"#支出合计：{len(expense)}笔，共{-sum(expense)}元" in text
        assert all(amount < 0 for amount in expense)
        for before, after in pairwise(rows):
            moved = money(after["收入金额（+元）"]) + money(after["支出金额（-元）"])
            assert money(after["账户余额（元）"]) == money(before["账户余额（元）"]) + moved


def test_wechat_summaries_are_true_and_both_bills_agree(run: Path) -> None:
    for path in (run / "landing").glob("wechatpay/*/*_trade.csv"):
        rows = rows_of(path, "utf-8", stop=("总交易单数",))
        summary = rows_of(path, "utf-8", skip=len(rows) + 1)[0]
        for total, column in (
            ("应结订单总金额", "应结订单金额"), ("退款总金额", "退款金额"), ("手续费总金额", "手续费"), ("订单总金额",
            "订单金额"),
        ):  # fmt: skip
            assert money(summary[total]) == sum(money(row[column]) for row in rows)
        assert int(summary["总交易单数"]) == len(rows)
        fund_path = path.with_name(path.name.replace("_trade", "_fund"))
        fund = rows_of(fund_path, "utf-8", stop=("资金流水总笔数",))
        fund_summary = rows_of(fund_path, "utf-8", skip=len(fund) + 1)[0]
        assert int(fund_summary["资金流水总笔数"]) == len(fund)
        for side in ("收入", "支出"):
            assert money(fund_summary[f"{side}金额"]) == sum(
                money(row["收支金额(元)"]) for row in fund if row["收支类型"] == side
            )
        booked = {row["微信支付业务单号"]: row["收支金额(元)"] for row in fund if row["业务类型"] in ("交易", "退款")}
        assert booked == {
            row["微信退款单号"] if row["交易状态"] == "REFUND" else row["微信订单号"]: (
                row["退款金额"] if row["交易状态"] == "REFUND" else row["订单金额"]
            )
            for row in rows
        }


def test_payouts_are_the_net_of_the_movements_they_name(run: Path) -> None:
    net: dict[str, Decimal] = defaultdict(Decimal)
    for path in (run / "landing").glob("standard/standard_payments_*.csv"):
        for row in rows_of(path, "utf-8"):
            net[row["payout_id"]] += money(row["amount"])
    net.pop("", None)
    assert net and not any(net.values())


def test_wms_total_row_is_true(run: Path) -> None:
    for path in (run / "landing").glob("wms/wms_stockout_*.csv"):
        rows = rows_of(path, "utf-8")
        *lines, total = rows
        assert total["原始单号"] == "合计"
        assert int(total["货品数量"]) == sum(int(row["货品数量"]) for row in lines)
        assert all(row["发货时间"][:7].replace("-", "") == path.stem[-6:] for row in lines)


def test_the_files_list_counts_the_rows_on_disk(run: Path) -> None:
    with (run / "truth" / "files.csv").open(encoding="utf-8") as listed:
        files = {row["file"]: row for row in csv.DictReader(listed)}
    for name, row in files.items():
        if row["source"].startswith(("douyin", "shopify", "standard", "courier", "wms")):
            lines = (run / "landing" / name).read_bytes().count(b"\n")
            assert int(row["rows"]) == lines - (2 if row["source"] == "wms_outbound" else 1), name
    assert sum(int(row["quarantined_rows"]) for row in files.values()) >= 4 * EACH
    assert sum(int(row["duplicate_rows"]) for row in files.values()) >= 2 * EACH


def test_every_order_of_every_file_has_an_expected_status(legs: Legs, expected: dict, run: Path) -> None:
    seen = {order for order in (*legs.ordered, *legs.receipts, *legs.shipped) if order[1] and order[1] != "2.26E+18"}
    assert seen <= set(expected)
    missing = {order for order in expected if order not in seen}
    assert {expected[order][0] for order in missing} == {"damaged_id"}
    summary = json.loads((run / "truth" / "summary.json").read_text(encoding="utf-8"))
    assert summary["as_of"] == "2026-03-21T12:00:00+08:00"
    assert set(summary["faults"]) == set(default_catalogue())
    with (run / "truth" / "truth.csv").open(encoding="utf-8") as listed:
        assert sum(1 for _ in csv.DictReader(listed)) == sum(summary["faults"].values())


def _view(legs: Legs, order: tuple[str, str]) -> dict[str, object]:
    reference = legs.reference.get(order, "")
    return {
        "due": legs.due.get(order),
        "paid": sum(legs.receipts.get(order, []), Decimal(0)),
        "merged": legs.merged.get(reference),
        "receipts": len(legs.receipts.get(order, [])),
        "refunded": legs.refunded.get(order, Decimal(0)),
        "short": legs.ordered.get(order, 0) - legs.shipped.get(order, 0),
        "shipped": legs.shipped.get(order, 0),
        "parcels": legs.parcels.get(order, set()),
        "signed": bool(legs.parcels.get(order)) and legs.parcels[order] <= legs.signed,
    }


def test_faultless_orders_agree_on_all_three_sides(legs: Legs, expected: dict) -> None:
    for order, (fault, status, reason) in expected.items():
        if fault:
            continue
        view = _view(legs, order)
        assert status == "MATCHED"
        if reason == "cancelled_unpaid":
            assert (view["paid"], view["shipped"]) == (0, 0), order
            continue
        assert view["paid"] == view["due"], order
        if reason == "cancelled_refunded":
            assert (view["refunded"], view["shipped"]) == (view["due"], 0), order
        else:
            assert view["short"] == 0 and view["signed"], order
            assert (view["refunded"] > 0) == (reason == "returned_refunded"), order


CLAIMS = {
    "in_transit": lambda v: v["paid"] == v["due"] and v["shipped"] and not v["signed"],
    "return_in_progress": lambda v: v["paid"] == v["due"] and v["signed"] and not v["refunded"],
    "cod_in_remittance": lambda v: not v["paid"] and v["signed"],
    "cod_not_remitted": lambda v: not v["paid"] and v["signed"],
    "presale_balance_open": lambda v: 0 < v["paid"] < v["due"] and not v["shipped"],
    "paid_not_shipped": lambda v: v["paid"] == v["due"] and not v["shipped"],
    "shipped_not_paid": lambda v: not v["paid"] and v["signed"],
    "single_sided_short": lambda v: not v["paid"] and not v["shipped"],
    "single_sided_long": lambda v: v["due"] is None and v["paid"] and not v["shipped"],
    "shipped_without_order": lambda v: v["due"] is None and v["shipped"] and not v["paid"],
    "split_parcels_and_payments": lambda v: (
        (v["paid"], v["short"], v["receipts"], len(v["parcels"])) == (v["due"], 0, 2, 2)
    ),
    "merged_payment": lambda v: not v["receipts"] and v["merged"] > v["due"] and v["short"] == 0,
    "consolidated_parcel": lambda v: v["paid"] == v["due"] and v["short"] == 0 and len(v["parcels"]) == 1,
    "shipped_after_cancel": lambda v: v["refunded"] == v["due"] and v["shipped"],
    "cancelled_not_refunded": lambda v: v["paid"] == v["due"] and not v["refunded"] and not v["shipped"],
    "refund_only_price_concession": lambda v: 0 < v["refunded"] < v["due"] and v["short"] == 0,
    "refunded_not_returned": lambda v: v["refunded"] > 0 and v["short"] == 0,
    "returned_not_refunded": lambda v: v["refunded"] == 0 and v["short"] == 0,
    "refund_diff": lambda v: v["refunded"] > 0,
    "over_paid": lambda v: v["paid"] - v["due"] >= 1,
    "under_paid": lambda v: v["due"] - v["paid"] >= 1,
    "within_tolerance": lambda v: 0 < abs(v["due"] - v["paid"]) <= Decimal("0.05"),
    "quantity_short": lambda v: v["short"] > 0 and v["shipped"] > 0,
    "quantity_over": lambda v: v["short"] == -1,
    "duplicate_payment_key": lambda v: v["receipts"] == 2 and v["paid"] > v["due"],
    "unknown_status": lambda v: v["paid"] == v["due"] and v["short"] == 0,
}


@pytest.mark.parametrize("kind", CLAIMS)
def test_an_injected_fault_is_in_the_files(kind: str, legs: Legs, expected: dict) -> None:
    orders = [order for order, (fault, _, _) in expected.items() if fault == kind]
    assert len(orders) == EACH * (2 if default_catalogue()[kind].pair else 1)
    for order in orders:
        assert CLAIMS[kind](_view(legs, order)), (order, _view(legs, order))


def test_merged_payments_and_consolidated_parcels_join_exactly_two_orders(legs: Legs, expected: dict) -> None:
    payers, travellers = defaultdict(list), defaultdict(list)
    for order, (fault, _, _) in expected.items():
        if fault == "merged_payment":
            payers[legs.reference[order]].append(legs.due[order])
        if fault == "consolidated_parcel":
            travellers[next(iter(legs.parcels[order]))].append(order)
    assert len(payers) == EACH and all(len(dues) == 2 and sum(dues) == legs.merged[txn] for txn, dues in payers.items())
    assert len(travellers) == EACH and all(len(orders) == 2 for orders in travellers.values())


def test_superseded_exports_show_an_earlier_status(run: Path, expected: dict, legs: Legs) -> None:
    late = list((run / "landing" / "zz_late").rglob("*.csv"))
    orders = {}
    for path in late:
        taobao = "taobao" in path.parts
        for row in rows_of(path, "gbk" if taobao else "utf-8"):
            orders["taobao" if taobao else "douyin", row["订单编号" if taobao else "主订单编号"]] = row["订单状态"]
    assert {expected[order][0] for order in orders} == {"older_export_late"}
    assert any(status != legs.status[order] for order, status in orders.items())


def test_a_faults_file_overrides_and_is_checked(tmp_path: Path) -> None:
    faults = tmp_path / "faults.yml"
    faults.write_text("all: {rate: 0}\nover_paid: {count: 3}\n", encoding="utf-8")
    assert simulate(300, tmp_path / "a", faults=faults).content["faults"] == {"over_paid": 3}
    for text, message in (
        ("overpaid: {rate: 0.1}", "unknown fault kind overpaid"),
        ("over_paid: {rate: 2}", "give {rate"),
        ("over_paid: {count: 5000}", "do not fit"),
    ):
        faults.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            simulate(300, tmp_path / "b", faults=faults)


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    for arguments in ({"orders": 99}, {"orders": 100, "months": 0}, {"orders": 100, "start": "2026-01-02"}):
        with pytest.raises(ValueError):
            simulate(out=tmp_path, **arguments)
    simulate(100, tmp_path)
    with pytest.raises(FileExistsError):
        simulate(100, tmp_path)


@pytest.mark.slow
def test_time_grows_no_faster_than_the_orders(tmp_path: Path) -> None:
    seconds = {}
    for orders in (20_000, 200_000):
        started = time.perf_counter()
        simulate(orders, tmp_path / str(orders))
        seconds[orders] = time.perf_counter() - started
    assert seconds[200_000] < 10 * seconds[20_000]
