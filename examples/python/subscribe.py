#!/usr/bin/env python3
"""Subscribes to confirmed orders from Python: Kafka, CloudEvents and the protos are all it needs of Tradewind.

    python3 -m venv venv && venv/bin/pip install confluent-kafka cloudevents grpcio-tools googleapis-common-protos
    venv/bin/python subscribe.py --brokers 127.0.0.1:9092 --protos ../../proto

It prints a line for each order that was confirmed, those of the past first, until it is told to end.
"""

import argparse
import importlib
import signal
import sys
import tempfile
from pathlib import Path

import grpc_tools
from confluent_kafka import Consumer, KafkaException
from google.protobuf.message import DecodeError
from grpc_tools import protoc

from cloudevents.core.bindings import kafka as cloudevents_kafka
from cloudevents.core.exceptions import BaseCloudEventException as CloudEventError

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


class Seen:
    """Recognises an event that comes again.

    Kafka hands a record out again after a crash, and Tradewind sends an event again where it cannot know whether Kafka
    took it. Each event says where it stands: `ce_source` is the task that sent it, and `ce_sequence`, zero-padded so that
    it sorts as text, rises within one source and partition. So one text for each partition and source tells repeats
    apart, however many events there were. (`ce_previous` is the sequence before it in that partition: an event whose
    `ce_previous` was not seen yet comes after a gap.)

    Here these marks last as long as the process. A subscriber that must take each event exactly once keeps them in its
    database, written in the transaction that writes what the event changed, as Tradewind's own runtime does; it then
    starts from the offsets in there, not from those that Kafka remembers.
    """

    def __init__(self):
        self._last = {}

    def is_repeat(self, partition, source, sequence):
        return sequence <= self._last.get((partition, source), "")

    def remember(self, partition, source, sequence):
        self._last[(partition, source)] = sequence


def handle(order):
    """What this subscriber is for. An exception ends the process before the record is committed: it comes again."""
    print(f"order {order.order_id} of {order.user_id}: {order.total.units} {order.total.currency_code}", flush=True)


def take(message, seen, confirmed):
    """Handles the record if it is a confirmed order that was not handled before."""
    record = cloudevents_kafka.KafkaMessage(
        headers=dict(message.headers() or []), key=message.key(), value=message.value()
    )
    place = f"{message.topic()}-{message.partition()}@{message.offset()}"
    try:
        event = cloudevents_kafka.from_binary_event(record)
        if event.get_type() != CONFIRMED:
            return
        # As Kafka has it: the SDK takes bytes that happen to be UTF-8 for text.
        order = confirmed.FromString(message.value() or b"")
    except (CloudEventError, DecodeError, ValueError) as error:
        # Somebody's mistake, and no reason to stop: Tradewind's own services keep such a record for a person.
        print(f"{place} is no event: {error}", file=sys.stderr, flush=True)
        return
    source, sequence = event.get_source(), event.get_extension("sequence")
    if seen.is_repeat(message.partition(), source, sequence):
        return
    handle(order)
    seen.remember(message.partition(), source, sequence)


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
    for number in (signal.SIGINT, signal.SIGTERM):
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
            consumer.commit(message, asynchronous=False)
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
