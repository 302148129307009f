"""Gaps in the chaos run: sources outside the mesh put events on a topic of the auditor's, one of which is missing. What
is behind it is held until the missing one comes after all, or until an operator gives it up."""

import contextlib
import itertools
import time

import grpc
from confluent_kafka import Producer

from admin import HELD, Admin
from auditor import ELSEWHERE, LEDGER_EVENTS
from history import CLOSED, SKIPPED, Gap
from support.kafka import cloud_event_headers, mesh_name
from support.mesh import wait_until

# Of each source. Its keys take turns.
EVENTS = 8
MISSING = 3
# One that is sent again while it is held.
REPEATED = MISSING + 2
BOOKED = "tradewind.chaos.v1.Booked"
# For whatever has to come although services and brokers are being killed.
PATIENCE = 150
ASK_AGAIN = 3


class Gaps:
    def __init__(self, cluster):
        self._admin = Admin(cluster, "auditor")
        self._mesh = mesh_name(cluster.brokers)
        # That connections are lost is no news; what could not be sent is told of by the callback.
        quiet = {"log_level": 2}
        self._producer = Producer({"bootstrap.servers": cluster.brokers, "enable.idempotence": True, **quiet})
        self._numbers = itertools.count(1)
        self.made = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Else it looks for the brokers for as long as the test's process lives.
        del self._producer

    def make(self, end, partition, hold):
        """Returns once there is nothing left of the gap; `hold` blocks for as long as it is to stay."""
        number = next(self._numbers)
        name = f"elsewhere-{number}"
        source = Source(self._producer, self._mesh, f"{ELSEWHERE}{number}", (f"{name}-a", f"{name}-b"), partition)
        source.send(*range(1, MISSING), *range(MISSING + 1, EVENTS + 1))
        wait_until(lambda: len(self._held(source)) == EVENTS - MISSING, PATIENCE, f"the events behind the gap of {name}")
        gap = Gap(source.name, partition, end, source.id_of(MISSING), source.id_of(MISSING + 1), time.time_ns() // 1000)
        source.send(REPEATED)
        hold()
        gap.held_until_us = time.time_ns() // 1000
        self.made.append(gap)
        if end != CLOSED:
            self._give_up(source, "skip" if end == SKIPPED else "retry")
        # Where the gap was given up it comes too late.
        source.send(MISSING)
        wait_until(lambda: self._held(source) == [], PATIENCE, f"the gap of {name} to end")

    def _held(self, source):
        """Ids of the records that are held, in the order in which they came; [None] where nobody says."""
        try:
            return sorted(record.id for key in source.keys for record in self._admin.list(state=HELD, key=key.encode()))
        except grpc.RpcError:
            return [None]

    def _give_up(self, source, action):
        first = wait_until(lambda: self._held(source), PATIENCE, "an answer of the auditor")[0]
        asked = float("-inf")

        def gone():
            nonlocal first, asked
            held = self._held(source)
            if held == [None]:
                return False
            first = first or held[0]
            if first in held and time.monotonic() - asked > ASK_AGAIN:
                asked = time.monotonic()
                with contextlib.suppress(grpc.RpcError):
                    self._admin.ask(action, id=first)
            return first not in held

        wait_until(gone, PATIENCE, f"the {action} of the event behind the gap of {source.name}")


class Source:
    """Somebody outside the mesh who numbers events like a service."""

    def __init__(self, producer, mesh, name, keys, partition):
        self._producer = producer
        self._mesh = mesh
        self.name = name
        self.keys = keys
        self._partition = partition

    def id_of(self, number):
        return f"{self.name}-{number}"

    def send(self, *numbers):
        """Returns once they are on the log, in this order."""
        for number in numbers:
            wait_until(lambda number=number: self._put(number), PATIENCE, f"event {number} of {self.name} to be on the log")

    def _put(self, number):
        key = self.keys[number % len(self.keys)]
        headers = {
            **cloud_event_headers(BOOKED, key),
            "ce_id": self.id_of(number),
            "ce_source": self.name,
            "ce_sequence": f"{1:016}-{number:016}",
            "ce_previous": f"{1:016}-{number - 1:016}",
            "tradewind-mesh": self._mesh,
        }
        # Booked.account, which is the key.
        value = b"\x0a" + bytes([len(key)]) + key.encode()
        errors = []
        self._producer.produce(
            LEDGER_EVENTS,
            key=key,
            value=value,
            headers=headers,
            partition=self._partition,
            on_delivery=lambda error, _: errors.append(error),
        )
        self._producer.flush(60)
        return errors == [None]
