"""What the checker knows of the auditor: which events it must have handled, when its timers may fire, what may be dead,
what comes of a gap, and what of the things that an operator asks for."""

import collections

from history import CLOSED, SKIPPED
from saga import AFTER, ORDER_EVENTS, by_key

LEDGER_EVENTS = "ledger.events.v1"
DEATHS = "mesh.dead.v1"
# An order for this product is one whose confirmation the auditor cannot take.
DEAD_PRODUCT = "dead"

# What it takes of an order.
ORDER_TYPES = tuple(AFTER)
# Of the sources of gaps, outside the mesh.
ELSEWHERE = "/elsewhere/"

# A record that was being handled when it was to be skipped may go through all the same. Being handled includes a batch
# that is decided again because of a version conflict, while a process is frozen or the database is away.
IN_HAND_US = 15_000_000

# kRemindAfter in auditor.cpp.
REMIND_AFTER_US = 3_000_000
# At these it sets the timer of the order; at the others it cancels it.
REMINDED = ("OrderCreated", "OrderReserved", "OrderConfirmed")
# The ce_id of a timer's message is that of the event that set the timer, followed by this.
REMINDER = "/reminder"


def check_auditor(history, taken, wrong):
    decided = by_key(taken.get(ORDER_EVENTS, []) + taken.get(LEDGER_EVENTS, []))
    aside = collections.defaultdict(list)
    for record in history.kept:
        if record.group == "auditor":
            aside[record.key].append(record.event_id)
    keys_elsewhere = {event.key for event in history.events.get(LEDGER_EVENTS, []) if from_elsewhere(event)}
    skips = {ask.event_id for ask in skips_of(history)}
    for key in (decided.keys() | history.journals.keys() | aside.keys()) - keys_elsewhere:
        handled = history.journals.get(key, [])
        check_journal(key, decided.get(key, []), handled, aside.get(key, []), skips, wrong)
        check_reminders(key, decided.get(key, []), handled, aside.get(key, []), wrong)
    check_dead(history, taken, wrong)
    check_skips(history, wrong)
    check_gaps(history, wrong)


def from_elsewhere(event):
    return event.source.startswith(ELSEWHERE)


def check_journal(key, decided, handled, aside, skips, wrong):
    """It saw every event of the key in order, up to the first that is dead; the rest waits, in order. Only what was to be
    skipped may be missing."""
    seen = [event_id for event_id in [entry.event_id for entry in handled] + aside if not event_id.endswith(REMINDER)]
    known = set(seen)
    expected = [event.id for event in decided if event.id in known or event.id not in skips]
    if key.startswith("merchant-"):
        # Booked on by many tasks: each event once, in an order of their own.
        expected.sort()
        seen.sort()
    if seen != expected:
        at = next((i for i, pair in enumerate(zip(seen, expected)) if pair[0] != pair[1]), min(len(seen), len(expected)))
        wrong.append(
            f"key {key}: {len(expected)} events were decided, the auditor saw {len(seen)}; from number {at + 1} on"
            f" {expected[at:at + 3]} against {seen[at:at + 3]}"
        )


def check_reminders(key, decided, handled, aside, wrong):
    """A timer that was due fired once, unless the next event of its key came first; and none fired that an event had
    replaced or cancelled before it was due."""
    types = {event.id: event.type for event in decided if event.topic == ORDER_EVENTS}
    due = {}
    ended = {}
    fired = collections.Counter()
    # The event whose timer is set.
    setter = None
    for entry in handled:
        if entry.event_id.endswith(REMINDER):
            cause = entry.event_id.removesuffix(REMINDER)
            fired[cause] += 1
            if cause not in due:
                wrong.append(f"key {key}: the timer of {cause} fired, and that event had set none")
            elif entry.time_us < due[cause]:
                wrong.append(f"key {key}: the timer of {cause} fired {due[cause] - entry.time_us} us before it was due")
            elif ended.get(cause, due[cause]) < due[cause]:
                wrong.append(f"key {key}: the timer of {cause} fired, and had been cancelled before it was due")
            if setter == cause:
                setter = None
        elif entry.event_id in types:
            if setter is not None:
                ended[setter] = entry.time_us
            setter = entry.event_id if types[entry.event_id] in REMINDED else None
            if setter is not None:
                # Kept in whole milliseconds, rounded up.
                due[setter] = -(-(entry.time_us + REMIND_AFTER_US) // 1000) * 1000
    # What came due behind something that is dead waits there.
    fired.update(event_id.removesuffix(REMINDER) for event_id in aside if event_id.endswith(REMINDER))
    if setter is not None and not fired[setter]:
        wrong.append(f"key {key}: the timer of {setter} was due, and never fired")
    wrong += [f"key {key}: the timer of {cause} fired {count} times" for cause, count in fired.items() if count > 1]


def timers(history):
    """How many the auditor set, and how many fired."""
    types = {event.id: event.type for event in history.events.get(ORDER_EVENTS, [])}
    entries = [entry.event_id for journal in history.journals.values() for entry in journal]
    fired = sum(event_id.endswith(REMINDER) for event_id in entries)
    return sum(types.get(event_id) in REMINDED for event_id in entries), fired


def check_dead(history, taken, wrong):
    expected = {event.id: event.key for event in deadly(taken.get(ORDER_EVENTS, []))}
    kept = {record.event_id for record in history.kept if record.dead}
    handled = {entry.event_id for journal in history.journals.values() for entry in journal}
    skips = {ask.event_id for ask in skips_of(history)}
    wrong += [f"{event_id} should be dead and is not" for event_id in expected.keys() - kept - skips]
    wrong += [f"{event_id} is dead: {record_of(history, event_id)}" for event_id in kept - expected.keys()]
    wrong += [f"{event_id} was handled, which cannot be" for event_id in expected.keys() & handled]
    announced = collections.Counter(event.fields["event_id"] for event in taken.get(DEATHS, []))
    retries = collections.Counter(ask.key for ask in history.asks if ask.group == "auditor" and ask.action == "retry")
    wrong += [f"the death of {event_id} was not announced" for event_id in expected.keys() - announced.keys()]
    wrong += [f"the death of {event_id} was announced, and it is not dead" for event_id in announced.keys() - expected.keys()]
    for event_id in expected.keys() & announced.keys():
        if announced[event_id] > 1 + retries[expected[event_id]]:
            wrong.append(
                f"{event_id} was handled {announced[event_id]} times, after {retries[expected[event_id]]} requests to retry"
            )
    dead_keys = {record.key for record in history.kept if record.dead}
    for record in history.kept:
        if record.key not in dead_keys:
            wrong.append(f"{record.event_id} of key {record.key} is still set aside by {record.group}")


def deadly(events):
    return [
        event
        for event in events
        if event.type == "OrderConfirmed" and event.fields["lines"][0]["product_id"] == DEAD_PRODUCT
    ]


def skips_of(history):
    return [ask for ask in history.asks if ask.group == "auditor" and ask.action == "skip"]


def check_skips(history, wrong):
    """What was to be skipped is set aside no more, and was not handled once that was noted; unless it was to be retried
    since."""
    kept = {record.event_id for record in history.kept if record.group == "auditor"}
    handled = {entry.event_id: entry.time_us for journal in history.journals.values() for entry in journal}
    for ask in skips_of(history):
        if not ask.count or is_revoked(history, ask):
            continue
        if ask.event_id in kept:
            wrong.append(f"{ask.event_id} was to be skipped, and is still set aside")
        if handled.get(ask.event_id, 0) > ask.end_us + IN_HAND_US:
            wrong.append(f"{ask.event_id} was handled {handled[ask.event_id] - ask.end_us} us after it was to be skipped")


def is_revoked(history, skip):
    """Whether the record may have been to be retried since: the last request counts. One without an answer may have come
    at any time."""
    return any(
        ask.action == "retry" and ask.key == skip.key and (ask.count is None or ask.end_us > skip.begin_us)
        for ask in history.asks
    )


def skipped(history):
    """Events that the auditor was to skip and did, by the state of the record."""
    there = {entry.event_id for journal in history.journals.values() for entry in journal}
    there |= {record.event_id for record in history.kept}
    states = collections.defaultdict(set)
    for ask in skips_of(history):
        if ask.event_id not in there:
            states[ask.state].add(ask.event_id)
    return states


def died_again(history):
    """Events whose death was announced more than once."""
    announcements = {event.id: event.fields["event_id"] for event in history.events.get(DEATHS, [])}
    return {event_id for event_id, count in collections.Counter(announcements.values()).items() if count > 1}


def check_gaps(history, wrong):
    """What was behind a gap was taken once, in order for each key; what was given up was not, though it came."""
    sources = collections.defaultdict(dict)
    for event in history.events.get(LEDGER_EVENTS, []):
        if from_elsewhere(event):
            sources[event.source].setdefault(event.sequence, event)
    gaps = {gap.source: gap for gap in history.gaps}
    wrong += [f"{source} had no gap, or has no events" for source in sources.keys() ^ gaps.keys()]
    for source, events in sources.items():
        if source not in gaps:
            continue
        gap = gaps[source]
        lost = {CLOSED: (), SKIPPED: (gap.missing, gap.first_held)}.get(gap.end, (gap.missing,))
        in_order = [events[sequence] for sequence in sorted(events)]
        for key, of_key in by_key(in_order).items():
            expected = [event.id for event in of_key if event.id not in lost]
            seen = [entry.event_id for entry in history.journals.get(key, [])]
            if seen != expected:
                wrong.append(f"key {key}: its gap was {gap.end}, so {expected} were due; the auditor saw {seen}")


def handled_meanwhile(history, gap):
    """How many entries of other keys the auditor made while the gap held up what was behind it in their partition."""
    keys = {
        event.key
        for topic in (ORDER_EVENTS, LEDGER_EVENTS)
        for event in history.events.get(topic, [])
        if event.partition == gap.partition and event.source != gap.source
    }
    return sum(
        gap.held_from_us < entry.time_us < gap.held_until_us for key in keys for entry in history.journals.get(key, [])
    )


def record_of(history, event_id):
    return next(record for record in history.kept if record.event_id == event_id)
