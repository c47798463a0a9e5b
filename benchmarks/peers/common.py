"""What the pandas and the Polars peer share: the codes of the formats, the keys' hashes, and the rules of the match.

The rules are written once for both: `orders` is anything whose attributes can be compared and combined with & and | (a pandas
frame with its columns, or Polars' expressions), and a condition on a missing value does not hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5, sha256
from typing import Any

TAOBAO_STATUS = {
    "等待买家付款": "pending_payment",
    "买家已付款，等待卖家发货": "paid",
    "卖家已发货，等待买家确认": "shipped",
    "交易成功": "completed",
    "交易关闭": "cancelled",
}
DOUYIN_STATUS = {
    "待支付": "pending_payment",
    "待发货": "paid",
    "已发货": "shipped",
    "已完成": "completed",
    "已关闭": "cancelled",
}
COURIERS = {"顺丰速运": "sf", "中通快递": "zto", "圆通速递": "yto", "韵达快递": "yunda", "京东快递": "jd"}
EVENTS = {"0": "in_transit", "1": "collected", "5": "out_for_delivery", "3": "delivered"}
#: Which event counts of several at the same second.
EVENT_RANK = {"in_transit": 1, "out_for_delivery": 2, "delivered": 8}
SHOPS = {"淘宝旗舰店": ("taobao", "main"), "抖音旗舰店": ("douyin", "main"), "Shopify US": ("shopify", "us")}
ALIPAY_KIND = {"退款（交易退款）": "refund", "收费": "fee", "提现": "payout"}
WECHAT_KIND = {"`交易": "receipt", "`退款": "refund", "`提现": "payout"}
ALIPAY_COLUMNS = ["账务流水号", "业务流水号", "商户订单号", "商品名称", "发生时间", "对方账号", "收入", "支出", "余额"]
ALIPAY_COLUMNS += ["交易渠道", "业务类型", "备注"]
PRODUCT = ("sku", "title", "category", "is_fresh", "is_special", "unit", "list_price", "cost")
FLAGS = ("is_fresh", "is_special")
ORDER_NUMBERS = ("channel_order_id", "platform_txn_id", "internal_order_id")

#: Orders' columns that hold money (whole cents while the peers work), counts (thousandths are published), instants.
MONEY = ("list_amount", "merchant_discount_amount", "platform_discount_amount", "freight_amount", "payable_amount")
MONEY += ("paid_amount", "refunded_amount", "deposit_amount", "amount", "due_amount", "amount_diff", "subsidy_diff_amount")
QUANTITIES = ("quantity", "item_quantity", "ordered_qty", "cancelled_qty", "shipped_qty", "delivered_qty", "returned_qty")
QUANTITIES += ("qty_diff",)
PRICES = ("unit_price", "list_price", "cost")
MATCHED = ("MATCHED", "MATCHED_WITHIN_TOLERANCE")
EXCEPTIONS = ("MISMATCH", "DUPLICATE_KEY", "UNMATCHED_SO", "UNMATCHED_LOG", "UNMATCHED_PAY")
AGES = ((1, "0-1"), (3, "2-3"), (7, "4-7"), (30, "8-30"), (60, "31-60"), (10**6, "60+"))


def guids(keys: Iterable[str]) -> list[str]:
    """The key of each order, from `channel|shop|number`."""
    found = (md5(key.encode(), usedforsecurity=False).hexdigest() for key in keys)
    return [f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}" for h in found]


def people(numbers: Iterable[str]) -> list[str]:
    """The key of each telephone number: the number itself is not published."""
    return [sha256(f"a key of this machine|phone|{number}".encode()).hexdigest() for number in numbers]


#: Cents by which amounts may differ.
TOLERANCE = 5


def rules(o: Any, now: Any) -> list[tuple[str, Any]]:
    """(verdict|reason, condition) in order, the first that holds decides; none: all three sides are equal. Money in cents."""
    cod, unpaid, gone = o.order_type == "cod", o.paid == 0, o.shipped > o.returned
    owed_back, over_refunded = o.paid - o.refunded > TOLERANCE, o.refunded - o.paid > TOLERANCE
    refunding = o.refunded > TOLERANCE
    no_goods_back = refunding & (o.returned == 0) & (o.refund_only == 0) & (o.cancelled == 0)
    no_goods_back = no_goods_back & (abs(o.paid - o.refunded - o.due) > TOLERANCE)
    arrived = cod & unpaid & (o.shipped > 0) & ((o.delivered >= o.shipped) | o.says_delivered)
    balance_open = (o.order_type == "presale") & (o.paid > 0) & (o.due - o.paid > TOLERANCE)
    return [
        ("DUPLICATE_KEY|duplicate_payment_key", o.is_duplicate),
        ("UNMATCHED_PAY|single_sided_long", ~o.has_order & o.has_movement),
        ("UNMATCHED_LOG|shipped_without_order", ~o.has_order),
        ("MISMATCH|shipped_after_cancel", o.is_closed & gone & o.left_after_close),
        ("TIMING|refund_in_progress", o.is_closed & owed_back & (o.cancel_until > now)),
        ("MISMATCH|cancelled_not_refunded", o.is_closed & owed_back),
        ("MISMATCH|refund_diff", o.is_closed & over_refunded),
        ("MATCHED|refund_only_price_concession", o.is_closed & gone & (o.refund_only > 0)),
        ("TIMING|return_in_progress", o.is_closed & gone & (o.return_until > now)),
        ("MISMATCH|refunded_not_returned", o.is_closed & gone),
        ("MATCHED|returned_refunded", o.is_closed & (o.returned > 0)),
        ("MATCHED|cancelled_unpaid", o.is_closed & unpaid),
        ("MATCHED|cancelled_refunded", o.is_closed),
        ("TIMING|payment_pending", ~o.says_paid & unpaid & (o.shipped == 0) & ~cod),
        ("TIMING|presale_balance_open", balance_open & (o.shipped == 0) & (o.refunded == 0)),
        ("TIMING|cod_in_remittance", arrived & (o.remitted_until > now)),
        ("MISMATCH|cod_not_remitted", arrived),
        ("TIMING|payment_file_pending", ~cod & unpaid & (o.bill_due > now)),
        ("UNMATCHED_SO|single_sided_short", ~cod & unpaid & ~o.has_shipment),
        ("MISMATCH|shipped_not_paid", ~cod & unpaid),
        ("MISMATCH|shipped_after_cancel", (o.shipped > o.net) & (o.shipped <= o.net + o.cancelled)),
        ("MISMATCH|quantity_over", o.shipped > o.net),
        ("MATCHED|cancelled_refunded", (o.refunded >= o.paid) & (o.refunded > 0) & (o.shipped == 0) & (o.paid > 0)),
        ("MISMATCH|paid_not_shipped", (o.shipped == 0) & (o.net > 0) & (o.ship_due <= now)),
        ("MISMATCH|quantity_short", (o.shipped < o.net) & ((o.ship_due <= now) | o.says_delivered)),
        ("TIMING|return_in_progress", (o.returned > 0) & (o.refunded == 0) & (o.refund_until > now)),
        ("MISMATCH|returned_not_refunded", (o.returned > 0) & (o.refunded == 0)),
        ("MISMATCH|refund_diff", refunding & (abs(o.refunded - o.refund_due) > TOLERANCE)),
        ("MISMATCH|refund_diff", over_refunded),
        ("TIMING|return_in_progress", no_goods_back & (o.return_until > now)),
        ("MISMATCH|refunded_not_returned", no_goods_back),
        ("MISMATCH|over_paid", (o.amount_diff > TOLERANCE) & (abs(o.amount_diff - o.refunded) > TOLERANCE)),
        ("TIMING|awaiting_shipment", cod & unpaid & (o.shipped < o.net)),
        ("TIMING|in_transit", cod & unpaid),
        ("TIMING|payment_file_pending", (o.amount_diff < -TOLERANCE) & (o.bill_due > now)),
        ("MISMATCH|under_paid", o.amount_diff < -TOLERANCE),
        ("MISMATCH|subsidy_diff", abs(o.subsidy_diff) > TOLERANCE),
        ("TIMING|awaiting_shipment", o.shipped < o.net),
        ("TIMING|in_transit", (o.delivered < o.shipped - o.returned) & ~o.says_delivered & (o.transit_until > now)),
        ("MISMATCH|not_delivered", (o.delivered < o.tracked - o.returned) & ~o.says_delivered),
        ("TIMING|return_in_progress", o.is_open & (o.return_until > now)),
        ("MATCHED|returned_refunded", refunding & (o.returned > 0)),
        ("MATCHED|refund_only_price_concession", refunding & (o.refund_only > 0)),
        ("MATCHED_WITHIN_TOLERANCE|tolerance", (o.amount_diff != 0) & (abs(o.amount_diff) <= TOLERANCE)),
    ]
