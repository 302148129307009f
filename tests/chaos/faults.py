"""The faults of the chaos run: drawn from a seed, so that a run can be repeated, and done to a Cluster while calls are under
way. Three hands work at once: one at the services, one at what they stand on, one at events that somebody outside the
mesh sends."""

import collections
import random
import threading
import time
from dataclasses import dataclass

from cluster import BROKERS, PARTITIONS, SCALED, SERVICES, SUBSCRIBERS, Cluster
from history import CLOSED, GIVEN_UP, SKIPPED

# Beyond the consumer's session timeout of 6 s: the frozen one's partitions go to others before it wakes up.
FREEZE_SECONDS = (7, 10)
# A fault waits for a moment with this many calls under way.
IN_FLIGHT = 8
IN_FLIGHT_PATIENCE = 15
# The freeze of a subscriber waits for a moment at which one of its handlers runs: the process then wakes up in the middle of
# a batch, to a commit that must be refused.
AT_WORK_PATIENCE = 3

PAUSES = {"services": (0.5, 3), "ground": (2, 5), "elsewhere": (0.5, 3)}
# From the begin of a burst of calls: first the called services are at work on it, then the subscribers.
INTO_BURST = (0, 0.06)
# How often each service, beside the others.
FROZEN = {
    "ledger": 6,
    "auditor": 6,
    "order": 2,
    "inventory": 2,
    "payment": 2,
    "shipping": 1,
    "notification": 1,
    "user": 1,
    "gateway": 1,
}


@dataclass
class Fault:
    hand: str
    kind: str
    target: str
    # Until it heals.
    seconds: float
    # Before it, after the last one of the same hand.
    pause: float
    # After the begin of the burst.
    into_burst: float
    # Since the begin of the run, once it was done.
    at: float = 0
    in_flight: int = 0

    def __str__(self):
        return f"{self.at:6.1f} s  {self.kind:<18} {self.target:<15} for {self.seconds:4.1f} s, {self.in_flight} calls in flight"


def _service_fault(kind, choose):
    if kind == "kill":
        return f"{choose.choice(SERVICES)}-{choose.choice((1, 2))}", choose.uniform(0, 8)
    if kind == "freeze":
        service = choose.choices(list(FROZEN), list(FROZEN.values()))[0]
        return f"{service}-{choose.choice((1, 2))}", choose.uniform(*FREEZE_SECONDS)
    return choose.choice(SCALED), choose.uniform(3, 8)


def _ground_fault(kind, choose):
    if kind in ("kill broker", "freeze broker"):
        return str(choose.choice(BROKERS)), choose.uniform(1, 8)
    if kind == "restart PostgreSQL":
        return "postgres", 0
    return choose.choice(Cluster.PROXIES), choose.uniform(0.2, 4)


def _gap(kind, choose):
    return f"partition {choose.randrange(PARTITIONS)}", choose.uniform(2, 8)


# How often of each deck of cards: kinds come in random order, and none is forgotten.
DECKS = {
    "services": (["kill"] * 3 + ["freeze"] * 3 + ["scale"] * 2, _service_fault),
    "ground": (["kill broker", "freeze broker", "restart PostgreSQL", "cut", "cut", "stall"], _ground_fault),
    "elsewhere": ([f"gap {end}" for end in (CLOSED, GIVEN_UP, SKIPPED)], _gap),
}
KINDS = sorted({kind for deck, _ in DECKS.values() for kind in deck})


def draw(seed, hand):
    """An endless sequence of faults for one hand."""
    choose = random.Random(f"{seed}/{hand}")
    deck, fault = DECKS[hand]
    while True:
        for kind in choose.sample(deck, len(deck)):
            target, seconds = fault(kind, choose)
            pause, into_burst = choose.uniform(*PAUSES[hand]), choose.uniform(*INTO_BURST)
            yield Fault(hand, kind, target, seconds, pause, into_burst)


class Havoc:
    """Does the faults of a seed to a cluster until told to stop. Everything heals before `stop` returns."""

    def __init__(self, cluster, traffic, gaps, seed):
        self._cluster = cluster
        self._traffic = traffic
        self._gaps = gaps
        self._seed = seed
        self._stop = threading.Event()
        self._begin = time.monotonic()
        self._threads = []
        self.done = []
        self.broken = []

    def start(self):
        self._threads = [threading.Thread(target=self._work, args=(hand,)) for hand in DECKS]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def by_kind(self):
        return collections.Counter(fault.kind for fault in self.done)

    def _work(self, hand):
        for fault in draw(self._seed, hand):
            if self._stop.wait(fault.pause):
                return
            try:
                self._do(fault)
            except Exception as error:
                # What is left undone would make everything after it meaningless.
                self.broken.append(f"{fault}: {error}")
                return

    def _do(self, fault):
        deadline = time.monotonic() + IN_FLIGHT_PATIENCE
        while self._traffic.in_flight < IN_FLIGHT and time.monotonic() < deadline and not self._stop.is_set():
            time.sleep(0.001)
        time.sleep(fault.into_burst)
        fault.at = time.monotonic() - self._begin
        fault.in_flight = self._traffic.in_flight
        self.done.append(fault)
        print(fault, flush=True)
        if fault.hand == "elsewhere":
            self._gap(fault)
        else:
            getattr(self, "_" + fault.kind.lower().replace(" ", "_"))(fault)

    def _hold(self, fault):
        self._stop.wait(fault.seconds)

    def _kill(self, fault):
        instance = self._cluster.instances[fault.target]
        instance.kill()
        self._hold(fault)
        instance.start()

    def _freeze(self, fault):
        instance = self._cluster.instances[fault.target]
        if instance.service in SUBSCRIBERS:
            self._wait_for_work(instance)
        instance.freeze()
        self._hold(fault)
        instance.thaw()

    def _wait_for_work(self, instance):
        deadline = time.monotonic() + AT_WORK_PATIENCE
        while not instance.is_at_work() and time.monotonic() < deadline and not self._stop.is_set():
            time.sleep(0.0005)

    def _scale(self, fault):
        third = self._cluster.instances.get(f"{fault.target}-3") or self._cluster.add(fault.target, 3)
        third.start()
        self._hold(fault)
        code = third.stop()
        assert code == 0, f"{third.name} ended with {code}"

    def _kill_broker(self, fault):
        number = int(fault.target)
        self._cluster.kill_broker(number)
        self._hold(fault)
        self._cluster.start_broker(number)

    def _freeze_broker(self, fault):
        number = int(fault.target)
        self._cluster.freeze_broker(number)
        self._hold(fault)
        self._cluster.thaw_broker(number)

    def _restart_postgresql(self, fault):
        self._cluster.restart_postgres()
        self._hold(fault)

    def _cut(self, fault):
        self._cluster.disturb("cut", fault.target, fault.seconds)
        self._hold(fault)

    def _stall(self, fault):
        self._cluster.disturb("stall", fault.target, fault.seconds)
        self._hold(fault)

    def _gap(self, fault):
        partition = int(fault.target.rpartition(" ")[2])
        self._gaps.make(fault.kind.removeprefix("gap "), partition, hold=lambda: self._hold(fault))
