"""Files to try `channel suggest` on: every source of the dictionary as its platform writes it, and what each column truly feeds."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as default
from datetime import datetime, timedelta
from pathlib import Path

from orders_pipeline.dictionary.model import Dictionary, Source, canonical_header
from orders_pipeline.dictionary.rules import own_handles, rule_handles
from orders_pipeline.ingest.recognise import bind

ROWS = 36
#: Fields that a source makes of several columns where its file numbers nothing.
MADE_UP = frozenset({"payment_id", "movement_id", "return_id", "outbound_id"})
#: What stands beside a word for money that goes out.
_OPPOSITES = {
    "支出": "收入",
    "支": "收",
    "出": "入",
    "出账": "入账",
    "付款": "收款",
    "减少": "增加",
    "扣款": "入账",
    "debit": "Credit",
}
#: A wall clock without a zone, as the files have it.
_START = datetime.fromisoformat("2026-05-01T00:00:00")


@dataclass(frozen=True)
class Truth:
    """One file and its true map. `feeds`: column index -> fields. `selects`: columns that only pick rows or a sign.

    `elsewhere`: what the platform's other files make of a column with this very name. `numbering`: columns of which, together with
    others, a number is made that the file does not have; `roles`: columns of money in or out, or of the words that say which.
    """

    name: str
    source: Source
    header: tuple[str, ...]
    feeds: Mapping[int, frozenset[str]]
    selects: Mapping[int, frozenset[str]]
    elsewhere: Mapping[int, frozenset[str]] = default(default_factory=dict)
    numbering: Mapping[int, frozenset[str]] = default(default_factory=dict)
    roles: Mapping[int, str] = default(default_factory=dict)

    @property
    def entities(self) -> frozenset[str]:
        return frozenset(b.entity for b in self.source.blocks)


def truth_of(name: str, source: Source, header: Sequence[str]) -> Truth:
    """What the columns of a header feed by the source's own description."""
    bound = bind(source, [canonical_header(h) for h in header])
    feeds: dict[int, set[str]] = {}
    numbering: dict[int, set[str]] = {}
    selects: dict[int, set[str]] = {}
    roles: dict[int, str] = {}
    for block in source.blocks:
        fixed = {f for f, rule in block.fields.items() if "value" in rule}
        for field, rule in block.fields.items():
            into = numbering if field in MADE_UP and "concat" in rule else feeds
            for handle in made_of(rule):
                if handle in bound:
                    into.setdefault(bound[handle], set()).add(field)
        roles |= {bound[h]: role for h, role in _roles(block.fields.get("amount") or {}) if h in bound}
        for handle in _asked(block.where):
            if handle in bound:
                selects.setdefault(bound[handle], set()).update(fixed | {"kind", "status", "amount"})
    for key, field in (("shop", "shop_id"), ("account", "account")):
        handle = (source.get(key) or {}).get("from")
        if handle in bound:
            feeds.setdefault(bound[handle], set()).add(field)
    for handle in _asked(source.get("leave_out") or {}):
        if handle in bound:
            selects.setdefault(bound[handle], set()).update({"kind", "status", "raw_status"})

    def frozen(found: Mapping[int, set[str]]) -> dict[int, frozenset[str]]:
        return {i: frozenset(f) for i, f in found.items()}

    return Truth(name, source, tuple(header), frozen(feeds), frozen(selects), numbering=frozen(numbering), roles=roles)


def _roles(rule: Mapping) -> Iterator[tuple[str, str]]:
    """Columns of what came in, of what went out, and of the words that say which."""
    for role in ("credit", "debit"):
        given = rule.get(role) or ()
        yield from ((h, role) for h in ([given] if isinstance(given, str) else given))
    stated = ((rule.get("parts") or {}).get("net") or {}).get("sign") or rule.get("sign") or {}
    for handle, words in (stated.get("minus") or {}).items():
        if any(str(w).casefold() in _OPPOSITES for w in ([words] if isinstance(words, str) else words)):
            yield handle, "direction"


def made_of(rule: Mapping) -> Iterator[str]:
    """The columns a rule makes its value of; those that only decide whether it applies are not among them."""
    yield from own_handles(rule)
    if "otherwise" in rule:
        yield from made_of(rule["otherwise"])


def _asked(where: Mapping | Sequence[Mapping]) -> Iterator[str]:
    """The columns a condition (or one of several) looks at."""
    if isinstance(where, list):
        for one in where:
            yield from _asked(one)
        return
    for key, value in where.items():
        if key == "not":
            yield from _asked(value)
        elif key == "matches":
            yield from value
        elif key in ("present", "absent", "nonzero"):
            yield from [value] if isinstance(value, str) else value
        else:
            yield key


def truths(dictionary: Dictionary, headers: Mapping[str, Sequence[str]]) -> Iterator[Truth]:
    """Every case, with what the platform's other files say of the same header: a line file's time of order is no stranger."""
    sources = [s for s in dictionary.sources.values() if not s.is_standard and not s.ignore]
    for truth in _cases(dictionary, headers):
        meant: dict[int, frozenset[str]] = {}
        for other in sources:
            if family(other) == family(truth.source) and other is not truth.source:
                for index, fields in truth_of(truth.name, other, truth.header).feeds.items():
                    meant[index] = meant.get(index, frozenset()) | fields
        yield replace(truth, elsewhere=meant)


def _cases(dictionary: Dictionary, headers: Mapping[str, Sequence[str]]) -> Iterator[Truth]:
    """A case for every header list that is a source's, and for every source without one a header of its own columns."""
    covered = set()
    for name, header in headers.items():
        source = _source_of(dictionary, header)
        if source is not None:
            covered.add(source.name)
            yield truth_of(name, source, header)
    for source in dictionary.sources.values():
        if not source.is_standard and not source.ignore and source.name not in covered:
            header = [aliases[0] for aliases in source.columns.values()]
            yield truth_of(source.name, source, header)


def _source_of(dictionary: Dictionary, header: Sequence[str]) -> Source | None:
    from orders_pipeline.ingest.recognise import fits

    names = [canonical_header(h) for h in header]
    best: tuple[int, int, Source | None] = (0, 0, None)
    for source in dictionary.sources.values():
        if source.is_standard or source.ignore:
            continue
        bound = bind(source, names)
        if fits(source, bound) and (len(set(bound.values())), len(source.signature)) > best[:2]:
            best = (len(set(bound.values())), len(source.signature), source)
    return best[2]


def family(source: Source) -> str:
    """Files of one platform: `taobao_orders` and `taobao_order_lines`, whose headers share words no other platform uses."""
    return source.name.split("_", 1)[0]


def write_file(truth: Truth, path: Path, seed: int = 5) -> None:
    """The file with rows as platforms write them."""
    rng = random.Random(f"{truth.name}{seed}")
    english = not any(re.search(r"[\u4e00-\u9fff]", h) for h in truth.header)
    vocabulary = {i: _words_of(truth, i) for i in (*truth.feeds, *truth.numbering, *truth.selects)}
    with path.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(truth.header)
        grouped = any(b.rows == "group" or b.entity == "order_lines" for b in truth.source.blocks)
        settled = _settled(truth)
        number = 0
        while number < ROWS:
            order = Order(rng, english)
            for place in range(rng.choice((1, 1, 2, 3)) if grouped else 1):
                line = order.line()
                cells = [
                    _cell(truth, i, h, order, line, vocabulary.get(i, ()), grouped and place) for i, h in enumerate(truth.header)
                ]
                if settled:
                    _write_parts(settled, cells, order, line)
                _write_shares(truth, cells, order)
                _write_one_way(truth, cells, order, line)
                out.writerow(cells)
                number += 1


def _settled(truth: Truth) -> tuple[int, dict[int, str]] | None:
    """The column of the net and the kind of each of its parts, of a source whose rows carry several amounts."""
    bound = bind(truth.source, [canonical_header(h) for h in truth.header])
    kinds: dict[int, str] = {}
    net = None
    for block in truth.source.blocks:
        parts = (block.fields.get("amount") or {}).get("parts")
        if parts and parts["net"] and set(rule_handles(parts["net"])) & bound.keys():
            net = net or next(bound[h] for h in rule_handles(parts["net"]) if h in bound)
            handle = block.fields["amount"]["from"]
            if handle in bound:
                kinds.setdefault(bound[handle], block.fields["kind"]["value"])
    return (net, {i: k for i, k in kinds.items() if i != net}) if net is not None and len(kinds) > 1 else None


def _write_parts(settled: tuple[int, dict[int, str]], cells: list[str], order: Order, line: Mapping) -> None:
    """Amounts of a row that make its net: what came in, less what was kept back."""
    net, kinds = settled
    total = 0
    for place, (index, kind) in enumerate(kinds.items()):
        cents = order.rng.randrange(10, 900) if order.rng.random() < 0.5 else 0
        if place == 0:
            cents = round(line["payable"] * 100)
        cents = -cents if kind in ("fee", "refund") else cents
        total += cents
        cells[index] = f"{cents / 100:.2f}"
    cells[net] = f"{total / 100:.2f}"


def _write_shares(truth: Truth, cells: list[str], order: Order) -> None:
    """Of a discount that is the sum of several columns each holds a share, so that the row's amounts add up."""
    bound = bind(truth.source, [canonical_header(h) for h in truth.header])
    for block in truth.source.blocks:
        for field in ("merchant_discount_amount", "platform_discount_amount"):
            rule = block.fields.get(field) or {}
            columns = [bound[h] for h in rule.get("sum", ()) if h in bound]
            if len(columns) < 2 or "less" in rule or block.entity == "order_lines":
                continue
            left = round(float(cells[columns[0]]) * 100)
            for index in columns[1:]:
                share = order.rng.randrange(left + 1)
                cells[index], left = f"{share / 100:.2f}", left - share
            cells[columns[0]] = f"{left / 100:.2f}"


def _write_one_way(truth: Truth, cells: list[str], order: Order, line: Mapping) -> None:
    """Of a column for what came in and one for what went out each row fills one."""
    ways = {role: [i for i, r in truth.roles.items() if r == role] for role in ("credit", "debit")}
    if not (ways["credit"] and ways["debit"]):
        return
    came = order.rng.random() < 0.7
    for index in (*ways["credit"], *ways["debit"]):
        cells[index] = "0.00" if truth.source.get("currency") == "CNY" else ""
    if "quantity" in truth.feeds.get(ways["credit"][0], ()):
        cells[ways["credit" if came else "debit"][0]] = str(line["quantity"])
    else:
        cells[ways["credit" if came else "debit"][0]] = f"{line['payable'] if came else order.rng.randrange(10, 900) / 100:.2f}"


def _words_of(truth: Truth, index: int) -> tuple[str, ...]:
    """The words the source itself knows in a column: what the platform writes there."""
    bound = bind(truth.source, [canonical_header(h) for h in truth.header])
    handles = {h for h, i in bound.items() if i == index}
    found: dict[str, None] = {}
    for block in truth.source.blocks:
        for rule in block.fields.values():
            if handles & set(rule_handles(rule)):
                found.update(dict.fromkeys(map(str, rule.get("map") or ())))
            for case in rule.get("first_match", ()):
                for key, words in (case.get("when") or {}).items():
                    if key in handles:
                        found.update(dict.fromkeys([words] if isinstance(words, str) else map(str, words)))
                    elif key == "matches":
                        for pattern in (str(p) for h, p in words.items() if h in handles):
                            found.update(dict.fromkeys(w for w in pattern.split("|") if not re.search(r"[\\.*+?^$()\[\]]", w)))
    for where in [b.where for b in truth.source.blocks]:
        for key, words in where.items():
            if key in handles:
                found.update(dict.fromkeys([words] if isinstance(words, str) else map(str, words)))
    if truth.roles.get(index) == "direction":
        return _ways(truth, handles) or tuple(found)
    return tuple(found)[:12]


def _ways(truth: Truth, handles: set[str]) -> tuple[str, ...]:
    """The pair of words of a column that says whether money came or went."""
    for block in truth.source.blocks:
        rule = block.fields.get("amount") or {}
        minus = (((rule.get("parts") or {}).get("net") or {}).get("sign") or rule.get("sign") or {}).get("minus") or {}
        for handle in handles & minus.keys():
            listed = [minus[handle]] if isinstance(minus[handle], str) else list(map(str, minus[handle]))
            for word in listed:
                if word.casefold() in _OPPOSITES:
                    return word, _OPPOSITES[word.casefold()]
    return ()


class Order:
    """Facts of one order, so that its cells agree with one another."""

    def __init__(self, rng: random.Random, english: bool) -> None:
        self.rng, self.english = rng, english
        start = _START + timedelta(seconds=rng.randrange(40 * 86400))
        self.created, self.paid = start, start + timedelta(seconds=rng.randrange(5, 1800))
        self.shipped = self.paid + timedelta(hours=rng.randrange(3, 60))
        self.done = self.shipped + timedelta(hours=rng.randrange(30, 200))
        self.number = str(rng.randrange(10**17, 9 * 10**17))
        self.buyer = rng.randrange(10**6)
        self.stage = rng.choice((1, 2, 3, 3, 3))
        self.place = rng.choice(_PLACES_EN if english else _PLACES)

    def line(self) -> dict[str, float | int | str]:
        """Amounts of one line that add up."""
        rng = self.rng
        quantity = rng.choice((1, 1, 1, 2, 3))
        price = rng.randrange(990, 39900) / 100
        listed = round(price * quantity, 2)
        merchant = round(listed * rng.choice((0, 0, 0.1, 0.05)), 2)
        platform = round(listed * rng.choice((0, 0, 0.08)), 2)
        freight = rng.choice((0, 0, 0, 8.0, 12.0))
        return {
            "quantity": quantity, "price": price, "listed": listed, "merchant": merchant, "platform": platform, "freight": freight,
            "payable": round(listed - merchant - platform + freight, 2), "sku": f"{rng.choice('ABKT')}{rng.randrange(100, 140)}-{rng.choice('SML')}",
            "title": rng.choice(_TITLES_EN if self.english else _TITLES), "sub": str(rng.randrange(10**17, 9 * 10**17)),
        }  # fmt: skip


_PLACES = (("浙江省", "杭州市", "西湖区", "文三路90号5幢"), ("广东省", "深圳市", "南山区", "科技园科苑路15号"), ("江苏省", "苏州市", "工业园区", "星湖街218号"), ("上海", "上海市", "浦东新区", "张江路368号"))  # fmt: skip
_PLACES_EN = (
    ("CA", "Los Angeles", "", "12 Sunset Blvd"),
    ("NY", "New York", "", "350 5th Ave"),
    ("TX", "Austin", "", "98 San Jacinto Blvd"),
)
_TITLES = ("纯棉短袖T恤男夏季新款宽松", "不锈钢保温杯大容量500ml", "儿童书包小学生减负护脊", "厨房置物架落地多层收纳")
_TITLES_EN = ("Organic Cotton T-Shirt, black", "Insulated Steel Bottle 500 ml", "Kids Backpack - Blue", "Oak Kitchen Shelf")
_COURIERS = ("顺丰速运", "中通快递", "圆通速递", "韵达快递")
#: What a column holds that also goes into a sum: the sum is another column's.
_RATHER = frozenset({"unit_price", "quantity", "merchant_discount_amount", "platform_discount_amount", "freight_amount"})
_FORMAT = "%Y-%m-%d %H:%M:%S"


def _cell(truth: Truth, index: int, header: str, order: Order, line: Mapping, words: Sequence[str], later: int) -> str:
    fields = truth.feeds.get(index, frozenset())
    if words:
        return order.rng.choice(words)
    for field in sorted(fields & _MADE.keys(), key=lambda f: (f not in _RATHER, f)):
        made = _MADE[field](order, line)
        if made is not None:
            return _styled(truth, header, made)
    if fields & {"amount", "refund_amount"}:
        return (
            f"{line['payable']:.2f}"
            if order.rng.random() < 0.8 or "amount" not in fields
            else f"{order.rng.randrange(100, 900) / 100:.2f}"
        )
    return _other(header, order, line)


def _styled(truth: Truth, header: str, value: object) -> str:
    if isinstance(value, datetime):
        if truth.source.timezone == "declared":
            return value.strftime("%Y-%m-%d %H:%M:%S") + " +0800"
        return value.strftime(_FORMAT)
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def _phone(order: Order, line: Mapping) -> str:
    return (
        f"1{order.rng.choice('3578')}{order.rng.randrange(10)}****{order.rng.randrange(10**4):04d}"
        if not order.english
        else f"+1 555-0{order.rng.randrange(100, 199)}"
    )


def _when(order: Order, name: str, stage: int):
    return getattr(order, name) if order.stage >= stage else ""


_MADE = {
    "channel_order_id": lambda o, n: o.number,
    "sub_order_id": lambda o, n: n["sub"],
    "internal_order_id": lambda o, n: f"SO{o.number[:12]}",
    "platform_txn_id": lambda o, n: "2026" + o.number + "14",
    "payment_id": lambda o, n: "42000" + str(n["sub"]),
    "outbound_id": lambda o, n: "CK" + o.number[:13],
    "return_id": lambda o, n: "7" + str(n["sub"]),
    "waybill_id": lambda o, n: "SF" + o.number[:13],
    "return_waybill_id": lambda o, n: "YT" + o.number[:13] if o.stage > 2 else "",
    "movement_id": lambda o, n: "MV" + o.number[:10],
    "sku": lambda o, n: n["sku"],
    "product_title": lambda o, n: n["title"],
    "title": lambda o, n: n["title"],
    "quantity": lambda o, n: n["quantity"],
    "item_quantity": lambda o, n: n["quantity"],
    "unit_price": lambda o, n: n["price"],
    "created_at": lambda o, n: o.created,
    "paid_at": lambda o, n: _when(o, "paid", 1),
    "shipped_at": lambda o, n: _when(o, "shipped", 2),
    "completed_at": lambda o, n: _when(o, "done", 3),
    "occurred_at": lambda o, n: o.paid,
    "requested_at": lambda o, n: o.done,
    "approved_at": lambda o, n: o.done + timedelta(hours=3),
    "refunded_at": lambda o, n: o.done + timedelta(hours=30),
    "received_at": lambda o, n: o.done + timedelta(hours=90),
    "counted_at": lambda o, n: _START + timedelta(days=41, hours=9),
    "cancelled_at": lambda o, n: "" if o.rng.random() < 0.9 else o.paid,
    "promised_ship_at": lambda o, n: o.paid + timedelta(hours=48),
    "promised_delivery_at": lambda o, n: o.paid + timedelta(days=5),
    "merchant_discount_amount": lambda o, n: float(n["merchant"]),
    "platform_discount_amount": lambda o, n: float(n["platform"]),
    "freight_amount": lambda o, n: float(n["freight"]),
    "payable_amount": lambda o, n: float(n["payable"]),
    "paid_amount": lambda o, n: float(n["payable"]),
    "list_amount": lambda o, n: float(n["listed"]),
    "refunded_amount": lambda o, n: 0.0 if o.rng.random() < 0.85 else float(n["payable"]),
    "currency": lambda o, n: "USD" if o.english else "CNY",
    "buyer_phone": _phone,
    "buyer_name": lambda o, n: (
        ("Jane Doe", "John Roe", "Ann Lee")[o.buyer % 3] if o.english else ("张*", "李**", "王**")[o.buyer % 3]
    ),
    "buyer_account": lambda o, n: f"user{o.buyer}@example.com" if o.english else f"tb{o.buyer}",
    "country": lambda o, n: "US" if o.english else "CN",
    "province": lambda o, n: o.place[0],
    "city": lambda o, n: o.place[1],
    "district": lambda o, n: o.place[2],
    "address": lambda o, n: o.place[3] if o.english else f"{o.place[0]} {o.place[1]} {o.place[2]} {o.place[3]}",
    "buyer_note": lambda o, n: "" if o.rng.random() < 0.8 else ("please ring" if o.english else "尽快发货"),
    "seller_note": lambda o, n: "" if o.rng.random() < 0.9 else ("vip" if o.english else "老客户送小礼物"),
    "warehouse_id": lambda o, n: ("PHX7", "ONT8")[o.buyer % 2] if o.english else ("杭州一仓", "东莞仓")[o.buyer % 2],
    "courier_code": lambda o, n: ("UPS", "USPS", "FedEx")[o.buyer % 3] if o.english else _COURIERS[o.buyer % 4],
    "shop_id": lambda o, n: "淘宝旗舰店",
    "account": lambda o, n: "1900001109",
    "on_hand_qty": lambda o, n: o.rng.randrange(0, 900),
    "frozen_qty": lambda o, n: o.rng.randrange(0, 9),
    "damaged_qty": lambda o, n: o.rng.randrange(0, 5),
    "quality_control_qty": lambda o, n: o.rng.randrange(0, 8),
    "safety_stock_qty": lambda o, n: o.rng.choice((10, 20, 50)),
    "refund_amount": lambda o, n: float(n["payable"]),
    "counterparty": lambda o, n: f"payer{o.buyer}@example.com" if o.english else f"138****{o.buyer % 10000:04d}",
    "location": lambda o, n: o.place[1],
    "line_no": lambda o, n: n["quantity"],
    "business_on": lambda o, n: o.paid.strftime("%Y-%m-%d"),
    "buyer_ref": lambda o, n: f"{o.buyer:032x}",
    "visitor_id": lambda o, n: f"{o.buyer:016x}",
    "postcode": lambda o, n: f"{o.buyer % 100000:05d}",
    "latitude": lambda o, n: f"-23.{o.buyer}",
    "longitude": lambda o, n: f"-46.{o.buyer}",
    "score": lambda o, n: o.rng.randrange(1, 6),
    "review_id": lambda o, n: f"{o.buyer:032x}",
    "review_text": lambda o, n: "muito bom",
    "review_title": lambda o, n: "recomendo",
    "answered_at": lambda o, n: o.done,
    "weight_grams": lambda o, n: o.rng.randrange(100, 3000),
    "category": lambda o, n: ("beleza_saude", "informatica", "esporte_lazer")[o.buyer % 3],
    "label_en": lambda o, n: ("health_beauty", "computers", "sports_leisure")[o.buyer % 3],
    "reason": lambda o, n: ("7天无理由", "质量问题", "拍错/多拍")[o.buyer % 3],
    "disposition": lambda o, n: ("SELLABLE", "CUSTOMER_DAMAGED", "DEFECTIVE")[o.buyer % 3],
    "close_reason": lambda o, n: "" if o.stage else "买家不想要了",
}


def _other(header: str, order: Order, line: Mapping) -> str:
    """A cell of a column nobody maps, or of a field without a maker: what its name promises, often blank."""
    rng, text = order.rng, header.lower()

    def says(pattern: str) -> bool:
        return re.search(pattern, text) is not None

    if says("是否|^is[- ]|accepts|requires|taxable|exists|whether"):
        return rng.choice(("Yes", "No") if order.english else ("是", "否"))
    if says("率|rate$|比例|占比"):
        return "0.60%"
    if says("时间|日期|date|time$| at$|_at$|created|posted"):
        return "" if rng.random() < 0.3 else order.done.strftime(_FORMAT)
    if says(
        "金额|费|价|优惠|折扣|抵扣|补贴|款$|收入|支出|成本|税|实付|应付|amount|price|tax|fee|total|cost|discount|gross|net|credits|rebates|balance|余额|结余|value|佣金|分成|分账|垫资|红包|合计"
    ):
        return "0.00" if rng.random() < 0.5 else f"{rng.randrange(10, 9000) / 100:.2f}"
    if says("手机|电话|phone"):
        return _phone(order, line)
    if says("链接|图片|url"):
        return "https://img.example.com/1.jpg"
    if says("备注|留言|说明|note|memo|comment|描述|description"):
        return "" if rng.random() < 0.7 else rng.choice(("handle with care", "vip") if order.english else ("加急", "老客户"))
    if says("状态|类型|方式|渠道|场景|status|type|method|kind|category|disposition|分类|类目"):
        return rng.choice(("standard", "express", "other") if order.english else ("普通", "其他", "在线支付"))
    if says("数|库存|量|积分|quantity|qty|units|件数|天$"):
        return str(rng.randrange(0, 30))
    if says(r"id|编号|单号|号$|编码|码|asin|sku|number|no\.?$"):
        return str(rng.randrange(10**9, 10**12))
    if says("名|昵称|标题|name|title|商品|货品|规格|品牌|人$"):
        return rng.choice(_TITLES_EN if order.english else _TITLES)
    return "" if rng.random() < 0.6 else rng.choice(("A", "B", "other") if order.english else ("甲", "乙", "默认"))
