"""Three orders in a row paid and not created: the channel's files wait, everybody else's are taken (C7)."""

from __future__ import annotations

from datetime import timedelta

from orders_pipeline import cli
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import query, run

SOON = AS_OF + timedelta(minutes=30)


def paid_not_created(home: Home, count: int = 3, known: bool = False) -> None:
    book = Book()
    for number in range(count):
        book.pay(f"LOST{number}", "50.00", age=2 - number / 10)
    if known:
        # A payment of a known order stands between the first and the second.
        book.order("O1", "10.00", age=3, paid_at=ago(1.95))
        book.pay("O1", "10.00", age=1.95)
    book.land(home)
    run(home, AS_OF)


def held(home: Home) -> list[tuple]:
    return query(home, "SELECT channel, missing_count FROM reconciliation.channel_holds")


def orders_of(channel: str, *numbers: str, home: Home) -> None:
    book = Book(channel)
    for number in numbers:
        book.order(number, "50.00", age=2, paid_at=ago(2))
    book.land(home, f"{channel}-{numbers[0]}-")


def known(home: Home) -> set[str]:
    return {number for (number,) in query(home, "SELECT channel_order_id FROM orders.orders")}


def test_new_files_of_the_channel_wait_and_others_run_on(home: Home) -> None:
    paid_not_created(home)
    assert held(home) == [("taobao", 3)]
    assert query(home, "SELECT severity FROM ops.alerts WHERE rule = 'channel_held' AND cleared_at IS NULL") == [("critical",)]
    orders_of("taobao", "NEW1", home=home)
    orders_of("douyin", "D1", home=home)
    done = run(home, SOON)
    assert known(home) == {"D1"}
    assert [path for path, _ in done.intake.waiting] == ["taobao-NEW1-orders.csv"]
    ((path, reason),) = query(home, "SELECT path, reason FROM ops.files WHERE status = 'held'")
    assert path == "taobao-NEW1-orders.csv"
    assert "taobao are paid and not created" in reason


def test_a_file_with_a_missing_order_is_taken_and_ends_the_hold(home: Home) -> None:
    paid_not_created(home)
    orders_of("taobao", "NEW1", home=home)
    run(home, SOON)
    orders_of("taobao", "LOST0", "LOST1", home=home)
    run(home, SOON)
    assert (held(home), known(home)) == ([], {"LOST0", "LOST1"})
    assert query(home, "SELECT count(*) FROM ops.alerts WHERE rule = 'channel_held' AND cleared_at IS NULL") == [(0,)]
    run(home, SOON)
    assert known(home) == {"LOST0", "LOST1", "NEW1"}
    assert query(home, "SELECT count(*) FROM ops.files WHERE status = 'held'") == [(0,)]


def test_a_person_releases_it_in_the_same_run(home: Home) -> None:
    paid_not_created(home)
    orders_of("taobao", "NEW1", home=home)
    run(home, SOON)
    words = ["channel", "release", "taobao", "--by", "li.na", "--why", "interface mended", "--at", AS_OF.isoformat()]
    assert cli.main([*words, "--home", str(home.root)]) == 0
    run(home, SOON)
    assert (held(home), known(home)) == ([], {"NEW1"})


def test_two_in_a_row_hold_nothing(home: Home) -> None:
    paid_not_created(home, 2)
    assert held(home) == []


def test_three_with_a_known_order_between_hold_nothing(home: Home) -> None:
    paid_not_created(home, 3, known=True)
    assert held(home) == []


def test_bill_and_orders_landing_together_hold_nothing(home: Home) -> None:
    orders_of("taobao", "LOST0", "LOST1", "LOST2", home=home)
    paid_not_created(home)
    assert held(home) == []


def test_an_old_gap_is_no_stopped_interface(home: Home) -> None:
    paid_not_created(home)
    run(home, AS_OF + timedelta(days=8))
    assert held(home) == []
    orders_of("taobao", "NEW1", home=home)
    run(home, AS_OF + timedelta(days=8))
    assert known(home) == {"NEW1"}
