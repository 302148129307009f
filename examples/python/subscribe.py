#!/usr/bin/env python3
"""Subscribes to confirmed orders from Python: Kafka, CloudEvents and the protos are all it needs of Tradewind.

    python3 -m venv venv && venv/bin/pip install confluent-kafka cloudevents grpcio-tools googleapis-common-protos
    venv/bin/python subscribe.py --brokers 127.0.0.1:9092 --protos ../../proto

It prints a line for each order that was confirmed, those of the past first, until it is told to end.
"""

import argparse
import importlib
import operator
import re
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import grpc_tools
from confluent_kafka import Consumer, KafkaException
from grpc_tools import protoc

from cloudevents.core.bindings import kafka as cloudevents_kafka

TOPIC = "order.events.v1"
CONFIRMED = "tradewind.order.v1.OrderConfirmed"


def generate(protos):
    """Has protoc make Python modules of the protos, in a folder that goes when the process does."""
    folder = tempfile.TemporaryDirectory(prefix="tradewind-protos-")
    files = [str(file.relative_to(protos)) for file in protos.glob("tradewind/*/v1/*.proto")]
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    common = Path(importlib.import_module("google.type").__path__[0]).parents[1]
    includes = [f"-I{path}" for path in (protos, well_known, common)]
    if protoc.main(["protoc", *includes, f"--python_out={folder.name}", *files]) != 0:
        raise SystemExit("protoc failed")
    sys.path.insert(0, folder.name)
    return folder


class NoEvent(Exception):
    """What is wrong with a record that is no event of Tradewind's."""


# <epoch>-<number>; the epoch is a time in milliseconds, and one after 2100 is none that a clock gave.
SEQUENCE = re.compile(r"([0-9]{16})-[0-9]{16}", re.ASCII)
LATEST_EPOCH = 4_102_444_800_000


class Seen:
    """Recognises an event that comes again, and one that comes after a gap.

    Kafka hands a record out again after a crash, and Tradewind sends an event again where it cannot know whether Kafka
    took it. Each event says where it stands: `ce_source` is the task that sent it, and `ce_sequence`, zero-padded so that
    it sorts as text, rises within one source and partition. So one text for each partition and source tells repeats
    apart, however many events there were. `ce_previous` is the sequence before it in that partition: where that was not
    seen, events are missing in between.

    Only a `ce_sequence` of Tradewind's form counts: other producers may use the name for something else, and an event
    without one is taken as it comes. Marks are kept for each value of `tradewind-mesh`, by which newer versions name the
    mesh: a record that was copied from another one has the same sources, and would otherwise hide ours.

    Here these marks last as long as the process, and those of at most 10,000 sources a partition. A subscriber that must
    take each event exactly once keeps them in its database, written in the transaction that writes what the event
    changed, as Tradewind's own runtime does; it then starts from the offsets in there, not from those that Kafka
    remembers.
    """

    MOST_SOURCES = 10_000

    def __init__(self):
        self._partitions = {}

    def _last(self, event):
        return self._partitions.get(event.partition, {}).get((event.mesh, event.source))

    def is_repeat(self, event):
        last = self._last(event)
        return event.sequence is not None and last is not None and event.sequence <= last

    def is_after_a_gap(self, event):
        last = self._last(event)
        return event.sequence is not None and last is not None and event.previous is not None and event.previous > last

    def remember(self, event):
        if event.sequence is None:
            return
        marks = self._partitions.setdefault(event.partition, {})
        # The one that spoke last goes to the end; the one that has been silent longest goes.
        marks.pop((event.mesh, event.source), None)
        marks[(event.mesh, event.source)] = event.sequence
        if len(marks) > self.MOST_SOURCES:
            del marks[next(iter(marks))]


@dataclass
class Event:
    partition: int
    type: str
    source: str
    # None where there is none of Tradewind's form.
    sequence: str | None
    previous: str | None
    # None on records of versions that did not name the mesh.
    mesh: bytes | None


# message.headers(), checked: where the name of a header is not UTF-8, confluent-kafka returns a broken list and an
# exception, and Python ends at the list where the call is a plain one that has been made often.
get_headers = operator.methodcaller("headers")


def headers_of(message):
    """The headers as a dict. Those without a value count as absent, and of two with one name the last holds, unless they
    are those that say what the event is."""
    headers = {}
    for name, value in get_headers(message) or []:
        if name in headers and name.startswith(("ce_", "tradewind-")):
            raise NoEvent(f"header {name} is there twice")
        headers[name] = value
    return {name: value for name, value in headers.items() if value is not None}


def sequence_of(headers, name):
    """The header's text where it is of Tradewind's form, else None."""
    text = headers.get(name, b"").decode("ascii", "replace")
    form = SEQUENCE.fullmatch(text)
    if form is None:
        return None
    if int(form[1]) > LATEST_EPOCH:
        raise NoEvent(f"header {name} is {text}, later than any clock")
    return text


def read(message):
    """The event that a record is. Raises where it is none: anybody may put anything on a topic."""
    headers = headers_of(message)
    content_type = headers.get("content-type", b"").decode("ascii", "replace")
    if content_type.lower().startswith("application/cloudevents"):
        raise NoEvent(f"its content-type is {content_type!r}; Tradewind reads CloudEvents in binary mode alone")
    for name, value in (("ce_specversion", b"1.0"), ("ce_id", None), ("ce_type", None), ("ce_source", None)):
        if not headers.get(name) or (value is not None and headers[name] != value):
            raise NoEvent(f"header {name} is missing or not one of CloudEvents 1.0")
    if message.value() is None:
        raise NoEvent("it has no value")
    attributes = {name: value for name, value in headers.items() if name.startswith("ce_") or name == "content-type"}
    event = cloudevents_kafka.from_binary_event(
        cloudevents_kafka.KafkaMessage(headers=attributes, key=message.key(), value=message.value())
    )
    return Event(
        partition=message.partition(),
        type=event.get_type(),
        source=event.get_source(),
        sequence=sequence_of(headers, "ce_sequence"),
        previous=sequence_of(headers, "ce_previous"),
        mesh=headers.get("tradewind-mesh"),
    )


def read_order(message, confirmed):
    # From the record's own bytes: the SDK takes bytes that happen to be UTF-8 for text.
    order = confirmed.FromString(message.value())
    if not order.order_id or order.order_id.encode() != message.key():
        raise NoEvent(f"its key is not the order_id in it, {order.order_id!r}")
    return order


def handle(order):
    """What this subscriber is for. An exception ends the process before the record is committed: it comes again."""
    print(f"order {order.order_id} of {order.user_id}: {order.total.units} {order.total.currency_code}", flush=True)


def take(message, seen, confirmed):
    """Handles the record if it is a confirmed order that was not handled before."""
    place = f"{message.topic()}-{message.partition()}@{message.offset()}"
    try:
        event = read(message)
        order = read_order(message, confirmed) if event.type == CONFIRMED else None
    except Exception as error:  # Whatever a library makes of bytes that it did not expect.
        # Somebody's mistake, and no reason to stop: Tradewind's own services keep such a record for a person.
        print(f"{place} is no event: {error or type(error).__name__}", file=sys.stderr, flush=True)
        return
    if seen.is_repeat(event):
        return
    if seen.is_after_a_gap(event):
        # Tradewind's own services wait for what is missing; this one only says so.
        print(f"{place} comes after a gap: {event.source} sent {event.previous} before it", file=sys.stderr, flush=True)
    if order is not None:
        handle(order)
    # Of every type: the next one of the source names this one as its previous.
    seen.remember(event)


def commit(consumer, message):
    """Says that the record is handled. Where Kafka is away, or the partition has gone to another consumer, that one's next
    commit says it too, or the record comes again."""
    try:
        consumer.commit(message, asynchronous=False)
    except KafkaException as error:
        if error.args[0].fatal():
            raise
        print(f"not committed: {error.args[0]}", file=sys.stderr, flush=True)


def run(options):
    generated = generate(Path(options.protos).resolve())
    confirmed = importlib.import_module("tradewind.order.v1.events_pb2").OrderConfirmed
    consumer = Consumer(
        {
            "bootstrap.servers": options.brokers,
            "group.id": options.group,
            "auto.offset.reset": "earliest",
            # Committed below, once a record is handled, not when it was fetched.
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([TOPIC])
    seen = Seen()
    signals = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            # Started with nohup.
            continue
        signal.signal(number, lambda number, _: signals.append(number))
    try:
        while not signals:
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                if message.error().fatal():
                    raise KafkaException(message.error())
                # Kafka is away: the consumer goes on by itself once it is back.
                print(message.error(), file=sys.stderr, flush=True)
                continue
            take(message, seen, confirmed)
            commit(consumer, message)
    finally:
        consumer.close()
        generated.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brokers", default="127.0.0.1:9092", help="Kafka, host:port (%(default)s)")
    parser.add_argument("--group", default="python_example", help="consumer group (%(default)s)")
    parser.add_argument(
        "--protos",
        default=str(Path(__file__).parents[2] / "proto"),
        help="folder with tradewind/*.proto: proto of the tree, or share/tradewind/proto of an installation",
    )
    run(parser.parse_args())


if __name__ == "__main__":
    main()
