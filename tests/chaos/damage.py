"""What the tests of the checker do to a history."""

import copy


def send_again(events, at):
    """The same record once more, as an outbox that is sent again leaves it."""
    again = copy.copy(events[at])
    again.offset = len(events) + 1
    events.append(again)


def decide_again(events, at):
    """The same content as an event of its own, as a command that acts twice leaves it."""
    send_again(events, at)
    last = max(event.sequence for event in events)
    events[-1].previous = last
    events[-1].sequence = f"{8:016}-{1:016}"
    events[-1].id += "-again"


def take_out(events, at):
    """As if it had never been emitted: the chain closes over it."""
    if at + 1 < len(events):
        events[at + 1].previous = events[at].previous
    del events[at]


def swap_contents(events, one, other):
    """Decided in the wrong order: places in the chain stay."""
    for name in ("id", "key", "type", "fields"):
        mine, its = getattr(events[one], name), getattr(events[other], name)
        setattr(events[one], name, its)
        setattr(events[other], name, mine)


def swap(items, one, other):
    items[one], items[other] = items[other], items[one]
