"""Reads what a chaos run left behind: topics by a client of Kafka's, stores by SQL, the services' own lists by gRPC."""

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from cluster import SUBSCRIBERS
from history import Event, History, Kept
from support.client import NOTIFICATIONS, ORDERS, USERS, Client
from support.mesh import wait_until

TOPICS = (
    "user.events.v1",
    "order.events.v1",
    "notification.events.v1",
    "ledger.events.v1",
    "ledger.rekeyed.v1",
    "mesh.dead.v1",
)
GROUPS = ("user", "order", "notification", "ledger", "auditor")
# store::KeptState
_DEAD = 1


class Messages:
    """Decodes by type name."""

    def __init__(self):
        files = descriptor_pb2.FileDescriptorSet()
        files.ParseFromString((SUBSCRIBERS / "descriptors.binpb").read_bytes())
        self._pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self._pool.Add(file)
        self._classes = {}

    def decode(self, type_name, data):
        if type_name not in self._classes:
            self._classes[type_name] = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(type_name))
        message = self._classes[type_name]()
        message.ParseFromString(data)
        return message

    def as_dict(self, type_name, data):
        return json_format.MessageToDict(
            self.decode(type_name, data), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )


def wait_until_quiet(cluster, seconds):
    """Until nothing is under way any more: every group has read to the end, every outbox is empty and nothing waits to be
    retried but what is behind a dead one."""
    admin = AdminClient({"bootstrap.servers": cluster.brokers})
    consumer = Consumer({"bootstrap.servers": cluster.brokers, "group.id": "unused"})
    try:
        wait_until(lambda: not _unquiet(cluster, admin, consumer), seconds, "quiet")
    except AssertionError as error:
        raise AssertionError(f"{error}: {_unquiet(cluster, admin, consumer)}") from None
    finally:
        consumer.close()


def _unquiet(cluster, admin, consumer):
    for group in GROUPS:
        [[aside]] = cluster.rows(
            f'SELECT count(*) FROM "{group}".kept k WHERE NOT EXISTS (SELECT FROM "{group}".kept d'
            f" WHERE d.state = {_DEAD} AND d.key = k.key AND d.partition = k.partition)"
        )
        if aside != "0":
            return f"{aside} records set aside by {group}"
        committed = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
        for position in committed.topic_partitions:
            _, end = consumer.get_watermark_offsets(TopicPartition(position.topic, position.partition), timeout=10)
            if position.offset < end:
                return f"{group} is at {position.offset} of {end} in {position.topic}/{position.partition}"
    return ""


def gather(cluster, calls):
    messages = Messages()
    history = History(calls=calls)
    for topic in TOPICS:
        history.events[topic] = read_topic(cluster, topic, messages)
    client = Client(cluster.instances["gateway-1"].address)
    try:
        history.orders = client.all_pages(ORDERS, "ListOrders", "orders")
        history.users = client.all_pages(USERS, "ListUsers", "users")
        history.notifications = client.all_pages(NOTIFICATIONS, "ListNotifications", "notifications")
    finally:
        client.close()
    history.journals = read_journals(cluster, messages)
    for key, account in read_aggregates(cluster, "ledger", "Account", messages):
        history.accounts[key] = (account.balance, account.bookings)
    history.kept = read_kept(cluster, messages)
    return history


def read_topic(cluster, topic, messages):
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.brokers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "check.crcs": True,
        }
    )
    events = []
    try:
        ends = {}
        for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            assert low == 0, f"{topic}/{partition} begins at {low}"
            if high > 0:
                ends[partition] = high
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        deadline = time.monotonic() + 120
        while ends:
            assert time.monotonic() < deadline, f"reading {topic} takes too long; to come: {ends}"
            for record in consumer.consume(1000, timeout=1):
                assert record.error() is None, f"{topic}: {record.error()}"
                events.append(as_event(record, messages))
                if record.offset() + 1 >= ends.get(record.partition(), 0):
                    ends.pop(record.partition(), None)
    finally:
        consumer.close()
    return events


def as_event(record, messages):
    headers = {name: value.decode() for name, value in record.headers()}
    return Event(
        topic=record.topic(),
        partition=record.partition(),
        offset=record.offset(),
        key=record.key().decode(),
        id=headers["ce_id"],
        type=headers["ce_type"].rpartition(".")[2],
        source=headers["ce_source"],
        sequence=headers.get("ce_sequence", ""),
        previous=headers.get("ce_previous", ""),
        fields=messages.as_dict(headers["ce_type"], record.value()),
    )


def read_aggregates(cluster, service, kind, messages):
    type_name = f"tradewind.chaos.v1.{kind}"
    rows = cluster.rows(
        f"""SELECT encode(a.key, 'hex'), encode(a.value, 'hex') FROM "{service}".aggregate a
            JOIN "{service}".name n ON n.id = a.kind WHERE n.name = '{type_name}'"""
    )
    for key, value in rows:
        yield bytes.fromhex(key).decode(), messages.decode(type_name, bytes.fromhex(value))


def read_journals(cluster, messages):
    entries = {key: entry.event_id for key, entry in read_aggregates(cluster, "auditor", "JournalEntry", messages)}
    return {
        key: [entries.pop(f"{key}#{number}") for number in range(1, journal.length + 1)]
        for key, journal in read_aggregates(cluster, "auditor", "Journal", messages)
    }


def read_kept(cluster, messages):
    kept = []
    for group in GROUPS:
        rows = cluster.rows(
            f"""SELECT encode(key, 'hex'), state, encode(record, 'hex') FROM "{group}".kept ORDER BY partition, id"""
        )
        for key, state, record in rows:
            headers = messages.decode("tradewind.mesh.v1.KeptRecord", bytes.fromhex(record)).headers
            event_id = next(header.value.decode() for header in headers if header.name == "ce_id")
            kept.append(Kept(group, bytes.fromhex(key).decode(), event_id, dead=int(state) == _DEAD))
    return kept
