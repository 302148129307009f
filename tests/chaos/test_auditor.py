"""The checker of the auditor's part: it fails a history in which a timer, a gap or a record that was set aside came to
another end than it should."""

import dataclasses

import pytest

from auditor import IN_HAND_US, REMINDER
from checker import check
from damage import decide_again, swap, take_out
from history import CLOSED, GIVEN_UP, SKIPPED, Entry, Kept
from maker import make_history


@pytest.fixture
def history():
    return make_history()


def move_reminder(history, key, event_id, after_us):
    """Has the timer that this event sets fire so long after the event, wherever that is in the journal; and no other."""
    journal = history.journals[key]
    at = next(entry.time_us for entry in journal if entry.event_id == event_id)
    journal[:] = [entry for entry in journal if not entry.event_id.endswith(REMINDER)]
    journal.append(Entry(event_id + REMINDER, at + after_us))
    journal.sort(key=lambda entry: entry.time_us)


def delay(history, key, number, us):
    """The auditor handles this event, and all of the key after it, so much later."""
    for entry in history.journals[key][number:]:
        entry.time_us += us


# Of timers: order-1 ends with an event whose timer fires, that of order-2's first event is replaced by its second.
TIMER_DAMAGES = {
    "a timer fired twice": lambda h: h.journals["order-1"].append(h.journals["order-1"][-1]),
    "a timer fired again behind something dead": lambda h: h.kept.append(
        dataclasses.replace(next(record for record in h.kept if record.event_id.endswith(REMINDER)))
    ),
    "a timer never fired": lambda h: h.journals["order-1"].pop(),
    "a timer behind something dead is lost": lambda h: h.kept.remove(
        next(record for record in h.kept if record.event_id.endswith(REMINDER))
    ),
    "a timer fired before it was due": lambda h: move_reminder(h, "order-1", h.journals["order-1"][2].event_id, 2_999_999),
    "a timer fired that was replaced before it was due": lambda h: move_reminder(
        h, "order-2", h.journals["order-2"][0].event_id, 3_000_000
    ),
    "a timer fired that was cancelled before it was due": lambda h: move_reminder(
        h, "order-2", h.journals["order-2"][2].event_id, 3_000_000
    ),
    "a timer fired that no event had set": lambda h: h.journals["order-2"].append(
        Entry(h.journals["order-2"][-1].event_id + REMINDER, h.journals["order-2"][-1].time_us + 3_000_000)
    ),
    "a timer is still set": lambda h: h.timers.append(("auditor", "order-1")),
    "a deadline is still set": lambda h: h.timers.append(("order", "order-1")),
}


def elsewhere(history, end, number):
    """The id of the event of this number of the gap that ended so, and the auditor's journal of its key."""
    prefix = next(gap.missing for gap in history.gaps if gap.end == end).rpartition("-")[0]
    event = next(event for event in history.events["ledger.events.v1"] if event.id == f"{prefix}-{number}")
    return event.id, history.journals[event.key]


def drop(end, number):
    def damage(history):
        event_id, journal = elsewhere(history, end, number)
        journal.remove(next(entry for entry in journal if entry.event_id == event_id))

    return damage


def take(end, number, at):
    """The auditor handles this event, too, before the entry that has this place."""

    def damage(history):
        event_id, journal = elsewhere(history, end, number)
        journal.insert(at, Entry(event_id, journal[-1].time_us))

    return damage


# Of gaps in 1, 2, 4, 5, 3: odd numbers have one key, even numbers the other.
GAP_DAMAGES = {
    "an event before a gap is lost": drop(CLOSED, 2),
    "a missing event came and was not taken": drop(CLOSED, 3),
    "a held event is lost": drop(CLOSED, 4),
    "a held event was taken twice": take(CLOSED, 4, at=2),
    "a held event was taken before the missing one": lambda h: swap(elsewhere(h, CLOSED, 3)[1], 1, 2),
    "a held event is lost with what was given up": drop(GIVEN_UP, 4),
    "an event behind one that was held is lost": drop(GIVEN_UP, 5),
    "a held event of a gap that was given up was taken twice": take(GIVEN_UP, 5, at=1),
    "held events of a gap that was given up were swapped": lambda h: swap(elsewhere(h, GIVEN_UP, 5)[1], 0, 1),
    "an event that was given up was taken in its place": take(GIVEN_UP, 3, at=1),
    "an event that was given up was taken when it came": take(GIVEN_UP, 3, at=2),
    "a held event that was skipped was taken": take(SKIPPED, 4, at=1),
    "an event behind a held one that was skipped is lost": drop(SKIPPED, 5),
    "an event behind a held one that was skipped was taken twice": take(SKIPPED, 5, at=2),
    "an event that is missing before a skipped one was taken": take(SKIPPED, 3, at=2),
    "an event is still held": lambda h: h.kept.append(Kept("auditor", "elsewhere-0-0", "elsewhere-0-4", dead=False)),
    "a gap was made and is on no topic": lambda h: h.gaps.append(dataclasses.replace(h.gaps[0], source="/elsewhere/9")),
    "a gap that nobody made": lambda h: h.gaps.pop(),
}


def skip_of(history, key):
    return next(ask for ask in history.asks if ask.action == "skip" and ask.key == key)


def handle_skipped(history, key, at, after_us):
    """The auditor handles what was to be skipped, so long after that was noted."""
    ask = skip_of(history, key)
    history.journals[key].insert(at, Entry(ask.event_id, ask.end_us + after_us))


def keep_skipped(history, key, dead):
    """What was to be skipped stays, in front of everything that waits behind it."""
    ask = skip_of(history, key)
    behind = [entry.event_id for entry in history.journals[key][2:] if not entry.event_id.endswith(REMINDER)]
    reminders = [entry.event_id for entry in history.journals[key] if entry.event_id.endswith(REMINDER)]
    del history.journals[key][2:]
    history.kept += [Kept("auditor", key, event_id, dead and event_id == ask.event_id)
                     for event_id in [ask.event_id, *reminders, *behind]]


# What an operator asked for. The journal of "skipped" is OrderCreated, OrderReserved and its timer,
# OrderCancelRequested and OrderCancelled; that of "skipped-late" has no timer.
ASK_DAMAGES = {
    "a retried event was handled twice": lambda h: (
        h.asks.append(dataclasses.replace(skip_of(h, "skipped"), action="retry", key="order-2", state="retrying")),
        h.journals["order-2"].insert(3, h.journals["order-2"][2]),
    ),
    "a dead event was handled more often than anybody asked": lambda h: decide_again(h.events["mesh.dead.v1"], 0),
    "a retried dead event was handled more often than asked": lambda h: decide_again(h.events["mesh.dead.v1"], -1),
    "a retried dead event was handled": lambda h: (
        h.journals["retried"].append(Entry(h.asks[-1].event_id, h.asks[-1].end_us)),
        h.kept.remove(Kept("auditor", "retried", h.asks[-1].event_id, dead=True)),
    ),
    "a retried dead event is lost": lambda h: h.kept.remove(Kept("auditor", "retried", h.asks[-1].event_id, dead=True)),
    "a skipped dead event was handled": lambda h: handle_skipped(h, "skipped", 3, after_us=0),
    "a skipped event was handled long after": lambda h: handle_skipped(h, "skipped-late", 2, after_us=IN_HAND_US + 1),
    "a skipped event was handled in the wrong place": lambda h: handle_skipped(h, "skipped-late", 3, after_us=0),
    "a skipped dead event is still set aside": lambda h: keep_skipped(h, "skipped", dead=True),
    "a skipped event that waited is still set aside": lambda h: h.kept.insert(
        next(i for i, record in enumerate(h.kept) if record.key == "skipped-behind") + 1,
        Kept("auditor", "skipped-behind", skip_of(h, "skipped-behind").event_id, dead=False),
    ),
    "an event behind a skipped one is lost": lambda h: h.journals["skipped"].pop(),
    "an event behind a skipped one was handled twice": lambda h: h.journals["skipped"].append(h.journals["skipped"][-1]),
    "events behind a skipped one were swapped": lambda h: swap(h.journals["skipped"], -2, -1),
    "an event before a skipped one is lost": lambda h: h.journals["skipped-late"].pop(0),
    "a skip between others took the one behind it along": lambda h: h.kept.remove(
        [record for record in h.kept if record.key == "skipped-behind"][-1]
    ),
    "the timer behind a skipped event never fired": lambda h: h.journals["skipped-last"].pop(),
    "a dead event is gone and nobody skipped it": lambda h: h.asks.remove(skip_of(h, "skipped")),
    "an event is gone and nobody skipped it": lambda h: h.asks.remove(skip_of(h, "skipped-late")),
    "an event that waited is gone and nobody skipped it": lambda h: h.asks.remove(skip_of(h, "skipped-behind")),
    "an event is gone that was to be retried": lambda h: setattr(skip_of(h, "skipped-late"), "action", "retry"),
    "the death of a skipped event was not announced": lambda h: take_out(
        h.events["mesh.dead.v1"], [one.key for one in h.events["mesh.dead.v1"]].index("skipped")
    ),
    "the death of a skipped event that can be handled was announced": lambda h: (
        decide_again(h.events["mesh.dead.v1"], 0),
        setattr(h.events["mesh.dead.v1"][-1], "fields", {"event_id": skip_of(h, "skipped-late").event_id}),
    ),
}
DAMAGES = TIMER_DAMAGES | GAP_DAMAGES | ASK_DAMAGES


def test_a_timer_that_fires_before_the_next_event_is_no_violation(history):
    delay(history, "order-2", 1, 3_000_000)
    first = history.journals["order-2"][0]
    history.journals["order-2"].insert(1, Entry(first.event_id + REMINDER, first.time_us + 3_500_000))
    assert check(history) == []


def test_a_timer_that_came_due_behind_an_event_is_no_violation(history):
    delay(history, "order-2", 1, 3_000_000)
    first, second = history.journals["order-2"][:2]
    history.journals["order-2"].insert(2, Entry(first.event_id + REMINDER, second.time_us))
    assert check(history) == []


def test_a_skip_of_what_is_being_handled_is_no_violation(history):
    handle_skipped(history, "skipped-late", 2, after_us=-1)
    assert check(history) == []


def test_a_skip_without_an_answer_may_have_come_or_not(history):
    skip_of(history, "skipped-late").count = None
    assert check(history) == []
    handle_skipped(history, "skipped-late", 2, after_us=IN_HAND_US + 1)
    assert check(history) == []


def retry_after(history, skip):
    history.asks.append(dataclasses.replace(skip, action="retry", begin_us=skip.end_us + 1, end_us=skip.end_us + 2))


def test_a_skip_may_be_taken_back_by_a_retry(history):
    keep_skipped(history, "skipped", dead=True)
    retry_after(history, skip_of(history, "skipped"))
    assert check(history) == []


def test_what_was_to_be_skipped_may_be_handled_after_a_retry(history):
    handle_skipped(history, "skipped-late", 2, after_us=IN_HAND_US + 1)
    assert check(history) != []
    retry_after(history, skip_of(history, "skipped-late"))
    assert check(history) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(history, damage):
    DAMAGES[damage](history)
    assert check(history) != []
