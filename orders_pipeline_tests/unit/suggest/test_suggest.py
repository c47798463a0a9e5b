"""`channel suggest`: what it proposes for files nobody described, how sure it is, and that the YAML works once filled in."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pytest
import yaml

from benchmarks import suggest as benchmark
from orders_pipeline.cli import main
from orders_pipeline.dictionary.model import DictionaryError, load_dictionary, parse_source
from orders_pipeline.ingest.suggest import Suggestion, suggest
from orders_pipeline.ingest.suggest.assign import assign, dealt_shares
from orders_pipeline.ingest.suggest.due import Due, find_due
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.words import meanings
from orders_pipeline.ingest.suggest.write import source_yaml

sys.path.insert(0, str(Path(__file__).parent))
import unseen

KUAISHOU = next(c for c in unseen.cases() if c.name == "kuaishou_orders")


@pytest.fixture(scope="module")
def names() -> Names:
    return Names(load_dictionary())


@pytest.fixture
def kuaishou(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_text(KUAISHOU.text, encoding="gb18030")
    return path


def _spec(text: str, **filled: str) -> dict:
    return {**yaml.safe_load(text), **filled}


def _parsed(spec: dict):
    dictionary = load_dictionary()
    return parse_source(spec, dictionary.fields, dictionary.entities, origin="proposed.yml")


# ---- measured


def test_left_out_sources_are_proposed_right_or_not_at_all() -> None:
    """Leave-one-out, the whole platform unknown. Figures of the whole: benchmarks/suggest.py."""
    picked = ("taobao_orders", "douyin_orders", "pdd_orders", "shopify_orders", "wms_outbound", "wms_stock")
    counts: Counter = Counter()
    for only in picked:
        counts += benchmark.total(list(benchmark.run(load_dictionary(), {}, whole_family=True, only=only)))
    cases = sum(counts.values())
    assert cases >= 100
    assert counts["wrong"] / cases <= 0.05, counts
    assert counts["right"] / (counts["right"] + counts["wrong"]) >= 0.93, counts
    assert counts["right"] / cases >= 0.6, counts


@pytest.fixture(scope="module")
def judged(names: Names, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Counter, list[str], Suggestion]]:
    """Every unseen file once: its figures and its proposal."""
    folder = tmp_path_factory.mktemp("unseen")
    return {case.name: unseen.judge(case, names, folder) for case in unseen.cases()}


def test_files_of_unseen_platforms(judged: dict[str, tuple[Counter, list[str], Suggestion]]) -> None:
    counts: Counter = Counter()
    told: list[str] = []
    readings = []
    for case in unseen.cases():
        figures, lines, found = judged[case.name]
        counts += figures
        told += [f"{case.name}: {line}" for line in lines if line.startswith("wrong")]
        readings.append(set(found.reading.entities) == set(case.entities))
    cases = sum(counts.values())
    assert counts["right"] / cases >= 0.85, (counts, told)
    assert counts["wrong"] / cases <= 0.02, (counts, told)
    assert sum(readings) >= len(readings) - 2


# ---- the YAML


def test_the_time_zone_is_left_to_the_person_and_asked_for(kuaishou: Path, names: Names) -> None:
    text = source_yaml(suggest(kuaishou, names, channel="kuaishou"))
    with pytest.raises(DictionaryError, match="Add a line such as `timezone: Asia/Shanghai`"):
        _parsed(_spec(text))
    source = _parsed(_spec(text, timezone="Asia/Shanghai"))
    assert {b.entity for b in source.blocks} == {"orders", "order_lines", "discounts"}
    assert source.channel == "kuaishou"


#: Zones the files' platforms write in; the answers to what else a proposal leaves open, which only a person can know.
ZONES = {"tiktok_shop_settlement": "Europe/London"}
ANSWERS = {
    "bigcommerce_orders": {"date_order": "dmy"},
    "flipkart_orders": {"currency": "INR"},
    "lazada_orders": {"currency": "SGD"},
    "lazada_transactions": {"currency": "MYR"},
    "magento_orders": {"currency": "USD"},
    "square_transactions": {"currency": "USD"},
    "trendyol_orders": {"currency": "TRY"},
}
#: What is asked of these a person answers with a column or a word: a list of orders to send says nothing of their status.
UNANSWERED = {"coupang_orders", "gmarket_orders", "newegg_orders", "tokopedia_orders", "wildberries_report"}


def _answered(text: str, name: str) -> str:
    zone = ZONES.get(name, "Asia/Shanghai")
    text = text.replace("timezone:\n", f"timezone: {zone}\n")
    for key, answer in ANSWERS.get(name, {}).items():
        assert f"{key}: '?'" in text, f"{name} no longer asks for its {key}"
        text = text.replace(f"{key}: '?'", f"{key}: {answer}")
    return benchmark.with_words_answered(text)


@pytest.fixture(scope="module")
def published(
    judged: dict[str, tuple[Counter, list[str], Suggestion]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Every proposal filled in and checked, and all their files through one run of the pipeline."""
    from orders_pipeline.dictionary import model
    from orders_pipeline.kernel.clock import parse_as_of
    from orders_pipeline.pipeline import run
    from orders_pipeline_tests.support import new_home

    tmp_path = tmp_path_factory.mktemp("published")
    folder = tmp_path / "dictionary"
    shutil.copytree(model.FOLDER, folder)
    home = new_home(tmp_path / "home")
    for case in unseen.cases():
        if case.name in UNANSWERED:
            continue
        path, out = home.landing / f"{case.name}.csv", folder / "sources" / f"{case.name}_proposed.yml"
        path.write_text(case.text, encoding="utf-8")
        out.write_text(_answered(source_yaml(judged[case.name][2]), case.name), encoding="utf-8")
        assert main(["channel", "check", str(out)]) == 0, case.name
    learned = model.load_dictionary.__wrapped__(folder)
    with pytest.MonkeyPatch.context() as patch:
        for module in [m for m in list(sys.modules.values()) if getattr(m, "load_dictionary", None) is model.load_dictionary]:
            patch.setattr(module, "load_dictionary", lambda: learned)
        assert not run(home, parse_as_of("2026-06-01T09:00:00+08:00")).intake.refused
    yield home.root


def test_every_proposal_once_answered_loads_its_whole_file(published: Path) -> None:
    """Nothing but the zone is asked of most; each file is known again by its own source, and no row is set aside."""
    with closing(duckdb.connect(str(next(published.rglob("warehouse.duckdb"))), read_only=True)) as warehouse:
        loaded = warehouse.execute("SELECT path, source, rows_accepted, rows_quarantined FROM raw.files ORDER BY path").fetchall()
    names = [c.name for c in unseen.cases() if c.name not in UNANSWERED]
    assert [Path(path).stem for path, *_ in loaded] == names
    assert [(p, s, aside) for p, s, _, aside in loaded if aside or not s.startswith(Path(p).stem)] == []
    assert all(accepted for _, _, accepted, _ in loaded)


def _rows(root: Path, book: str, zone: str, question: str) -> list[tuple]:
    with closing(duckdb.connect(str(next(root.rglob(f"{book}.duckdb"))), read_only=True)) as connection:
        connection.execute(f"SET TimeZone = '{zone}'")
        return connection.execute(question).fetchall()


def test_the_filled_in_proposal_reads_the_file_right(published: Path) -> None:
    """The orders come out published as the file has them."""
    question = (
        "SELECT channel_order_id, status, payable_amount, freight_amount, CAST(created_at AS VARCHAR), ordered_qty "
        "FROM orders.orders WHERE channel = 'kuaishou_orders' ORDER BY 1"
    )
    rows = _rows(published, "order_book", "Asia/Shanghai", question)
    assert [(r[0], r[1], str(r[2]), str(r[3]), r[4][:19]) for r in rows] == [
        ("2512600012345678", "shipped", "113.00", "0.00", "2026-05-01 10:01:02"),
        ("2512600012345679", "paid", "79.00", "0.00", "2026-05-01 11:01:02"),
        ("2512600012345680", "completed", "137.00", "8.00", "2026-05-02 12:11:02"),
        ("2512600012345681", "cancelled", "119.70", "0.00", "2026-05-03 13:21:02"),
    ]


def test_the_amounts_of_a_settlement_come_out_as_movements_that_make_its_net(published: Path) -> None:
    """Fifteen columns of an unknown platform, sums in between among them: which are parts of the net the figures themselves say."""
    question = (
        "SELECT kind, count(*), sum(amount), count(DISTINCT payment_id) FROM payments.transactions "
        "WHERE account = 'tiktok_shop_settlement' GROUP BY kind ORDER BY kind"
    )
    rows = _rows(published, "order_book", "Europe/London", question)
    assert [(kind, str(amount)) for kind, _, amount, _ in rows] == [
        ("fee", "-30.18"), ("receipt", "311.68"), ("refund", "-42.00"),
    ]  # fmt: skip
    assert sum(amount for *_, amount, _ in rows) == Decimal("239.50"), "what the platform paid out"
    assert all(count == numbers for _, count, _, numbers in rows), "no two movements share a number"


def test_a_row_s_kind_names_its_main_amount_and_the_net_of_two_columns_comes_out(published: Path) -> None:
    """Released money with a net credit and a net debit; the words of a column called DESCRIPTION say which rows are refunds."""
    text = next(c.text for c in unseen.cases() if c.name == "mercado_pago_releases")
    file = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    question = (
        "SELECT kind, sum(amount) FROM payments.transactions WHERE account = 'mercado_pago_releases' GROUP BY kind ORDER BY kind"
    )
    booked = dict(_rows(published, "order_book", "UTC", question))
    for kind, word in (("receipt", "payment"), ("refund", "refund"), ("payout", "payout")):
        assert booked[kind] == sum(Decimal(row["GROSS_AMOUNT"]) for row in file if row["DESCRIPTION"] == word), kind
    nets = sum(Decimal(row["NET_CREDIT_AMOUNT"]) - Decimal(row["NET_DEBIT_AMOUNT"]) for row in file)
    assert sum(booked.values()) == nets


def test_what_a_person_must_answer_is_refused_until_answered(tmp_path: Path, names: Names) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "Order number,Order status,Order date,SKU,Quantity,Unit price,Order total\n"
        "A-100001,Paid,03/04/2026,X1,1,9.00,9.00\nA-100002,Shipped,05/06/2026,X2,2,4.50,9.00\n",
        encoding="utf-8",
    )
    found = suggest(path, names)
    spec = _spec(source_yaml(found), timezone="UTC")
    assert spec["currency"] == "?" and spec["date_order"] == "?"
    assert any(q.startswith("currency:") for q in found.questions) and any(q.startswith("date_order:") for q in found.questions)
    with pytest.raises(DictionaryError, match="'currency' is left open"):
        _parsed(spec)
    with pytest.raises(DictionaryError, match="'date_order' is left open"):
        _parsed({**spec, "currency": "EUR"})
    assert _parsed({**spec, "currency": "EUR", "date_order": "dmy"}).get("date_order") == "dmy"


@pytest.mark.parametrize("case", list(unseen.cases()), ids=lambda c: c.name)
def test_every_proposal_is_yaml_that_says_what_it_lacks(
    case: unseen.Unseen, judged: dict[str, tuple[Counter, list[str], Suggestion]]
) -> None:
    found = judged[case.name][2]
    spec = _spec(source_yaml(found), timezone="UTC")
    spec.update({k: {"currency": "USD", "date_order": "mdy"}.get(k, {"default": "main"}) for k, v in spec.items() if v == "?"})
    if found.rules.open:
        asks_words = any(" means by " in question for question in found.rules.open)
        with pytest.raises(DictionaryError, match="is left open" if asks_words else "needs"):
            _parsed(spec)
    else:
        assert _parsed(spec).blocks


def test_hostile_names_stay_in_their_quotes(tmp_path: Path, names: Names) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        '订单编号,"下单时间\n#: {",\'应付金额: [1,状态}\nA1000001,2026-05-01 10:00:00,1.00,"待付款: ]\ntimezone: UTC"\n',
        encoding="utf-8",
    )
    spec = yaml.safe_load(source_yaml(suggest(path, names)))
    assert spec["timezone"] is None


def test_json_output_carries_evidence(kuaishou: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["channel", "suggest", str(kuaishou), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["encoding"].lower().startswith("gb") and told["header_line"] == 1
    by_name = {c["column"]: c for c in told["columns"]}
    assert by_name["订单编号"]["field"] == "channel_order_id" and by_name["订单编号"]["candidates"][0]["evidence"]
    assert by_name["快递公司"]["outcome"] in ("not_needed", "unsure")


# ---- parts


def test_the_assignment_is_the_best_there_is() -> None:
    rng = random.Random(3)
    for _ in range(60):
        rows, columns = rng.randint(1, 4), rng.randint(1, 4)
        gain = [[rng.choice((-1, 0, 1, 2, 5, 9)) for _ in range(columns)] for _ in range(rows)]
        best = max(
            sum(max(0, gain[r][c]) for r, c in zip(range(rows), chosen, strict=True) if c < columns)
            for chosen in itertools.permutations(range(columns + rows), rows)
        )
        found = assign(gain)
        assert sum(gain[r][c] for r, c in enumerate(found) if c is not None) == best
        assert len({c for c in found if c is not None}) == sum(c is not None for c in found)


def test_likeness_never_turns_a_word_into_its_opposite(names: Names) -> None:
    found, unknown = meanings(names, ("orders", "status"), ["待发货", "已发货", "未发货", "待付款", "Awaiting payment", "xyzzy"])
    codes = {m.word: m.code for m in found}
    assert codes["已发货"] == "shipped" and codes["待发货"] == "paid" and codes["待付款"] == "pending_payment"
    assert codes.get("未发货") != "shipped"
    assert "xyzzy" in unknown


def test_a_column_with_another_good_home_leaves_this_one_to_its_rival() -> None:
    edges = {(0, "buyer_note"): 80.0, (1, "buyer_note"): 80.0, (1, "seller_note"): 50.0}
    apart = {0: "a", 1: "b"}
    absent = dict.fromkeys(("buyer_note", "seller_note"), 1.0)
    shares = dealt_shares(edges, absent, apart)
    assert shares[0, "buyer_note"] > 0.9 and shares[1, "seller_note"] > 0.9
    alone = dealt_shares({e: v for e, v in edges.items() if e[1] == "buyer_note"}, absent, apart)
    assert 0.4 < alone[0, "buyer_note"] < 0.6, "two alike, and nothing to choose by"
    assert dealt_shares({e: v for e, v in edges.items() if e[1] == "buyer_note"}, absent, {0: "a", 1: "a"})[0, "buyer_note"] > 0.9


def test_a_wallet_that_numbers_nothing_gets_a_number_of_what_its_rows_say(tmp_path: Path, names: Names) -> None:
    path = tmp_path / "wallet.csv"
    rows = "".join(
        f"2026-05-{day:02d} 10:00:00,S2605{day:02d}0001,{'订单收入' if day % 3 else '技术服务费'},"
        f"{'' if day % 3 == 0 else f'{day}.50'},{f'{day}.20' if day % 3 == 0 else ''}\n"
        for day in range(1, 20)
    )
    path.write_text("入账时间,订单号,账务类型,收入金额,支出金额\n" + rows, encoding="utf-8")
    spec = _spec(benchmark.with_words_answered(source_yaml(suggest(path, names))), timezone="Asia/Shanghai")
    source = _parsed(spec)
    fields = source.blocks[0].fields
    assert fields["amount"] == {"credit": "credit", "debit": "debit"}
    assert fields["payment_id"]["concat"][-1] == "repeat_number" and spec["repeated_rows"] == "legitimate"


def test_words_are_known_in_their_forms_their_scripts_and_written_together(names: Names) -> None:
    said = {
        h: [sorted(t.concepts) for t in names.wording.tokens(h)]
        for h in ("訂單編號", "Login kupującego", "trackingno", "reference1")
    }
    assert said["訂單編號"] == [["order"], ["code", "number"]]
    assert said["Login kupującego"] == [["account"], ["buyer"]]
    assert said["trackingno"] == [["waybill"], ["number"]]
    assert said["reference1"][0] == ["reference"]
    joined = [sorted(t.concepts) for h in ("Zahlungsdatum", "Kundenhinweis") for t in names.wording.tokens(h)]
    assert joined == [["pay"], ["time"], ["buyer"], ["note"]], "German joins words, some of them by an s"


def test_languages_are_cut_into_words_and_their_statuses_known(names: Names) -> None:
    def said(header: str) -> list[str]:
        return [min(t.concepts) for t in names.wording.tokens(header) if t.concepts]

    assert said("หมายเลขคำสั่งซื้อ") == ["number", "order"], "Thai writes no blanks"
    assert said("Kargo Takip No") == ["waybill", "number"]
    assert said("Số lượng") == ["quantity"]
    words = ("결제완료", "배송중", "구매확정", "취소", "Доставляется", "Отменён", "đang giao hàng", "Annullato")
    found, unknown = meanings(names, ("orders", "status"), words)
    assert not unknown
    assert [m.code for m in found] == ["paid", "shipped", "completed", "cancelled", "shipped", "cancelled", "shipped", "cancelled"]


def test_an_amount_of_the_line_is_summed_though_both_lines_of_an_order_cost_the_same(tmp_path: Path, names: Names) -> None:
    def payable(per_order: bool) -> object:
        lines = [(f"A-10000{n // 2}", 10 + n // 2) for n in range(10)]
        rows = "".join(
            f"{o},Shipped,2026-05-01 10:0{n}:00,SKU-{n},2,{p}.00,{(4 if per_order else 2) * p}.00\n" for n, (o, p) in enumerate(lines)
        )
        path = tmp_path / "orders.csv"
        path.write_text("Order number,Order status,Order date,SKU,Quantity,Unit price,Order total\n" + rows, encoding="utf-8")
        return suggest(path, names).rules.blocks["orders"][0]["fields"]["payable_amount"]

    assert payable(per_order=False) == {"from": "payable_amount", "aggregate": "sum"}
    assert payable(per_order=True) == "payable_amount"


def test_a_price_is_known_by_what_it_makes_with_the_quantity(tmp_path: Path, names: Names) -> None:
    rows = "".join(
        f"A-10000{n},Shipped,2026-05-01 10:0{n}:00,SKU-{n},{q},{n + 3.5:.2f},{q * (n + 3.5):.2f}\n"
        for n in range(9)
        for q in (1 + n % 3,)
    )
    path = tmp_path / "orders.csv"
    path.write_text("Order number,Order status,Order date,SKU,Quantity,Zork,Order total\n" + rows, encoding="utf-8")
    fields = {c.column.name: c.field for c in suggest(path, names).reading.choices}
    assert fields["Zork"] == "unit_price"


def _fields(path: Path, names: Names, header: str, rows: list[str]) -> tuple[dict[str, str | None], Suggestion]:
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    found = suggest(path, names)
    return {c.column.name: c.field for c in found.reading.choices}, found


def test_columns_of_an_address_are_what_they_are_called_beside_it(tmp_path: Path, names: Names) -> None:
    header = "Order number,Order status,Order date,Order total,Shipping address street 1,Shipping address city,Shipping address phone"
    rows = [f"A-10000{n},Shipped,2026-05-01 10:0{n}:00,{n}.90,{n} Rue Verte,Lyon,+33 6 12 34 56 0{n}" for n in range(9)]
    fields, _ = _fields(tmp_path / "orders.csv", names, header, rows)
    assert [fields[f"Shipping address {c}"] for c in ("street 1", "city", "phone")] == ["address", "city", "buyer_phone"]


def test_a_fee_beside_its_payment_has_a_number_of_its_own(tmp_path: Path, names: Names) -> None:
    rows = [
        f"TX-26050{n:03},{'Fee' if n % 3 == 0 else 'Payment'},2026-05-01 10:{n:02}:00,{n}.50,-0.{n:02},{n}.00" for n in range(10, 30)
    ]
    _, found = _fields(tmp_path / "wallet.csv", names, "Transaction ID,Type,Transaction date,Gross amount,Fee,Balance", rows)
    numbers = [b["fields"]["payment_id"] for b in found.rules.blocks["payments"]]
    assert numbers == ["payment_id", {"concat": ["payment_id"], "suffix": "-fee"}]
    assert _parsed(_spec(source_yaml(found), timezone="UTC", currency="EUR")).blocks


def test_a_price_that_is_always_a_multiple_of_the_pieces_is_the_line_s_amount(tmp_path: Path, names: Names) -> None:
    header = "Order number,Order status,Order date,SKU,Quantity,Item price"

    def read(total: bool) -> str | None:
        cents = [1999, 2495, 3333, 1899, 4999, 2785, 1234, 5111, 2999, 3145, 2229, 1887]
        rows = [
            f"A-1000{n:02},Shipped,2026-05-01 10:{n:02}:00,SKU-{n},{q},{(q if total else 1) * c / 100:.2f}"
            for n, c in enumerate(cents)
            for q in (1 + n % 2 + n % 3 // 2,)
        ]
        return _fields(tmp_path / "orders.csv", names, header, rows)[0]["Item price"]

    assert read(total=True) == "list_amount"
    assert read(total=False) == "unit_price"


def test_a_column_that_only_counts_the_rows_is_no_quantity(tmp_path: Path, names: Names) -> None:
    def read(first: int) -> dict[str, str | None]:
        rows = [f"{n + first},A-10000{n},Shipped,2026-05-01 10:0{n}:00,SKU-{n},9.90" for n in range(8)]
        return _fields(tmp_path / "orders.csv", names, "Count,Order number,Order status,Order date,SKU,Order total", rows)[0]

    assert read(first=1)["Count"] is None
    assert read(first=5)["Count"] == "quantity"


ACCOUNT = "Order number,Order status,Order date,SKU,Goods amount,Freight,{},Amount payable"


def _account(of: tuple[str, ...], spoilt: bool = False, minus: bool = False) -> tuple[str, list[str]]:
    """An order list whose amount due is goods and freight less what these columns hold; `spoilt`: in two rows of three it is not."""
    rng = random.Random(4)
    rows = []
    for n in range(24):
        goods, freight = rng.randrange(2000, 9000), rng.choice((0, 600))
        less = [rng.choice((0, rng.randrange(50, 400))) for _ in of]
        due = goods + freight - sum(less) + (7 * (n % 3) if spoilt else 0)
        cells = [f"{(-c if minus else c) / 100:.2f}" for c in less]
        rows.append(f"A-1000{n:02},Shipped,2026-05-01 10:{n:02}:00,S-{n},{goods / 100},{freight / 100},{','.join(cells)},{due / 100:.2f}")
    return ACCOUNT.format(",".join(of)), rows


def test_what_is_taken_off_is_found_by_the_figures_and_added_up(tmp_path: Path, names: Names) -> None:
    """Two columns nobody would know by name and one the platform bears: the account of each row tells what they are."""
    of = ("Zork bonus", "Loyalty cut", "Platform voucher")
    fields, found = _fields(tmp_path / "orders.csv", names, *_account(of))
    assert [fields[c] for c in of] == [*["merchant_discount_amount"] * 2, "platform_discount_amount"]
    orders = found.rules.blocks["orders"][0]["fields"]
    assert orders["merchant_discount_amount"] == {"sum": ["merchant_discount_amount", "merchant_discount_amount_2"]}
    assert len(found.rules.blocks["discounts"]) == 3
    fields, _ = _fields(tmp_path / "orders.csv", names, *_account(of, spoilt=True))
    assert fields["Zork bonus"] is None and fields["Loyalty cut"] is None, "what adds up in a third of the rows is no account"


def test_discounts_written_with_a_minus_are_booked_as_what_they_take_off(tmp_path: Path, names: Names) -> None:
    _, found = _fields(tmp_path / "orders.csv", names, *_account(("Zork bonus", "Platform voucher"), minus=True))
    orders = found.rules.blocks["orders"][0]["fields"]
    assert orders["merchant_discount_amount"] == {"absolute": "merchant_discount_amount"}
    assert _parsed(_spec(source_yaml(found), timezone="UTC", currency="EUR")).blocks


def test_fees_kept_back_make_no_amount_due(tmp_path: Path, names: Names) -> None:
    fields, _ = _fields(tmp_path / "orders.csv", names, *_account(("Commission", "Zork bonus")))
    assert fields["Commission"] is None and fields["Zork bonus"] is None


def test_the_account_of_a_row_has_the_fewest_parts_that_make_it() -> None:
    rng = np.random.default_rng(1)
    values = {i: rng.integers(0, 3, 60) * rng.integers(1, 9000, 60) for i in range(10)}
    goods = rng.integers(30_000, 90_000, 60)
    values[20] = goods - values[1] - values[4] + values[7]
    values[20][5] += 13  # a refund
    assert find_due(values, [20], [goods], range(10)) == Due(20, {1: -1, 4: -1, 7: 1})
    twin = {**values, 8: values[4]}
    assert find_due(twin, [20], [goods], range(10)) is None, "nothing tells which of the two it is"
    values[20][:9] += 13
    assert find_due(values, [20], [goods], range(10)) is None, "it does not add up in enough rows"


def test_an_invoice_is_the_order_only_where_nothing_speaks_of_orders(tmp_path: Path, names: Names) -> None:
    rows = "".join(
        f"{number},SKU-{n},{n},2.50,2026-05-0{n} 10:00:00\n" for n, number in enumerate([536365, 536365, 536366, 536367], 1)
    )
    path = tmp_path / "sales.csv"
    path.write_text("Invoice No,Stock Code,Quantity,Unit Price,Invoice Date\n" + rows, encoding="utf-8")
    found = {c.column.name: c.field for c in suggest(path, names).reading.choices}
    assert found["Invoice No"] == "channel_order_id" and found["Stock Code"] == "sku"
    path.write_text(
        "Invoice No,Order No,Stock Code,Quantity,Unit Price,Order Date\n"
        + "".join(f"{n},A-{line}" for n, line in enumerate(rows.splitlines(True), 1))
    )
    found = {c.column.name: c.field for c in suggest(path, names).reading.choices}
    assert found["Order No"] == "channel_order_id" and found["Invoice No"] != "channel_order_id"


def test_what_the_goods_come_to_stands_in_for_an_amount_due_and_is_said_to(tmp_path: Path, names: Names) -> None:
    rows = "".join(f"A-10000{n // 2},Shipped,2026-05-01 10:0{n}:00,SKU-{n},{n + 1},2.50\n" for n in range(6))
    path = tmp_path / "orders.csv"
    path.write_text("Order number,Order status,Order date,SKU,Quantity,Unit price\n" + rows, encoding="utf-8")
    made = suggest(path, names)
    payable = made.rules.blocks["orders"][0]["fields"]["payable_amount"]
    assert payable == {"product": ["unit_price", "quantity"], "rounding": "half_up", "aggregate": "sum"}
    assert any("payable_amount" in remark for remark in made.rules.remarks)


@pytest.mark.parametrize(
    ("header", "cell", "currency"),
    [
        ("Order total (€)", "12.30", "EUR"),
        ("order_total_usd", "12.30", "USD"),
        ("实付金额(元)", "12.30", "CNY"),
        ("Order total", "US$12.30", "USD"),
        ("Order total", "12.30 zł", "PLN"),
        ("Order total", "$12.30", "?"),  # eleven countries write it so
        ("お支払い金額", "￥1230", "JPY"),
        ("实付金额", "￥1230", "CNY"),
    ],
)
def test_a_sign_or_a_code_tells_the_currency_where_it_means_one(
    tmp_path: Path, names: Names, header: str, cell: str, currency: str
) -> None:
    path = tmp_path / "file.csv"
    rows = [f"A{number},2026-03-0{number} 10:00:00,{cell}" for number in range(1, 9)]
    path.write_text("\n".join([f"Order ID,Order date,{header}", *rows]) + "\n", encoding="utf-8")
    assert suggest(path, names).top["currency"][0] == currency


def test_a_country_tells_the_currency_only_when_there_is_one(tmp_path: Path, names: Names) -> None:
    def currency(*countries: str) -> str:
        path = tmp_path / "orders.csv"
        rows = "".join(f"A-10000{n},Paid,2026-05-01,X{n},1,9.00,9.00,{c}\n" for n, c in enumerate(countries))
        path.write_text(
            "Order number,Order status,Order date,SKU,Quantity,Unit price,Order total,Ship country\n" + rows, encoding="utf-8"
        )
        return suggest(path, names).top["currency"][0]

    assert currency("Germany", "France", "DE") == "EUR"
    assert currency("US", "US", "CA") == "?"


def test_places_are_taken_out_of_an_address_that_begins_with_them(tmp_path: Path, names: Names) -> None:
    path = tmp_path / "orders.csv"
    lines = "".join(
        f"26050100000{n:04d},已发货,2026-05-01 10:{n:02d}:00,{n}.90,{place}\n"
        for n, place in enumerate(
            ["浙江省 杭州市 西湖区 文三路90号", "广东省 深圳市 南山区 科苑路15号", "上海 上海市 浦东新区 张江路3号"] * 4
        )
    )
    path.write_text("订单编号,订单状态,订单创建时间,应付金额,收货地址\n" + lines, encoding="utf-8")
    orders = yaml.safe_load(source_yaml(suggest(path, names)))["entities"]["orders"]["fields"]
    assert {n: "extract" in orders[n] for n in ("province", "city", "district")} == dict.fromkeys(
        ("province", "city", "district"), True
    )


def test_parts_without_a_number_and_blocks_without_fields_are_told_by_name(names: Names) -> None:
    spec = {"source": "x", "timezone": "UTC", "columns": {"a": ["A"], "b": ["B"]}, "signature": ["a"]}
    with pytest.raises(DictionaryError, match="`parts` of payments need a payment_id"):
        _parsed({**spec, "entities": {"payments": {"parts": {"net": "a", "of": {"fee": ["b"]}}, "fields": {"occurred_at": "a"}}}})
    with pytest.raises(DictionaryError, match="payments has no `fields`"):
        _parsed({**spec, "entities": {"payments": {"fields": None}}})


def test_times_with_the_month_in_letters_get_their_form(names: Names, tmp_path: Path) -> None:
    case = next(c for c in unseen.cases() if c.name == "ebay_orders")
    path = tmp_path / "sold.csv"
    path.write_text(case.text, encoding="utf-8")
    spec = yaml.safe_load(source_yaml(suggest(path, names)))
    assert spec["entities"]["orders"]["fields"]["created_at"] == {"from": "created_at", "format": "%b-%d-%y"}
