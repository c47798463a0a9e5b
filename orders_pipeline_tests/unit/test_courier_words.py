"""What couriers write, in standard words: the kinds of final signature, and all that only looks like one."""

from __future__ import annotations

import duckdb
import pytest

from orders_pipeline.dictionary.model import FOLDER, load_dictionary, read_yaml
from orders_pipeline.kernel.sqltext import literal

DICTIONARY = load_dictionary()
#: Twelve kinds of final signature: own, family, colleague, neighbour, gatekeeper, reception, property management, mail room,
#: at the door, somebody else, fetched from a locker, fetched at a station. A locker's or station's own signature is none.
WORDINGS = {
    "delivered": (
        "本人签收",
        "已签收，签收人：本人",
        "快件已签收，签收人是【家人】",
        "您的快件已由同事代收",
        "邻居代签收",
        "门卫代签收",
        "已放至前台，前台代收",
        "物业代收",
        "保安室代收",
        "单位收发室签收",
        "已放门口",
        "快件已放至家门口",
        "他人代收",
        "已妥投",
        "客户已自提",
        "凭取件码已取件，已签收",
        "您的快递已签收, 签收人在【丰巢的示例丰巢柜2号柜(丰巢智能快递柜)】领取。",
        "快件已从丰巢柜取出",
        "您的快件已签收，签收人凭取货码签收，感谢使用",
        "您已在北京完成取件,感谢使用菜鸟驿站,期待再次为您服务",
        "Delivered, left at front door",
        "Picked up by customer at the pickup point",
        "Signed for by: J DOE",
    ),
    "awaiting_pickup": (
        "快件已被【丰巢的示例丰巢柜】代收，请及时取件",
        "快件已暂存至菜鸟驿站，请凭取件码取件",
        "已投递至妈妈驿站",
        "快递柜或驿站签收",
        "快递柜签收",
        "驿站签收",
        "丰巢签收",
        "已签收(丰巢)",
        "投柜签收",
        "已签收，签收人：菜鸟驿站",
        "派送成功，快件由【快递超市】代收",
        "便利店代收",
        "自提点代收",
        "您的快件已送达【兔喜生活】驿站",
        "已投柜",
        "Delivered to locker, ready for pickup",
        "Available for pickup at post office",
        "Delivered to parcel locker",
    ),
    "returned_to_sender": (
        "退回签收",
        "退件签收，签收人：仓库",
        "退件已签收",
        "退回件已签收",
        "快件已退回寄件人签收",
        "寄件人已签收",
        "退回件已被寄件人签收",
        "仓库签收",
        "Returned to sender",
        "Delivered to original sender",
        "您的快件已退回，商家已签收",
    ),
    "returning": (
        "快件正在退回途中",
        "客户要求退回，退回中",
        "收件人拒收，快件退回",
        "超时未取，快件退回",
        "Return to sender initiated",
        "Your package is being returned to the sender",
    ),
    "refused": (
        "收件人拒收",
        "客户拒签",
        "拒绝签收",
        "快件派送不成功（收件人拒收）",
        "Not delivered: refused by recipient",
    ),
    "exception": (
        "疑难件：签收有误，快件异常",
        "快件被误签，正在核实",
        "快递柜超时未取",
        "无人签收，稍后再派",
        "派件异常，客户无人签收",
        "快件破损",
        "快件滞留在网点",
        "Delivery attempted, recipient not available",
        "Undelivered",
    ),
    "out_for_delivery": (
        "已联系收件人，预约明天签收",
        "快件正在派送，请准备签收",
        "【示例网点】的王*正在第1次派件, 请保持电话畅通,并耐心等待",
        "未签收",
        "Out for delivery",
    ),
    "in_transit": (
        "快件到达【上海】",
        "快件已离开【上海】，发往【北京】",
        "Arrived at facility",
    ),
    "collected": (
        "包裹已揽收",
        "Picked up",
        "Shipment picked up by carrier",
    ),
    "lost": (
        "快件遗失",
    ),
    "label_created": (
        "商品已经下单",
    ),
}


@pytest.fixture(scope="module")
def said() -> dict[str, str | None]:
    """Wording -> what the patterns make of it, in the order in which they are tried."""
    cases = " ".join(
        f"WHEN regexp_matches(text, {literal(w['pattern'])}) THEN {literal(w['status'])}" for w in DICTIONARY.courier_words
    )
    texts = [text for group in WORDINGS.values() for text in group]
    rows = duckdb.execute(f"SELECT text, CASE {cases} END FROM (SELECT unnest($texts) AS text)", {"texts": texts}).fetchall()
    return dict(rows)


@pytest.mark.parametrize("status", WORDINGS)
def test_the_most_telling_words_decide(status: str, said: dict[str, str | None]) -> None:
    assert {text: said[text] for text in WORDINGS[status]} == dict.fromkeys(WORDINGS[status], status)


def test_codes_and_wordings_give_statuses_of_the_vocabulary() -> None:
    known = set(DICTIONARY.vocabularies["parcel_status"]) - {"unmapped"}
    providers = read_yaml(FOLDER / "vocabularies" / "courier_status.yml")["providers"]
    for provider, codes in providers.items():
        assert set(codes.values()) <= known, provider
        assert all(isinstance(code, str) for code in codes), f"{provider}: quote the codes that are numbers"
    assert {w["status"] for w in DICTIONARY.courier_words} <= known


def test_one_number_means_different_things_at_two_services() -> None:
    providers = read_yaml(FOLDER / "vocabularies" / "courier_status.yml")["providers"]
    for code in ("201", "202"):
        assert providers["kuaidi100"][code] != providers["kdniao"][code]
    assert providers["kuaidi100"]["304"] == providers["kdniao"]["311"] == "awaiting_pickup"
