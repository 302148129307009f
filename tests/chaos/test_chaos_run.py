"""The chaos run: everything is killed, frozen, cut off and restarted while calls come in; then all heals, and the checker
proves from topics, stores and the client's record that nothing was lost, doubled or swapped.

How long, and with which seed: `tests/run chaos --minutes N --seed S`.
"""

import collections
import json
import time

import pytest

from admin import SKIPS, Operator
from auditor import died_again, handled_meanwhile, skipped, timers
from checker import check
from cluster import Counters, running
from evidence import gather, wait_until_quiet
from faults import KINDS, Havoc
from gaps import Gaps
from history import CLOSED, GIVEN_UP, SKIPPED
from saga import DEADLINE, ENDS, ORDER_EVENTS, timed_out
from support.mesh import TREE
from traffic import Traffic

# What must have happened, or the faults did not bite.
BITES = ("outbox rows sent again", "repeats dropped", "version conflicts", "commits fenced")
EXTRA_MINUTES = 3
# A payment that the sandbox thinks about comes at the moment of the deadline for it.
SETTINGS = {
    "order": (f"--order.stock_timeout={DEADLINE}s", f"--order.payment_timeout={DEADLINE}s"),
    "payment": (f"--payment.sandbox_delay={DEADLINE}s",),
}
RESULTS = TREE / "build" / "test-results"


@pytest.fixture
def cluster(tmp_path):
    with running(tmp_path / "cluster", settings=SETTINGS) as cluster:
        yield cluster


def test_nothing_is_lost_doubled_or_swapped_by_any_fault(cluster, chaos_minutes, chaos_seed):
    print(f"\nseed {chaos_seed}, {chaos_minutes} minutes")
    addresses = [instance.address for instance in cluster.of("gateway")]
    with (
        cluster.logs_on_failure(),
        Counters(cluster) as counters,
        Traffic(addresses, chaos_seed) as traffic,
        Gaps(cluster) as gaps,
    ):
        traffic.stock_shop()
        havoc = Havoc(cluster, traffic, gaps, chaos_seed)
        operator = Operator(cluster, chaos_seed)
        minutes = wreak(havoc, traffic, operator, chaos_minutes, counters)
        assert havoc.broken == []
        begin = time.monotonic()
        unanswered = traffic.repeat(seconds=240)
        assert unanswered == 0, f"{unanswered} calls were not answered although all has healed"
        wait_until_quiet(cluster, seconds=300)
        print(f"all calls answered and all at rest {time.monotonic() - begin:.0f} s after the last fault healed")

    history = gather(cluster, traffic.calls)
    history.gaps, history.asks = gaps.made, operator.asks
    violations = check(history)
    report(minutes, chaos_seed, havoc, counters, history, violations)
    assert violations == [], f"{len(violations)} violations:\n" + "\n".join(violations[:20])
    assert_faults_bit(havoc, counters)
    assert_every_way_was_gone(history)
    assert_timers_fired(history)
    assert_gaps_held_nothing_else_up(history)
    assert_operator_acted(operator, history)


def wreak(havoc, traffic, operator, minutes, counters):
    """Has calls come in and faults happen for so long, and heals all; returns the minutes it was."""
    begin = time.monotonic()
    traffic.start()
    havoc.start()
    operator.start()
    try:
        while not havoc.broken and not over(time.monotonic() - begin, minutes, operator, counters):
            time.sleep(1)
    finally:
        operator.stop()
        havoc.stop()
        traffic.stop()
    return (time.monotonic() - begin) / 60


def over(seconds, minutes, operator, counters):
    # Whether a commit is fenced is a matter of milliseconds: a short run may need another freeze.
    complete = not missing_bites(counters) and not operator.missing()
    return seconds > 60 * (minutes + EXTRA_MINUTES) or (seconds > 60 * minutes and complete)


def missing_bites(counters):
    totals = counters.totals()
    return [bite for bite in BITES if totals[bite] == 0]


def assert_faults_bit(havoc, counters):
    for kind in KINDS:
        assert any(fault.kind == kind and fault.in_flight > 0 for fault in havoc.done), f"no call was under way at a {kind}"
    assert not missing_bites(counters), f"no {missing_bites(counters)}: the faults did not bite"


def assert_every_way_was_gone(history):
    """A saga that never came to one of its ends under faults says nothing of it."""
    ends = {tuple(events) for events in last_events(history).values()}
    assert ends >= ENDS.keys(), f"no order ended by {ENDS.keys() - ends}"


def assert_timers_fired(history):
    set_, fired = timers(history)
    assert 0 < fired < set_, f"of {set_} timers of the auditor {fired} fired"
    assert timed_out(history), "no order came to its deadline"


def assert_gaps_held_nothing_else_up(history):
    for end in (CLOSED, GIVEN_UP, SKIPPED):
        others = [handled_meanwhile(history, gap) for gap in history.gaps if gap.end == end]
        assert sum(others) > 0, f"nothing else was handled meanwhile on a partition with a gap that was {end}"


def assert_operator_acted(operator, history):
    assert not operator.missing(), f"nobody asked for {operator.missing()}"
    for state in SKIPS:
        assert skipped(history)[state], f"nothing {state} was skipped"
    assert died_again(history), "nothing that was to be retried died again"


def last_events(history):
    """The last two of each order, as they lie on the topic."""
    types = collections.defaultdict(dict)
    for event in history.events[ORDER_EVENTS]:
        types[event.key][int(event.fields["revision"])] = event.type
    return {key: [by_revision[number] for number in sorted(by_revision)][-2:] for key, by_revision in types.items()}


def report(minutes, seed, havoc, counters, history, violations):
    """Prints what happened, and keeps it as a line of build/test-results/chaos-runs.jsonl."""
    outcomes = collections.Counter(
        "accepted" if call.accepted_id else "answered" if call.answer is not None else call.problem.partition(":")[0].strip()
        for call in history.calls
    )
    events = sum(len(records) for records in history.events.values())
    totals = counters.totals()
    row = {
        "seed": seed,
        "minutes": round(minutes, 1),
        "faults": dict(havoc.by_kind()),
        "calls": len(history.calls),
        "orders": len(history.orders),
        "events": events,
        **totals,
        "dead": sum(record.dead for record in history.kept),
        "timers set and fired": timers(history),
        "orders timed out": len(timed_out(history)),
        "gaps": len(history.gaps),
        "handled meanwhile": sum(handled_meanwhile(history, gap) for gap in history.gaps),
        "asked to retry and to skip": [
            sum(ask.count or 0 for ask in history.asks if ask.action == action) for action in ("retry", "skip")
        ],
        "skipped": {state: len(events) for state, events in skipped(history).items()},
        "died again": len(died_again(history)),
        "violations": len(violations),
    }
    ends = collections.Counter(" ".join(events).replace("Order", "") for events in last_events(history).values())
    print(f"calls: {dict(outcomes)}")
    print(f"orders by their last two events: {dict(ends)}")
    print(json.dumps(row, indent=2))
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / "chaos-runs.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
