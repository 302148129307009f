"""Reads what a chaos run left behind: topics by a client of Kafka's, stores by SQL, the services' own lists by gRPC."""

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.rpc import status_pb2
from grpc import StatusCode

from cluster import SUBSCRIBER_PROGRAMS, SUBSCRIBERS
from history import Command, Entry, Event, History, Kept
from support.client import NOTIFICATIONS, ORDERS, USERS, Client, as_dict
from support.mesh import OWNERS, wait_until

TOPICS = (
    "user.events.v1",
    "order.events.v1",
    "inventory.events.v1",
    "payment.events.v1",
    "shipping.events.v1",
    "notification.events.v1",
    "notification.deliveries.v1",
    "ledger.events.v1",
    "ledger.rekeyed.v1",
    "mesh.dead.v1",
)
COMMAND_TOPICS = tuple(f"{owner}.commands.v1" for owner in OWNERS)
# Each has a store under its name.
GROUPS = (*OWNERS, *SUBSCRIBERS)
# store::KeptState
_DEAD = 1


class Messages:
    """Makes and decodes messages by type name."""

    def __init__(self):
        files = descriptor_pb2.FileDescriptorSet()
        files.ParseFromString((SUBSCRIBER_PROGRAMS / "descriptors.binpb").read_bytes())
        self._pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            self._pool.Add(file)
        self._classes = {}

    def make(self, type_name, **fields):
        if type_name not in self._classes:
            self._classes[type_name] = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(type_name))
        return self._classes[type_name](**fields)

    def decode(self, type_name, data):
        message = self.make(type_name)
        message.ParseFromString(data)
        return message

    def as_dict(self, type_name, data):
        return as_dict(self.decode(type_name, data))


def wait_until_quiet(cluster, seconds):
    """Until nothing is under way any more: every group has read to the end, every outbox is empty, no effect is running, no
    timer is set, nothing waits to be retried but what is behind a dead one, what a person asked for is carried out, and no
    order waits for another service. The services answer
    each other in a circle, so one look at each of them in turn proves nothing: it takes two, with no record between."""
    messages = Messages()

    def under_way():
        return _work_in_stores(cluster, messages) or _orders_under_way(cluster, messages)

    wait_until_read(cluster.brokers, GROUPS, seconds, under_way)


def wait_until_read(brokers, groups, seconds, under_way=lambda: ""):
    """Until two looks in a row find these and all other groups at the ends of their topics and nothing `under_way`, and
    between them nothing was put on any topic. `under_way` says what is, or nothing."""
    admin = AdminClient({"bootstrap.servers": brokers})
    # Of the last look, where that found nothing under way.
    quiet_ends = None
    reason = ""

    def quiet():
        nonlocal quiet_ends, reason
        ends = _ends(admin)
        reason = _unread(admin, groups, ends) or under_way()
        before, quiet_ends = quiet_ends, None if reason else ends
        if not reason and before != ends:
            reason = "records are still being put on topics"
        return not reason

    try:
        wait_until(quiet, seconds, "quiet")
    except AssertionError as error:
        raise AssertionError(f"{error}: {reason}") from None


def _ends(admin):
    """Of every partition of every topic of the mesh."""
    wanted = {
        TopicPartition(name, partition): OffsetSpec.latest()
        for name, topic in admin.list_topics(timeout=20).topics.items()
        if not name.startswith("__")
        for partition in topic.partitions
    }
    ends = {}
    for partition, answer in admin.list_offsets(wanted, request_timeout=20).items():
        ends[partition.topic, partition.partition] = answer.result().offset
    return ends


def _unread(admin, groups, ends):
    """Effects are groups of their own."""
    known = {listed.group_id for listed in admin.list_consumer_groups().result().valid}
    if not known.issuperset(groups):
        return f"Kafka does not know {set(groups) - known}"
    for group in known:
        committed = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result()
        for position in committed.topic_partitions:
            end = ends[position.topic, position.partition]
            if position.offset < end:
                return f"{group} is at {position.offset} of {end} in {position.topic}/{position.partition}"
    return ""


def _work_in_stores(cluster, messages):
    aside = cluster.rows(
        " UNION ALL ".join(
            f"""SELECT convert_from(k."group", 'UTF8'), 'records set aside', count(*) FROM "{store}".kept k
                WHERE NOT EXISTS (SELECT FROM "{store}".kept d WHERE d.state = {_DEAD} AND d."group" = k."group"
                                  AND d.partition = k.partition AND d.key = k.key)
                GROUP BY 1
                UNION ALL SELECT convert_from("group", 'UTF8'), 'requests to carry out', count(*) FROM "{store}".kept
                WHERE requested <> 0 GROUP BY 1
                UNION ALL SELECT convert_from("group", 'UTF8'), 'timers', count(*) FROM "{store}".timer GROUP BY 1
                UNION ALL SELECT convert_from("group", 'UTF8'), 'batches to publish', count(*) FROM "{store}".outbox
                GROUP BY 1"""
            for store in GROUPS
        )
    )
    if aside:
        return "; ".join(f"{count} {what} by {group}" for group, what, count in aside)
    tasks = " UNION ALL ".join(
        f"""SELECT convert_from("group", 'UTF8'), encode(progress, 'hex') FROM "{store}".task""" for store in GROUPS
    )
    for group, progress in cluster.rows(tasks):
        task = messages.decode("tradewind.mesh.v1.TaskProgress", bytes.fromhex(progress))
        running = sum(len(one.pending_distances) for one in task.inputs)
        if running:
            return f"{running} effects of {group} under way"
    return ""


def _orders_under_way(cluster, messages):
    """Those that wait for another service, in whose hands their next step is."""
    waiting = [
        key
        for key, order in read_aggregates(cluster, "order", "tradewind.order.v1.Order", messages)
        if order["state"] == "ORDER_STATE_PENDING" or order["cancel_requested"]
    ]
    return f"{len(waiting)} orders wait for another service: {sorted(waiting)[:5]}" if waiting else ""


def gather(cluster, calls):
    messages = Messages()
    history = History(calls=calls)
    for topic in TOPICS:
        history.events[topic] = read_events(cluster, topic, messages)
    for topic in COMMAND_TOPICS:
        # What services send themselves has no request_id.
        history.commands += [command for command in map(as_command, read_topic(cluster, topic)) if command.request_id]
    history.replies = read_replies(cluster, messages)
    client = Client(cluster.instances["gateway-1"].address)
    try:
        history.orders = client.all_pages(ORDERS, "ListOrders", "orders")
        history.users = client.all_pages(USERS, "ListUsers", "users")
        history.notifications = client.all_pages(NOTIFICATIONS, "ListNotifications", "notifications")
    finally:
        client.close()
    history.products = dict(read_aggregates(cluster, "inventory", "tradewind.inventory.v1.Product", messages))
    history.reservations = dict(
        read_aggregates(cluster, "inventory", "tradewind.inventory.internal.v1.Reservation", messages)
    )
    history.payments = dict(read_aggregates(cluster, "payment", "tradewind.payment.internal.v1.PaymentRecord", messages))
    history.shipments = dict(read_aggregates(cluster, "shipping", "tradewind.shipping.v1.Shipment", messages))
    history.means_of_payment = read_means_of_payment(cluster)
    history.timers = read_timers(cluster)
    history.journals = read_journals(cluster, messages)
    for key, account in read_aggregates(cluster, "ledger", "tradewind.chaos.v1.Account", messages):
        history.accounts[key] = (int(account["balance"]), int(account["bookings"]))
    for key, charge in read_aggregates(cluster, "ledger", "tradewind.chaos.v1.Charge", messages):
        history.charges[key] = int(charge["amount"])
    history.kept = read_kept(cluster, messages)
    return history


def read_events(cluster, topic, messages):
    return [as_event(record, messages) for record in read_topic(cluster, topic)]


def read_topic(cluster, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": cluster.brokers,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "check.crcs": True,
        }
    )
    records = []
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
                records.append(record)
                if record.offset() + 1 >= ends.get(record.partition(), 0):
                    ends.pop(record.partition(), None)
    finally:
        consumer.close()
    return records


def as_command(record):
    headers = {name: value.decode() for name, value in record.headers()}
    return Command(
        topic=record.topic(),
        partition=record.partition(),
        offset=record.offset(),
        key=record.key().decode(),
        request_id=headers.get("tradewind-request-id", ""),
    )


def read_replies(cluster, messages):
    """Of every service's ledger of requests; events that were taken once are in it too."""
    codes = {code.value[0]: code.name for code in StatusCode}
    replies = {}
    for owner in OWNERS:
        rows = cluster.rows(
            f"""SELECT encode(r.request_id, 'hex'), encode(r.reply, 'hex') FROM "{owner}".request r
                JOIN "{owner}".name n ON n.id = r.method WHERE n.name <> 'inbox'"""
        )
        for request_id, reply in rows:
            stored = messages.decode("tradewind.mesh.v1.StoredReply", bytes.fromhex(reply))
            if stored.error:
                answer = {"error": codes[status_pb2.Status.FromString(stored.error).code]}
            else:
                answer = messages.as_dict(stored.type.rpartition("/")[2], stored.resource)
            replies[bytes.fromhex(request_id).decode()] = answer
    return replies


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


def read_aggregates(cluster, service, type_name, messages):
    """Key and content, as a dict, of each."""
    rows = cluster.rows(
        f"""SELECT encode(a.key, 'hex'), encode(a.value, 'hex') FROM "{service}".aggregate a
            JOIN "{service}".name n ON n.id = a.kind WHERE n.name = '{type_name}'"""
    )
    for key, value in rows:
        yield bytes.fromhex(key).decode(), messages.as_dict(type_name, bytes.fromhex(value))


def read_means_of_payment(cluster):
    """Orders of which the order service has one."""
    rows = cluster.rows(
        """SELECT encode(a.key, 'hex') FROM "order".aggregate a JOIN "order".name n ON n.id = a.kind
           WHERE n.name = 'tradewind.order.internal.v1.MeansOfPayment'"""
    )
    return [bytes.fromhex(key).decode() for (key,) in rows]


def read_timers(cluster):
    timers = " UNION ALL ".join(
        f"""SELECT convert_from("group", 'UTF8'), encode(key, 'hex') FROM "{store}".timer""" for store in GROUPS
    )
    return [(group, bytes.fromhex(key).decode()) for group, key in cluster.rows(timers)]


def read_journals(cluster, messages):
    entries = {
        place: Entry(entry["event_id"], int(entry["time_us"]))
        for place, entry in read_aggregates(cluster, "auditor", "tradewind.chaos.v1.JournalEntry", messages)
    }
    return {
        key: [entries.pop(f"{key}#{number}") for number in range(1, int(journal["length"]) + 1)]
        for key, journal in read_aggregates(cluster, "auditor", "tradewind.chaos.v1.Journal", messages)
    }


def read_kept(cluster, messages):
    kept = []
    for store in GROUPS:
        rows = cluster.rows(
            f"""SELECT convert_from("group", 'UTF8'), encode(key, 'hex'), state, encode(record, 'hex')
                FROM "{store}".kept ORDER BY "group", partition, place, id"""
        )
        for group, key, state, record in rows:
            headers = messages.decode("tradewind.mesh.v1.KeptRecord", bytes.fromhex(record)).headers
            event_id = next(header.value.decode() for header in headers if header.name == b"ce_id")
            kept.append(Kept(group, bytes.fromhex(key).decode(), event_id, dead=int(state) == _DEAD))
    return kept
