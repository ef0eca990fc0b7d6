"""What stands where buyers look is what the shop's tags are: after repeats, in any order, and through every fault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from urllib.parse import unquote, urlsplit

import pytest
from builders import SHARDS, SHOP
from tags import BAD, FILES_URL, GOOD, Fact, Killed, Stall, Struck, TaggedShop, at, close_of, measured

from aftercare.events.tags import TagChanged
from aftercare.kernel.errors import Transient
from aftercare.kernel.ports import ActionType
from aftercare.kernel.records import RecordWriter
from aftercare.kernel.table import Item, Key
from aftercare.showcase import TagPages, TagWords, folder_of
from aftercare.tags import keys
from aftercare.tags.publication import (
    CLAIMED_FOR,
    FILES,
    LAST_RETRY,
    MARKETPLACE,
    BeingPublished,
    MarketplaceTags,
    PublicFiles,
    TagPublication,
)

TAG = "ships_24h"
FOLDER = folder_of(SHOP)
HOSTILE = '</title><script>alert(1)</script><img src=x onerror="alert(1)">]]>\u202e&'


def live_shop(shop: TaggedShop | None = None) -> TaggedShop:
    shop = shop or TaggedShop(tags=[TAG])
    shop.days(0, 2, pickup_24h=GOOD)
    return shop


def badge(shop: TaggedShop, tag: str = TAG) -> str:
    return shop.bucket.files[f"{folder_of(shop.shop)}{tag}.en.svg"].decode()


def changes(shop: TaggedShop) -> list[Fact]:
    return [event for _, event in shop.said if isinstance(event.data, TagChanged)]


# ---------------------------------------------------------------- what is published


def test_a_tag_that_is_shown_has_a_page_data_badges_and_the_marketplaces_word() -> None:
    shop = live_shop()
    assert set(shop.bucket.files) == {
        FOLDER + name
        for name in (
            *("tags.json", "shop.jsonld", "zh.html", "en.html"),
            *(f"{TAG}.zh.svg", f"{TAG}.en.svg", f"{TAG}.zh.json", f"{TAG}.en.json"),
        )
    }
    shown = shop.public()[TAG]
    assert (shown["held"], shown["since"], shown["valid_until"]) == (
        True,
        "2026-11-04T19:00:00Z",
        "2026-11-07T16:00:00Z",
    )
    assert (shown["rule_version"], shown["evidence"]["n"], shown["evidence"]["value"]) == (
        "tags-standard-1",
        300,
        "1.0000",
    )
    assert shop.stall.shown() == {TAG: True}


def test_files_say_what_they_are_and_for_how_long_a_browser_may_keep_them() -> None:
    shop = live_shop()
    assert shop.bucket.headers[f"{FOLDER}tags.json"] == ("application/json", 300)
    assert {kind for path, (kind, _) in shop.bucket.headers.items() if path.endswith(".svg")} == {"image/svg+xml"}
    assert {age for _, age in shop.bucket.headers.values()} == {300}


def test_the_marketplace_is_told_what_to_show_where_and_why() -> None:
    [action] = live_shop().stall.done.values()
    key = f"{SHOP}/tag/{TAG}/1/2026-11-07T16:00:00Z"
    assert (action.type, action.shop, action.key) == (ActionType.TAG_CHANGED, SHOP, key)
    assert action.data == {
        "tag": TAG,
        "kind": "promise",
        "shown": True,
        "state": "live",
        "value": None,
        "text": {"zh": "24小时发", "en": "Ships within 24 hours"},
        "places": ["shop_home", "impression", "item"],
        "since": "2026-11-04T16:00:00Z",
        "valid_until": "2026-11-07T16:00:00Z",
        "rule": "tags-standard-1",
        "reason": "earned",
        "revision": 1,
    }


def test_a_tag_that_was_lost_is_hidden_everywhere_and_its_badge_stays_an_answer() -> None:
    shop = live_shop()
    shown = badge(shop)
    shop.days(3, 3, pickup_24h=BAD)
    assert shop.held() == {TAG: False}
    assert shop.stall.shown() == {TAG: False}
    assert badge(shop) != shown


def test_leaving_hides_it_everywhere_at_once() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().leave(SHOP, TAG)
    shop.run()
    assert (shop.held(), shop.stall.shown()) == ({TAG: False}, {TAG: False})


def test_what_no_buyer_ever_saw_is_not_published() -> None:
    shop = TaggedShop()
    shop.days(0, 5, pickup_24h=GOOD)
    assert shop.state(TAG) == "eligible"
    assert shop.bucket.files == {}
    assert shop.stall.done == {}


def test_a_warning_is_between_the_house_and_the_shop() -> None:
    shop = live_shop()
    shop.days(3, 3, pickup_24h=(89, 100))
    assert shop.state(TAG) == "at_risk"
    assert shop.held() == {TAG: True}
    assert not any(b"risk" in body for body in shop.bucket.files.values())


def test_a_reason_for_a_ban_is_nobody_elses_business() -> None:
    shop = live_shop()
    shop.run_until(at(3, "12:00:00"))
    shop.desk().ban(SHOP, "op", TAG, {"reason": "brushing-ring"})
    shop.run()
    assert shop.held() == {TAG: False}
    assert not any(b"brushing" in body for body in shop.bucket.files.values())
    assert "brushing" not in str(list(shop.stall.done.values()))


# ---------------------------------------------------------------- the newest wins


def test_a_change_told_again_publishes_nothing() -> None:
    shop = live_shop()
    puts, calls = shop.bucket.puts, shop.stall.calls
    for _ in range(3):
        shop.publication().take_in(changes(shop)[0])
    assert (shop.bucket.puts, shop.stall.calls) == (puts, calls)


def test_an_old_change_that_comes_last_publishes_nothing_older() -> None:
    shop = live_shop()
    shop.days(3, 3, pickup_24h=BAD)
    shop.days(4, 4, pickup_24h=GOOD)
    for change in reversed(changes(shop)):
        shop.publication().take_in(change)
    assert (shop.held(), shop.stall.shown()) == ({TAG: False}, {TAG: False})


def test_changes_that_all_come_late_publish_the_last_alone() -> None:
    shop = TaggedShop(tags=[TAG])
    told = [measured(number, pickup_24h=GOOD if number != 3 else BAD) for number in range(8)]
    for each in told:
        shop.run_until(each.metadata.occurred_at)
        shop.keeper().take_in(each)
    shop.pending.reverse()
    assert len(shop.pending) == 3
    shop.run()
    assert (shop.held(), shop.stall.shown()) == ({TAG: True}, {TAG: True})
    assert [action.data["revision"] for action in shop.stall.done.values()] == [3]


# ---------------------------------------------------------------- two at once, and killed


def publish_struck(shop: TaggedShop, struck: Struck) -> None:
    """One delivery of the latest change in which something happens."""
    shop.publication(struck).take_in(shop.pending[-1])


def about_to_publish(*numbers: int) -> TaggedShop:
    """The shop was shown, and has just lost its tag; nobody has published that yet."""
    shop = live_shop()
    shop.run_until(close_of(3))
    shop.keeper().take_in(measured(3, pickup_24h=BAD))
    return shop


def test_a_publisher_killed_at_any_call_leaves_nothing_old() -> None:
    for moment in count():
        shop = about_to_publish()
        try:
            publish_struck(shop, Struck(moment))
            break
        except Killed:
            # the message comes again when its queue shows it again, and the claim has its own timer
            shop.returned.append((shop.clock.time + timedelta(minutes=6), shop.pending.pop()))
        shop.run_until(shop.clock.time + timedelta(minutes=20))
        assert (shop.held(), shop.stall.shown()) == ({TAG: False}, {TAG: False}), moment
        assert shop.returned == []
    assert moment == 15, "a call has a moment before it, and one after it"


def test_a_publisher_whose_message_is_lost_with_it_is_made_good_by_the_claims_timer() -> None:
    for moment in count():
        shop = about_to_publish()
        struck = Struck(moment)
        try:
            publish_struck(shop, struck)
            break
        except Killed:
            shop.pending.clear()
        if struck.calls["write"] == 0:
            continue
        shop.run_until(shop.clock.time + CLAIMED_FOR)
        assert shop.held() == {TAG: False}, moment


def test_a_newer_change_in_the_midst_of_publishing_is_what_stands_in_the_end() -> None:
    """At every call of one publisher the tag changes, and another hears of it."""
    for moment in count():
        shop = about_to_publish()

        def comes_back(shop: TaggedShop = shop) -> None:
            # it was a mistake: the day is restated
            shop.hear(measured(3, 2, pickup_24h=GOOD))

        struck = Struck(moment, comes_back)
        first = shop.pending.pop()
        try:
            shop.publication(struck).take_in(first)
        except Transient:
            shop.returned.append((shop.clock.time + timedelta(minutes=6), first))
        is_last = struck.moment < moment
        if is_last:
            break
        shop.run_until(shop.clock.time + timedelta(minutes=30))
        assert (shop.held(), shop.stall.shown()) == ({TAG: True}, {TAG: True}), moment
        assert shop.returned == []


def test_two_publishers_at_once_publish_once() -> None:
    shop = about_to_publish()
    change, puts, calls = shop.pending.pop(), shop.bucket.puts, shop.stall.calls

    def another() -> None:
        with pytest.raises(BeingPublished):
            shop.publication().take_in(change)

    # after the read, and the claim of the files: each has one channel to itself
    with pytest.raises(BeingPublished):
        shop.publication(Struck(2, another)).take_in(change)
    assert (shop.held(), shop.stall.shown()) == ({TAG: False}, {TAG: False})
    assert (shop.bucket.puts - puts, shop.stall.calls - calls) == (8, 1)
    shop.publication().take_in(change)
    assert (shop.bucket.puts - puts, shop.stall.calls - calls) == (8, 1), "whoever comes again finds it done"


class TornReads:
    """A batch is no snapshot: between its items something happens."""

    def __init__(self, shop: TaggedShop, struck: Struck) -> None:
        self._table, self._struck = shop.table, struck

    def get_many(self, wanted: Sequence[Key]) -> Mapping[Key, Item]:
        one = self._struck.around(self._table)
        found = {key: one.get(key) for key in wanted}
        return {key: item for key, item in found.items() if item is not None}

    def write(self, put: object) -> None:
        self._table.write(put)  # type: ignore[arg-type]


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.parametrize("hours", [0, 60])
def test_a_torn_read_publishes_nothing_older_than_what_stands_there(moment: int, hours: int) -> None:
    """``hours`` later what stands there is to be renewed, whatever its version."""
    shop = live_shop()
    shop.asleep = True
    shop.run_until(shop.clock.time + timedelta(hours=hours))
    key = keys.channel_key(SHOP, FILES)

    def lost() -> None:
        shop.hear(measured(2, 2, pickup_24h=BAD))

    publication = shop.publication()
    publication._table = TornReads(shop, Struck(moment, lost))  # type: ignore[assignment]
    try:
        publication.wake(key)
    except Transient:
        shop.returned.append((shop.clock.time + timedelta(minutes=6), key))
    shop.hear(measured(2, 2, pickup_24h=BAD))
    shop.run_until(shop.clock.time + timedelta(minutes=30))
    assert shop.held() == {TAG: False}


# ---------------------------------------------------------------- a channel that is down


@pytest.mark.parametrize("fails", ["before the work", "after it"])
def test_a_marketplace_that_is_down_for_a_day_catches_up_and_the_files_stay_fresh(fails: str) -> None:
    shop = TaggedShop(tags=[TAG])
    shop.stall.is_down, shop.stall.fails = fails == "before the work", fails == "after it"
    live_shop(shop)
    assert shop.held() == {TAG: True}
    shop.days(3, 3, pickup_24h=BAD)
    assert shop.held() == {TAG: False}
    calls = shop.stall.calls
    shop.run_until(shop.clock.time + timedelta(days=1))
    assert 20 < shop.stall.calls - calls < 40, "it is tried again, ever more rarely"
    shop.stall.is_down = shop.stall.fails = False
    shop.run_until(shop.clock.time + LAST_RETRY)
    assert shop.stall.shown() == {TAG: False}
    assert shop.armed_for(keys.channel_key(SHOP, MARKETPLACE)) is None


def test_a_bucket_that_is_down_for_a_day_catches_up_and_the_marketplace_stays_fresh() -> None:
    shop = live_shop()
    shop.bucket.fault = Transient("the bucket is away")
    shop.days(3, 3, pickup_24h=BAD)
    assert shop.stall.shown() == {TAG: False}
    shop.run_until(shop.clock.time + timedelta(days=1))
    assert shop.held() == {TAG: True}, "it cannot be reached"
    shop.bucket.fault = None
    shop.run_until(shop.clock.time + LAST_RETRY)
    assert shop.held() == {TAG: False}


def test_a_bucket_that_refuses_us_keeps_the_marketplace_no_staler_than_itself() -> None:
    """No time-out but a fault that nobody foresaw, such as a right that was taken away."""
    shop = live_shop()
    shop.bucket.fault = RuntimeError("access denied")
    shop.run_until(close_of(3))
    shop.keeper().take_in(measured(3, pickup_24h=BAD))
    change = shop.pending.pop()
    for _ in range(2):
        with pytest.raises((RuntimeError, Transient)):
            shop.publication().take_in(change)
        shop.sleep_until(shop.clock.time + timedelta(minutes=6))
    assert shop.stall.shown() == {TAG: False}
    shop.bucket.fault = None
    shop.run_until(shop.clock.time + LAST_RETRY)
    assert shop.held() == {TAG: False}


# ---------------------------------------------------------------- validity


def test_what_is_checked_every_day_never_looks_run_out() -> None:
    shop = live_shop()
    for number in range(3, 25):
        shop.days(number, number, pickup_24h=GOOD)
        for clock in ("06:00:00", "12:00:00", "23:59:00"):
            shop.run_until(at(number + 1, clock))
            [one] = shop.public().values()
            assert one["held"] is True
            assert datetime.fromisoformat(one["valid_until"]) > shop.clock.time
    assert len(changes(shop)) == 1
    assert shop.bucket.puts / 8 <= 23, "once a day"


def test_a_keeper_that_never_comes_back_leaves_no_badge_standing_beyond_its_validity() -> None:
    shop = live_shop()
    shown = badge(shop)
    shop.asleep = True
    shop.run_until(at(6) - timedelta(seconds=1))
    assert shop.held() == {TAG: True}
    shop.run_until(at(6))
    assert (shop.held(), shop.public()[TAG]["reason"]) == ({TAG: None}, "expired")
    assert badge(shop) != shown
    shop.run_until(at(90))
    assert shop.held() == {TAG: None}


@pytest.mark.parametrize("days_away", [4, 5, 10, 20])
def test_a_keeper_that_comes_back_after_the_validity_ended_makes_the_badge_good_again(days_away: int) -> None:
    shop = live_shop()
    shop.asleep = True
    shop.run_until(close_of(2 + days_away))
    assert shop.held() == {TAG: None}
    shop.asleep = False
    shop.hear(*(measured(number, pickup_24h=GOOD) for number in range(3, 3 + days_away)))
    shop.days(3 + days_away, 5 + days_away, pickup_24h=GOOD)
    assert shop.state(TAG) == "live"
    assert shop.held() == {TAG: True}


def test_a_bucket_that_was_down_when_the_validity_ended_shows_it_when_it_is_back() -> None:
    shop = live_shop()
    shop.asleep, shop.bucket.fault = True, Transient("the bucket is away")
    shop.run_until(at(7))
    shop.bucket.fault = None
    shop.run_until(at(7) + LAST_RETRY)
    assert shop.held() == {TAG: None}


def test_tags_of_different_validity_run_out_one_by_one() -> None:
    shop = TaggedShop(tags=[TAG, "price_protection"])
    shop.days(0, 2, pickup_24h=GOOD, platform_help=(0, 500))
    shop.asleep = True
    shop.run_until(at(6))
    assert shop.held() == {TAG: None, "price_protection": None}


# ---------------------------------------------------------------- marketplaces of all kinds


@pytest.mark.parametrize("kind", ["no way to it", "takes no tags"])
def test_where_the_marketplace_takes_no_tags_the_files_do_and_nothing_is_tried_again(kind: str) -> None:
    shop = TaggedShop(tags=[TAG])
    shop.stall = Stall(ActionType.MESSAGE_SEND)
    shop.marketplace = None if kind == "no way to it" else shop.stall
    live_shop(shop)
    assert shop.held() == {TAG: True}
    assert shop.stall.calls == 0
    assert shop.returned == []
    assert shop.armed_for(keys.channel_key(SHOP, MARKETPLACE)) is None


def test_secrets_that_cannot_be_read_now_are_asked_for_again() -> None:
    shop = live_shop()
    shop.run_until(close_of(3))
    shop.keeper().take_in(measured(3, pickup_24h=BAD))

    def away(_: str) -> Stall:
        raise Transient("the secrets are away")

    channels = {MARKETPLACE: MarketplaceTags(away, TagWords())}
    TagPublication(shop.table, shop.clock, RecordWriter(SHARDS), channels).take_in(shop.pending[-1])
    assert shop.stall.shown() == {TAG: True}
    shop.run_until(shop.clock.time + timedelta(minutes=1))
    assert shop.stall.shown() == {TAG: False}


def test_the_same_revision_goes_out_under_the_same_key_with_the_same_content_however_often() -> None:
    """The stall refuses a key with other content; meanwhile the name, the days and the evidence change."""
    shop = TaggedShop(tags=[TAG])
    shop.stall.fails = True
    live_shop(shop)
    for number in range(3, 9):
        shop.desk().set_profile(SHOP, {"name": f"Lotus {number}", "locale": "en"})
        shop.days(number, number, pickup_24h=(99, 100))
    assert shop.stall.calls > 50
    assert all(key.startswith(f"{SHOP}/tag/{TAG}/1/") for key in shop.stall.done)


def test_the_marketplace_is_told_anew_before_a_tag_runs_out_and_that_it_has_when_nobody_looks_any_more() -> None:
    shop = live_shop()
    shop.days(3, 6, pickup_24h=GOOD)
    told = [action.data["valid_until"] for action in shop.stall.done.values()]
    assert told == sorted(set(told))
    assert told[-1] > told[0]
    shop.asleep = True
    shop.run_until(at(20))
    assert shop.stall.shown() == {TAG: False}
    calls = shop.stall.calls
    shop.run_until(at(60))
    assert shop.stall.calls == calls, "it is told once"


def test_a_marketplace_that_was_told_that_a_tag_ran_out_hears_when_somebody_looks_again() -> None:
    shop = live_shop()
    shop.asleep = True
    shop.run_until(at(8))
    assert shop.stall.shown() == {TAG: False}
    shop.asleep = False
    shop.days(3, 9, pickup_24h=GOOD)
    shop.run_until(at(12))
    assert shop.stall.shown() == {TAG: True}


def test_what_the_public_reads_does_not_tell_of_a_warning() -> None:
    shop = live_shop()
    before = shop.public()[TAG]
    shop.days(3, 3, pickup_24h=(88, 100))
    assert shop.state(TAG) == "at_risk"
    assert (shop.public()[TAG]["held"], shop.public()[TAG]["since"]) == (True, before["since"])


def test_the_badge_of_a_hidden_tag_is_renewed_before_the_bucket_forgets_it() -> None:
    shop = live_shop()
    shop.days(3, 3, pickup_24h=BAD)
    for _ in range(6):
        puts = shop.bucket.puts
        shop.run_until(shop.clock.time + timedelta(days=6))
        assert shop.bucket.puts > puts
    assert shop.held() == {TAG: False}


def test_the_marketplace_gets_the_changed_tag_alone() -> None:
    shop = TaggedShop(tags=[TAG, "price_protection"])
    shop.days(0, 2, pickup_24h=GOOD, platform_help=(0, 500))
    shop.days(3, 3, pickup_24h=BAD, platform_help=(0, 500))
    revisions = {action.data["tag"]: action.data["revision"] for action in shop.stall.done.values()}
    assert revisions == {TAG: 2, "price_protection": 1}
    assert shop.stall.shown() == {TAG: False, "price_protection": True}


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", [HOSTILE, "茶" * 120, "\x00\ud7ff\u2028", "'\"`${7*7}{{7*7}}"])
def test_a_hostile_name_ends_no_element_anywhere(name: str) -> None:
    shop = TaggedShop(tags=[TAG], name=name)
    live_shop(shop)
    for path, body in shop.bucket.files.items():
        text = body.decode()
        assert "<script>alert" not in text, path
        assert 'onerror="alert' not in text, path
        assert "\u202e" not in text, path
        assert "\x00" not in text, path
        if path.endswith((".json", ".jsonld")):
            assert "<" not in text
            json.loads(text)
    assert "alert" not in str(list(shop.stall.done.values()))


@pytest.mark.parametrize("shop_id", ["12345", "茶叶店", "a%20b", "a?b=c&d", "tea+house", "x" * 100])
def test_every_address_in_the_files_of_a_shop_leads_to_one_of_them(shop_id: str) -> None:
    """As a bucket answers: by the path of the address, unquoted once."""
    shop = live_shop(TaggedShop(shop=f"standard:{shop_id}", tags=[TAG]))
    [data] = [body for path, body in shop.bucket.files.items() if path.endswith("/tags.json")]
    address = json.loads(data)["tags"][0]["detail_url"]
    assert address.startswith(f"{FILES_URL}/shops/standard/")
    assert unquote(urlsplit(address).path).removeprefix("/") in shop.bucket.files


# ---------------------------------------------------------------- calls


def calls_of(shop: TaggedShop, change: Fact) -> dict[str, int]:
    struck = Struck()
    shop.publication(struck).take_in(change)
    return dict(struck.calls)


def test_a_change_costs_one_read_two_writes_a_channel_and_the_files() -> None:
    shop = about_to_publish()
    files = len(shop.bucket.files)
    change = shop.pending.pop()
    assert calls_of(shop, change) == {"get_many": 1, "write": 4, "put": files, "act": 1}
    assert calls_of(shop, change) == {"get_many": 1}


def test_files_alone_cost_one_read_two_writes_and_the_files() -> None:
    shop = about_to_publish()
    struck = Struck()
    pages = TagPages(FILES_URL, "https://rules.example", "https://say.example")
    channels = {FILES: PublicFiles(struck.around(shop.bucket), pages)}
    TagPublication(struck.around(shop.table), shop.clock, RecordWriter(SHARDS), channels).take_in(shop.pending[-1])
    assert dict(struck.calls) == {"get_many": 1, "write": 2, "put": 8}


def test_a_change_between_states_that_nobody_sees_costs_nothing() -> None:
    shop = TaggedShop()
    shop.days(0, 2, pickup_24h=GOOD)
    assert calls_of(shop, changes(shop)[0]) == {}
