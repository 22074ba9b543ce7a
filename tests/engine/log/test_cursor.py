"""Every form of position, and every text that is none."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import ids
from engine.errors import BadCursorError, BadPositionError
from engine.log.cursor import (
    AtEvent,
    AtPosition,
    AtTime,
    AtVersion,
    CursorMaker,
    Position,
    etag,
)

EPOCH = "abcdefg2"
NOW_MS = 1_768_737_600_000  # 2026-01-18T12:00:00Z
CURSORS = CursorMaker(bytes(32), EPOCH)
UUID = bytes.fromhex("019dbd0d1f027a8e9f2b3c4d5e6f7081")
EVENT_ID = ids.type_id(ids.EVENT, UUID)

YEAR_9999_MS = 253_370_764_800_000
TIME_SHAPED = r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})"

MINUTE_MS, HOUR_MS, DAY_MS, WEEK_MS = 60_000, 3_600_000, 86_400_000, 604_800_000


def parse(text: str) -> Position:
    return CURSORS.parse(text, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("0", AtVersion(0)),
        ("17", AtVersion(17)),
        ('"17"', AtVersion(17)),
        ("0017", AtVersion(17)),
        ("9" * 15, AtVersion(999_999_999_999_999)),
        (f"{EPOCH}.17", AtVersion(17, EPOCH)),
        (etag(EPOCH, 17), AtVersion(17, EPOCH)),
        ("zzzzzzzz.0", AtVersion(0, "zzzzzzzz")),
        (EVENT_ID, AtEvent(UUID)),
        (CURSORS.make(0), AtPosition(0, EPOCH)),
        (CURSORS.make(17), AtPosition(17, EPOCH)),
        ("now", AtTime(NOW_MS)),
        ("now-0s", AtTime(NOW_MS)),
        ("now-90s", AtTime(NOW_MS - 90_000)),
        ("now-1m", AtTime(NOW_MS - MINUTE_MS)),
        ("now-2h", AtTime(NOW_MS - 2 * HOUR_MS)),
        ("now-3d", AtTime(NOW_MS - 3 * DAY_MS)),
        ("now-4w", AtTime(NOW_MS - 4 * WEEK_MS)),
        ("now-PT1M", AtTime(NOW_MS - MINUTE_MS)),
        ("now-PT1H30M", AtTime(NOW_MS - HOUR_MS - 30 * MINUTE_MS)),
        ("now-P1DT1S", AtTime(NOW_MS - DAY_MS - 1000)),
        ("now-P2W", AtTime(NOW_MS - 2 * WEEK_MS)),
        (f"now-{NOW_MS // MINUTE_MS}m", AtTime(0)),
        (f"now-PT{NOW_MS // HOUR_MS}H", AtTime(0)),
        ("2026-01-18T12:00:00Z", AtTime(NOW_MS)),
        ("2026-01-18t12:00:00z", AtTime(NOW_MS)),
        ("2026-01-18 12:00:00Z", AtTime(NOW_MS)),
        ("2026-01-18T12:00:00.250Z", AtTime(NOW_MS + 250)),
        ("2026-01-18T12:00:00.123456789Z", AtTime(NOW_MS + 123)),
        ("2026-01-18T14:00:00+02:00", AtTime(NOW_MS)),
        ("2026-01-17T12:01:00-23:59", AtTime(NOW_MS)),
        ("2026-01-18T12:00:00-00:00", AtTime(NOW_MS)),
        ("2024-02-29T00:00:00Z", AtTime(1_709_164_800_000)),
        ("1970-01-01T00:00:00Z", AtTime(0)),
        ("1970-01-01T14:00:00+14:00", AtTime(0)),
        ("9999-12-31T23:59:59Z", AtTime(253_402_300_799_000)),
        ("9999-12-31T23:59:59-14:00", AtTime(253_402_300_799_000 + 14 * HOUR_MS)),
    ],
)
def test_every_form_of_position_is_understood(text: str, position: Position) -> None:
    assert parse(text) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "17 ",
        " 17",
        "17\n",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "0x11",
        "9" * 16,
        "9" * 5_000,
        "\u0661\u0667",
        'W/"17"',
        "'17'",
        f"{EPOCH}.",
        f"{EPOCH}.-1",
        f"{EPOCH}.\u0661",
        f"{EPOCH}.{'9' * 16}",
        "ABCDEFG2.3",
        "abcdefg1.3",
        "abcdefg.3",
        "abcdefgh2.3",
        "NOW",
        "now ",
        "now-",
        "now+1m",
        "now--1m",
        "now-1",
        "now-m",
        "now-1y",
        "now-1.5h",
        "now-\u0661m",
        "now-9999999999s",
        "now-P",
        "now-PT",
        "now-P1",
        "now-P1M",
        "now-PT1D",
        "now-PT1.5M",
        "now-PT1S1M",
        "now-P9999999D",
        "2026-01-18",
        "2026-01-18T12:00:00",
        "2026-01-18T12:00:00+24:00",
        "2026-01-18T24:00:00Z",
        "2026-01-18T12:00:60Z",
        "2016-12-31T23:59:60Z",
        "2026-02-30T12:00:00Z",
        "2026-02-30",
        "2025-02-29T12:00:00Z",
        "2026-00-01T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-2026-01-18T12:00:00Z",
        "2026-W03",
        "2026-W03-7",
        "2026-W03-7T12:00:00Z",
        "2026W037T120000Z",
        "2026-018T12:00:00Z",
        "20260118T120000Z",
        "2026-01-18T12Z",
        "2026-01-18T12:00Z",
        "2026-01-18T1200Z",
        "2026-01-18T12:00:00,5Z",
        "2026-01-18T12:00:00.Z",
        "2026-01-18T12:00:00+99:99",
        "2026-01-18T12:00:00+12:60",
        "2026-01-18T12:00:00+02",
        "2026-01-18T12:00:00+0200",
        "2026-01-18T12:00:00+02:00:30",
        "2026-01-18T12:00:00 Z",
        "2026-01-18T12:00:00[Europe/London]",
        "\u0662026-01-18T12:00:00Z",
        "2026-01-18T12:00:00Z\n",
        "2026-01-18T\ud800",
        "2026-01-18T" + "x" * 5_000 + "Z",
        EVENT_ID.upper(),
        EVENT_ID[:-1],
        EVENT_ID + "0",
        EVENT_ID.replace("evt_", "msg_"),
        "evt_" + "z" * 26,
        "evt_" + "u" * 26,
        "evt_",
        "yesterday",
        "\0",
    ],
)
def test_everything_else_is_no_position(text: str) -> None:
    with pytest.raises(BadPositionError):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        f"now-{NOW_MS // MINUTE_MS + 1}m",
        f"now-PT{NOW_MS // HOUR_MS}H1S",
        "now-99999999d",
        "now-999999999w",
        "now-P999999W",
        "now-P999999WT999999999S",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00+00:01",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_moment_before_1970_is_refused(text: str) -> None:
    with pytest.raises(BadPositionError, match="1970"):
        parse(text)


@given(st.from_regex(TIME_SHAPED, fullmatch=True))
def test_whatever_is_shaped_like_a_time_is_one_or_is_refused(text: str) -> None:
    try:
        found = parse(text)
    except BadPositionError:
        return
    assert isinstance(found, AtTime)
    assert found.time_ms >= 0


@given(st.integers(DAY_MS, YEAR_9999_MS - DAY_MS), st.integers(-1439, 1439))
def test_every_time_with_a_zone_names_its_millisecond(time_ms: int, offset_minutes: int) -> None:
    zone = timezone(timedelta(minutes=offset_minutes))
    moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)
    text = moment.astimezone(zone).isoformat(timespec="milliseconds")
    assert parse(text) == parse(text.replace("T", "t")) == AtTime(time_ms)


@given(st.text(max_size=40))
def test_no_text_does_anything_but_name_a_position_or_be_refused(text: str) -> None:
    for attempt in (text, f"now-{text}", f"cur_{text}", f"evt_{text}", f"2026-01-18T{text}"):
        try:
            parse(attempt)
        except (BadPositionError, BadCursorError):
            continue


@given(st.integers(0, 2**48 - 1))
def test_a_cursor_opens_to_the_position_it_was_made_for(position: int) -> None:
    cursor = CURSORS.make(position)
    assert CURSORS.open(cursor) == parse(cursor) == AtPosition(position, EPOCH)
    assert len(cursor) == len(CURSORS.make(0)), "its length says nothing about its position"


@given(st.integers(0, 2**48 - 1), st.data())
def test_a_changed_cursor_never_names_another_position(position: int, data: st.DataObject) -> None:
    cursor = CURSORS.make(position)
    at = data.draw(st.integers(4, len(cursor) - 1))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = cursor[:at] + data.draw(st.sampled_from(alphabet)) + cursor[at + 1 :]
    try:
        found = CURSORS.open(changed)
    except BadCursorError:
        return
    assert found == AtPosition(position, EPOCH)


def test_a_changed_or_shortened_cursor_is_refused() -> None:
    cursor = CURSORS.make(17)
    for at in range(4, len(cursor) - 1):
        other = "B" if cursor[at] == "A" else "A"
        with pytest.raises(BadCursorError):
            parse(cursor[:at] + other + cursor[at + 1 :])
    for length in range(4, len(cursor)):
        with pytest.raises(BadCursorError):
            parse(cursor[:length])


@pytest.mark.parametrize("text", ["cur_", "cur_17", "cur_\u00e9", "cur_ ", "cur_=", "cur_" * 500])
def test_what_only_begins_like_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursorError):
        parse(text)


@given(st.integers(0, 2**48 - 1))
def test_a_cursor_may_stand_in_a_url_as_it_is(position: int) -> None:
    cursor = CURSORS.make(position)
    assert quote(cursor, safe="") == cursor
    assert CURSORS.open(cursor) == AtPosition(position, EPOCH)


def test_a_cursor_of_another_environment_is_refused() -> None:
    other = CursorMaker(bytes(31) + b"\1", EPOCH)
    with pytest.raises(BadCursorError):
        CURSORS.open(other.make(17))


def test_a_cursor_of_an_earlier_epoch_opens_and_says_so() -> None:
    earlier = CursorMaker(bytes(32), "zzzzzzzz")
    assert CURSORS.open(earlier.make(17)) == AtPosition(17, "zzzzzzzz")
