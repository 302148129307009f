"""What the checker knows of the auditor: which events it must have handled, when its timers may fire, and what may be
dead."""

import collections

from saga import ORDER_EVENTS, by_key

LEDGER_EVENTS = "ledger.events.v1"
DEATHS = "mesh.dead.v1"
# An order for this product is one whose confirmation the auditor cannot take.
DEAD_PRODUCT = "dead"

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
    for key in decided.keys() | history.journals.keys() | aside.keys():
        handled = history.journals.get(key, [])
        check_journal(key, decided.get(key, []), handled, aside.get(key, []), wrong)
        check_reminders(key, decided.get(key, []), handled, aside.get(key, []), wrong)
    check_dead(history, taken, wrong)


def check_journal(key, decided, handled, aside, wrong):
    """It saw every event of the key in order, up to the first that is dead; the rest waits, in order."""
    expected = [event.id for event in decided]
    seen = [event_id for event_id in [entry.event_id for entry in handled] + aside if not event_id.endswith(REMINDER)]
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
    expected = {event.id for event in deadly(taken.get(ORDER_EVENTS, []))}
    kept = {record.event_id for record in history.kept if record.dead}
    announced = {event.fields["event_id"] for event in taken.get(DEATHS, [])}
    wrong += [f"{event_id} should be dead and is not" for event_id in expected - kept]
    wrong += [f"{event_id} is dead: {record_of(history, event_id)}" for event_id in kept - expected]
    wrong += [f"the death of {event_id} was not announced" for event_id in kept - announced]
    wrong += [f"the death of {event_id} was announced, and it is not dead" for event_id in announced - kept]
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


def record_of(history, event_id):
    return next(record for record in history.kept if record.event_id == event_id)
