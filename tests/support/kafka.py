"""Kafka as any foreign client sees it: by kcat and by confluent-kafka."""

import json
import subprocess
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

import cloudevents.core.bindings.kafka as cloudevents_kafka


def kcat(broker, *arguments, stdin=None):
    done = subprocess.run(
        ["kcat", "-b", broker, "-q", *arguments], input=stdin, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"kcat {' '.join(arguments)}: {done.stderr.decode()}"
    return done.stdout


def produce(broker, topic, key, value, headers=None, partition=None):
    """One record by kcat. The value must not hold a line feed, at which kcat begins another record."""
    assert b"\n" not in value
    arguments = ["-P", "-t", topic, "-k", key, "-X", "partitioner=murmur2_random"]
    for name, text in (headers or {}).items():
        arguments += ["-H", f"{name}={text}"]
    if partition is not None:
        arguments += ["-p", str(partition)]
    kcat(broker, *arguments, stdin=value)


def send(broker, topic, key, value, headers, partition=-1):
    """One record of any bytes, by confluent-kafka."""
    send_all(broker, topic, [(key, value, headers)], partition=partition)


def send_all(broker, topic, records, settings=None, timestamp_ms=0, partition=-1):
    """Records of any bytes, each a key, a value and headers, in one batch where they fit; `settings` are the producer's. The
    time of the records is now where it is 0, and their partition that of their key where it is -1."""
    batch = {"linger.ms": 500} if len(records) > 1 else {}
    producer = Producer({"bootstrap.servers": broker, "partitioner": "murmur2_random", **batch, **(settings or {})})
    for key, value, headers in records:
        producer.produce(topic, key=key, value=value, headers=headers, timestamp=timestamp_ms, partition=partition)
    assert producer.flush(30) == 0


def cloud_event_headers(event_type, key):
    return {
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),
        "ce_type": event_type,
        "ce_source": "tests",
        "ce_subject": key,
        "content-type": "application/protobuf",
    }


def mesh_name(broker, topic_prefix=""):
    """What a record of the mesh on this broker has in its header `tradewind-mesh`."""
    return f"{AdminClient({'bootstrap.servers': broker}).list_topics(timeout=10).cluster_id}/{topic_prefix}"


def consume_with_headers(broker, topic):
    """Everything on the topic now, as kcat's JSON envelopes."""
    # kcat puts a payload's bytes into the JSON as they are.
    output = kcat(broker, "-C", "-t", topic, "-e", "-J").decode(errors="replace")
    return [json.loads(line, strict=False) for line in output.split("\n") if line]


def header_map(envelope):
    """kcat prints headers as one flat list of names and values."""
    flat = envelope.get("headers", [])
    return dict(zip(flat[::2], flat[1::2]))


def read_record(broker, topic, wanted):
    """The first record on the topic for which `wanted` is true, read by confluent-kafka; None where there is none."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "unused", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        ends = {}
        starts = []
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            if low < high:
                ends[partition] = high
                starts.append(TopicPartition(topic, partition, low))
        consumer.assign(starts)
        while ends:
            record = consumer.poll(10)
            if record is None or record.error():
                raise AssertionError(f"reading {topic}: {record and record.error()}")
            if wanted(record):
                return record
            if record.offset() + 1 >= ends.get(record.partition(), 0):
                ends.pop(record.partition(), None)
        return None
    finally:
        consumer.close()


def delete_up_to(broker, places):
    """Has Kafka delete the records before the offset of each place, as it does with those that expire."""
    # Answers come for as long as the client is there.
    admin = AdminClient({"bootstrap.servers": broker})
    for deleted in admin.delete_records(places).values():
        deleted.result(timeout=30)


def as_cloud_event_message(record):
    return cloudevents_kafka.KafkaMessage(headers=dict(record.headers()), key=record.key(), value=record.value())
