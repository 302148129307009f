"""Records that somebody else put on the topics of a mesh, or took away: each costs itself, and nothing more. No process ends,
services start again, other keys go on, and the operator's command deals with what was set aside and with what is lost."""

import json
import os
import time
import uuid

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec, ResourceType

from support.client import APPROVED, ORDERS, PAYMENTS, USERS, Client, as_dict, order_request, stock_shop
from support.kafka import cloud_event_headers, consume_with_headers, delete_up_to, mesh_name, read_record, send, send_all
from support.mesh import OWNERS, SECOND_OFFSET, Mesh, taken_down, wait_until
from support.status import await_problem, is_well, problems

ORDER_TYPE = "tradewind.order.v1."
READERS = ("inventory", "payment", "shipping", "notification")


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """Of its own: what lies on its topics stays there."""
    with taken_down(Mesh(tmp_path_factory.mktemp("foreign"), SECOND_OFFSET)) as mesh:
        mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh


@pytest.fixture(scope="module")
def client(mesh):
    client = Client(mesh.address("gateway"))
    yield client
    client.close()


@pytest.fixture(scope="module")
def buyer(client):
    return client.register(f"{uuid.uuid4()}@example.com")["id"]


@pytest.fixture
def put(mesh):
    return lambda topic, key, value, headers: send(mesh.address("kafka"), topic, key, value, headers)


def parked(mesh):
    return json.loads(mesh.cli("parked", "list", "--json", "--limit", "1000"))["records"]


def let_all_go(mesh):
    mesh.cli("parked", "skip", "--all")
    wait_until(lambda: parked(mesh) == [] and dead(mesh) == 0, 20, "everything skipped")


def dead(mesh):
    return sum(mesh.metric(owner, "tradewind_dead_records") for owner in OWNERS)


def pids(mesh):
    return {owner: mesh.pid(owner) for owner in OWNERS}


def assert_well(mesh, client, buyer, before):
    """No process has ended, and every partition goes on; the same once all have been started again."""
    client.confirm_orders(buyer, 24)
    assert pids(mesh) == before
    for owner in OWNERS:
        mesh.service("kill", owner)
    for owner in OWNERS:
        mesh.service("start", owner)
    after = pids(mesh)
    client.confirm_orders(buyer, 24)
    assert pids(mesh) == after


def test_batches_that_nobody_can_decompress_hold_up_nothing(mesh, client, buyer):
    """A few KB of zstd that are 110 MB of zeros: Kafka looks at the compressed size alone, and no client takes them."""
    before = pids(mesh)
    was_dead = dead(mesh)
    settings = {
        "compression.type": "zstd",
        "message.max.bytes": 1_000_000_000,
        "batch.size": 1_000_000_000,
        "queue.buffering.max.kbytes": 1_000_000,
        "linger.ms": 5000,
    }
    records = [("k", bytes(11_000_000), {})] * 10
    for topic in ("order.events.v1", "order.commands.v1", "mesh.keys.v1", "mesh.replies.v1"):
        send_all(mesh.address("kafka"), topic, records, settings, partition=1)
    end = end_of(mesh, TopicPartition("order.events.v1", 1))
    # The order service's commands, and its events at each who reads them.
    wait_until(lambda: dead(mesh) >= was_dead + 1 + len(READERS), 60, "dead records")
    assert [one for one in parked(mesh) if "nothing can be read from offset" in one["reason"]]
    assert_well(mesh, client, buyer, before)
    let_all_go(mesh)
    # Foreign clients, with which the tests below read this topic, do not get past such a batch.
    delete_up_to(mesh.address("kafka"), [TopicPartition("order.events.v1", 1, end)])


def test_no_record_ends_a_process_or_holds_up_another(mesh, client, buyer, put):
    before = pids(mesh)
    sequence = f"{int(time.time() * 1000):016}-{1:016}"
    good = lambda name: cloud_event_headers(ORDER_TYPE + name, "k")
    was_dead = dead(mesh)
    # Without an envelope, under keys of any size and bytes.
    for key in (b"\xff" * 230_000, b"k" * 300_000, b"k" * 910_000, b"\x01" * 63_000, b"", None):
        put("order.events.v1", key, b"x", {})
    put("order.commands.v1", b"\xff" * 230_000, b"x", {})
    put("user.commands.v1", b"\xff" * 230_000, b"x", {})
    # Text that is not UTF-8 or longer than any limit, and headers that stand there twice or have no value.
    put("order.events.v1", "k1", b"x", {**good("OrderCreated"), "ce_id": b"\xff" * 230_000})
    put("order.events.v1", "k1", b"", {**good("Unknown"), "ce_source": b"/ext\xff", "ce_sequence": sequence})
    put("order.events.v1", "k1", b"", {**good("Unknown"), "ce_source": b"s" * 100_000})
    put("order.events.v1", "k1", b"", [*good("OrderCreated").items(), ("ce_id", "again")])
    put("order.events.v1", "k1", b"", {**good("OrderCreated"), "ce_type": None})
    put("order.events.v1", "k1", b"", {**good("Unknown"), "ce_sequence": f"{'9' * 16}-{'9' * 16}"})
    put("order.events.v1", "k1", b"junk", {b"\xff\xfe".decode("latin1"): b"\xff", **good("OrderCreated")})
    # Other modes of CloudEvents.
    put("order.events.v1", "k1", b"{}", {"content-type": "application/cloudevents+json"})
    # Four groups read the events, two of them in one service.
    wait_until(lambda: dead(mesh) >= was_dead + 4 * 12, 30, "what cannot be read among the dead")
    assert_well(mesh, client, buyer, before)

    reasons = {record["reason"] for record in parked(mesh)}
    for part in ("ce_specversion is missing", "not UTF-8", "the most is 1024", "stands there twice", "2100", "binary mode"):
        assert any(part in reason for reason in reasons), f"{part}: {reasons}"
    status = mesh.cli("status")
    assert "order" in status
    # All can be looked at, tried again, and let go.
    one = next(record for record in parked(mesh) if "ce_specversion" in record["reason"])
    assert "ce_specversion" in mesh.cli("parked", "show", one["service"], str(one["id"]))
    mesh.cli("parked", "retry", one["service"], "--id", str(one["id"]))
    wait_until(lambda: one["id"] not in {r["id"] for r in parked(mesh) if r["service"] == one["service"]}, 10, "the retry")
    let_all_go(mesh)


def test_a_tombstone_acts_for_nobody(mesh, client, buyer, put):
    (order,) = client.confirm_orders(buyer, 1)
    was_dead = dead(mesh)
    for topic, name in (
        ("order.events.v1", "order.v1.OrderCancelled"),
        ("order.events.v1", "order.v1.OrderShipped"),
        ("order.commands.v1", "order.v1.CancelOrderRequest"),
        ("payment.commands.v1", "payment.v1.RefundPaymentRequest"),
        ("shipping.events.v1", "shipping.v1.ShipmentDispatched"),
    ):
        for value in (None, b""):
            put(topic, order, value, cloud_event_headers(f"tradewind.{name}", order))
    wait_until(lambda: dead(mesh) >= was_dead + 10, 20, "the tombstones among the dead")
    assert client.call(ORDERS, "GetOrder", {"id": order})["state"] == "ORDER_STATE_CONFIRMED"
    assert client.call(PAYMENTS, "GetPayment", {"id": order})["state"] == "PAYMENT_STATE_AUTHORIZED"
    # The key goes on.
    client.update_shipment(order, "IN_TRANSIT")
    client.await_order(order, lambda now: now["state"] == "ORDER_STATE_SHIPPED")
    let_all_go(mesh)


def test_a_key_and_a_body_of_two_things_act_on_neither(mesh, client, buyer, put):
    one, other = client.confirm_orders(buyer, 2)
    users = [client.register(f"{uuid.uuid4()}@example.com")["id"] for _ in range(2)]
    was_dead = dead(mesh)
    for topic, service, method, key, body in (
        ("order.commands.v1", ORDERS, "CancelOrder", one, {"id": other}),
        ("payment.commands.v1", PAYMENTS, "RefundPayment", one, {"id": other}),
        ("user.commands.v1", USERS, "DeleteUser", users[0], {"id": users[1]}),
    ):
        package = service.rpartition(".")[0]
        put(topic, key, client.message(service, method, body), cloud_event_headers(f"{package}.{method}Request", key))
    wait_until(lambda: dead(mesh) == was_dead + 3, 20, "the three among the dead")
    for order in (one, other):
        assert client.call(ORDERS, "GetOrder", {"id": order})["state"] == "ORDER_STATE_CONFIRMED"
        assert client.call(PAYMENTS, "GetPayment", {"id": order})["state"] == "PAYMENT_STATE_AUTHORIZED"
    for user in users:
        assert "@example.com" in client.call(USERS, "GetUser", {"id": user})["email"]
    let_all_go(mesh)


def test_a_record_copied_from_another_mesh_silences_nobody(mesh, client, buyer, put):
    (order,) = client.confirm_orders(buyer, 1)
    broker = mesh.address("kafka")
    record = read_record(broker, "order.events.v1", lambda found: found.key() == order.encode())
    headers = {name: value.decode() for name, value in record.headers()}
    assert headers["tradewind-mesh"] == mesh_name(broker)
    # A later place in the chain of that task, as a mesh that has run for longer gives it.
    copied = {**headers, "ce_sequence": f"{int(time.time() * 1000) + 10**9:016}-{7:016}"}
    copied.pop("ce_previous", None)
    was_dead = dead(mesh)
    put("order.events.v1", order, record.value(), {**copied, "tradewind-mesh": "another/"})
    unmarked = dict(copied)
    del unmarked["tradewind-mesh"]
    put("order.events.v1", order, record.value(), unmarked)
    wait_until(lambda: dead(mesh) >= was_dead + 2 * len(READERS), 20, "the copies among the dead")
    # Whatever the same task says next is taken.
    before = pids(mesh)
    client.confirm_orders(buyer, 24)
    assert pids(mesh) == before
    let_all_go(mesh)


def test_a_watch_shows_nothing_that_a_task_takes_for_dead(mesh, client, buyer, put):
    (order,) = client.confirm_orders(buyer, 1)
    stream = client.stream(ORDERS, "WatchOrder", {"id": order})
    seen = [as_dict(next(stream))["state"]]
    was_skipped = mesh.metric("order", "tradewind_records_skipped_total", reader="watch")
    was_dead = dead(mesh)
    headers = cloud_event_headers(ORDER_TYPE + "OrderCancelled", order)
    # Of another order; no OrderCancelled; and with a place in a chain, yet without the name of a mesh.
    put("order.events.v1", order, b"\x0a\x05other", headers)
    put("order.events.v1", order, b"\xff", headers)
    whole = b"\x0a" + bytes([len(order)]) + order.encode()
    sequence = f"{int(time.time() * 1000) + 10**9:016}-{7:016}"
    put("order.events.v1", order, whole, {**headers, "ce_source": "/order/0", "ce_sequence": sequence})
    wait_until(
        lambda: mesh.metric("order", "tradewind_records_skipped_total", reader="watch") == was_skipped + 3, 20, "the three"
    )
    wait_until(lambda: dead(mesh) > was_dead, 20, "the same among the dead")
    client.update_shipment(order, "IN_TRANSIT")
    while seen[-1] != "ORDER_STATE_SHIPPED":
        seen.append(as_dict(next(stream))["state"])
    stream.cancel()
    assert "ORDER_STATE_CANCELLED" not in seen
    let_all_go(mesh)


def test_an_event_with_another_systems_sequence_is_taken(mesh, client, buyer, put):
    order = str(uuid.uuid4())
    command = client.message(ORDERS, "CreateOrder", {**order_request(buyer, payment_token=APPROVED), "id": order})
    headers = {**cloud_event_headers("tradewind.order.v1.CreateOrderRequest", order), "ce_sequence": "42"}
    put("order.commands.v1", order, command, headers)
    wait_until(lambda: order in {found["id"] for found in client.orders_of(buyer)}, 10, "the order")


def new_order(client, user):
    """A command for a new order as another client than the gateway may write it: key, value, headers."""
    order = str(uuid.uuid4())
    command = client.message(ORDERS, "CreateOrder", {**order_request(user), "id": order})
    return order, command, cloud_event_headers(ORDER_TYPE + "CreateOrderRequest", order)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_records_of_any_time_are_handled(mesh, client, buyer, compression):
    before = pids(mesh)
    placed = []
    # None at all, now, the first that this client sets, and 1985.
    for timestamp_ms in (-1, 0, 1, 500_000_000_000):
        records = [new_order(client, buyer) for _ in range(8)]
        send_all(mesh.address("kafka"), "order.commands.v1", records, {"compression.type": compression}, timestamp_ms)
        placed += [order for order, _, _ in records]
    wait_until(lambda: set(placed) <= {found["id"] for found in client.orders_of(buyer)}, 20, "the orders")
    for order in placed:
        await_confirmed(client, order)
    assert pids(mesh) == before


def let_grow(mesh, topic, max_bytes):
    """Has the topic take records of up to that size."""
    entry = ConfigEntry("max.message.bytes", str(max_bytes), incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": mesh.address("kafka")})
    (done,) = admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
    ).values()
    done.result()


def test_records_of_a_topic_that_takes_large_ones_hold_up_nothing(mesh, client, buyer):
    before = pids(mesh)
    was_dead = dead(mesh)
    for topic in ("order.commands.v1", "order.events.v1"):
        let_grow(mesh, topic, 5_000_000)
    large = {"message.max.bytes": 4_000_000}
    # A field of 3,000,000 bytes that nobody knows.
    order, command, headers = new_order(client, buyer)
    padded = command + b"\xc2\x3e\xc0\x8d\xb7\x01" + b"p" * 3_000_000
    send_all(mesh.address("kafka"), "order.commands.v1", [(order, padded, headers)], large)
    wait_until(lambda: order in {found["id"] for found in client.orders_of(buyer)}, 20, "the order")
    await_confirmed(client, order)

    send_all(mesh.address("kafka"), "order.events.v1", [(order, os.urandom(3_000_000), {})], large)
    wait_until(lambda: dead(mesh) == was_dead + len(READERS), 20, "the large record among the dead")
    for record in parked(mesh):
        assert "ce_specversion is missing" in record["reason"]
        assert "ce_specversion is missing" in mesh.cli("parked", "show", record["service"], str(record["id"]))
    # Tried again they are dead again.
    places = lambda: {(record["service"], record["id"]) for record in parked(mesh)}
    first = places()
    mesh.cli("parked", "retry", "--all")
    wait_until(lambda: len(places() - first) == len(READERS) and not places() & first, 20, "the retry")
    assert_well(mesh, client, buyer, before)
    let_all_go(mesh)


def end_of(mesh, place):
    """The offset of the next record that is written there."""
    admin = AdminClient({"bootstrap.servers": mesh.address("kafka")})
    return admin.list_offsets({place: OffsetSpec.latest()})[place].result().offset


def test_control_topics_pass_over_what_they_cannot_read(mesh, client, buyer, put):
    before = pids(mesh)
    skipped = lambda: mesh.metric("gateway", "tradewind_records_skipped_total", reader="replies")
    # The first two are no answers; the others are, as an empty one, to nobody.
    values = (b"\xff\xff\xff", b"\xff" + os.urandom(900_000), None, b"")
    for value in values:
        put("mesh.dead.v1", b"\xff\x00", value, {"ce_type": b"\xff"})
    for is_first in (True, False):
        if not is_first:
            mesh.service("kill", "gateway")
            mesh.service("start", "gateway")
        # A gateway reads the partition of its own answers.
        serving = [line for line in mesh.log_lines("gateway") if line["message"] == "serving"][-1]
        place = TopicPartition("mesh.replies.v1", serving["reply_partition"])
        offset = end_of(mesh, place)
        was_skipped = skipped()
        for value in values:
            send(mesh.address("kafka"), place.topic, b"\xff\x00", value, {"ce_type": b"\xff"}, place.partition)
        wait_until(lambda: skipped() == was_skipped + 2, 20, "the two to be counted")
        line = [line for line in mesh.log_lines("gateway") if "are passed over" in line["message"]][-1]
        assert (line["reader"], line["topic"]) == ("replies", place.topic)
        assert (line["partition"], line["offset"]) == (place.partition, offset)
        client.confirm_orders(buyer, 12)
    assert pids(mesh) == before


# ---- what an operator decides about a partition ---------------------------------------------------------------------


def decide(mesh, *arguments):
    """`tradewind partition`: its exit code, and what it printed."""
    done = mesh.try_cli("partition", *arguments)
    return done.returncode, done.stdout + done.stderr


def place_orders(mesh, client, buyer):
    """A dozen, each with the partition of its events."""
    orders = [client.create_order(order_request(buyer), timeout=20)["id"] for _ in range(12)]
    partitions = {event["key"]: event["partition"] for event in consume_with_headers(mesh.address("kafka"), "order.events.v1")}
    return {order: partitions[order] for order in orders}


def order_in(mesh, client, buyer, partition):
    """Places orders until one of them is in this partition, and returns that one."""
    while True:
        for order, own in place_orders(mesh, client, buyer).items():
            if own == partition:
                return order


def await_confirmed(client, order):
    settled = client.await_order(order, lambda now: now["state"] != "ORDER_STATE_PENDING", 20)
    assert settled["state"] == "ORDER_STATE_CONFIRMED"


def test_a_source_that_was_silenced_is_forgotten(mesh, client, buyer, put):
    order, partition = place_orders(mesh, client, buyer).popitem()
    source, place = f"/order/{partition}", f"order.events.v1/{partition}"
    # Somebody who may write to the mesh's topics, and has its name, takes a much later place in the chain of that task.
    later = f"{int(time.time() * 1000) + 10**9:016}-{7:016}"
    stranger = {"ce_source": source, "ce_sequence": later, "tradewind-mesh": mesh_name(mesh.address("kafka"))}
    put("order.events.v1", order, b"x", {**cloud_event_headers("tradewind.order.v1.Unknown", order), **stranger})
    silenced = order_in(mesh, client, buyer, partition)
    words = f"new events of {source} in order.events.v1-{partition} have been dropped as repeats"

    def is_noticed():
        # An event counts as new once it is some seconds younger than the first one that was dropped.
        order_in(mesh, client, buyer, partition)
        return [line for line in problems(mesh) if words in line]

    wait_until(is_noticed, 60, "the problem")

    code, said = decide(mesh, "forget-source", place, source)
    assert code == 1
    assert said.count(f"up to {later} in {place}") == len(READERS)
    assert "nothing was done; add --yes" in said
    code, said = decide(mesh, "forget-source", place, source, "--yes")
    assert code == 0 and said.count("done; it goes on") == len(READERS)
    await_confirmed(client, order_in(mesh, client, buyer, partition))
    wait_until(lambda: is_well(mesh), 60, "the problem to go")
    assert client.call(ORDERS, "GetOrder", {"id": silenced})["state"] == "ORDER_STATE_PENDING"

    code, said = decide(mesh, "forget-source", place, "/nobody/1", "--yes")
    assert code == 1 and f"no group knows a source /nobody/1 in {place}" in said


def test_a_group_goes_on_without_records_that_are_gone(mesh, client, buyer):
    mesh.service("stop", "inventory")
    others = place_orders(mesh, client, buyer)
    lost, partition = others.popitem()
    place = TopicPartition("order.events.v1", partition)
    end = end_of(mesh, place)
    delete_up_to(mesh.address("kafka"), [TopicPartition("order.events.v1", partition, end)])
    mesh.service("start", "inventory")
    for order, own in others.items():
        if own != partition:
            await_confirmed(client, order)
    (line,) = await_problem(mesh, "inventory: 1 of its tasks stopped")
    before = pids(mesh)

    code, said = decide(mesh, "accept-loss", f"order.events.v1/{partition}")
    assert code == 1
    assert f"the log holds {end} to {end}: records it has not read were deleted" in said
    assert f"It goes on at offset {end}" in said and "nothing was done; add --yes" in said
    code, said = decide(mesh, "accept-loss", f"order.events.v1/{partition}", "--yes")
    assert (code, said.count("done; it goes on")) == (0, 1)
    assert pids(mesh) == before
    # Sooner than in a minute.
    mesh.service("stop", "inventory")
    mesh.service("start", "inventory")
    await_confirmed(client, order_in(mesh, client, buyer, partition))
    wait_until(lambda: is_well(mesh), 60, "the problem to go")
    assert client.call(ORDERS, "GetOrder", {"id": lost})["state"] == "ORDER_STATE_PENDING"
    code, said = decide(mesh, "accept-loss", f"order.events.v1/{partition}", "--yes")
    assert code == 1 and "no group has lost anything" in said


@pytest.mark.parametrize(
    "arguments, part",
    [
        (("accept-loss", "order.events.v1"), "is 'order.events.v1': write a topic, a slash and a number"),
        (("accept-loss", "order.events.v1/x"), "write a topic, a slash and a number"),
        (("accept-loss", "order.events.v1/-1"), "write a topic, a slash and a number"),
        (("accept-loss", "nosuch/1"), "no service reads nosuch"),
        (("forget-source", "order.events.v1/1"), "SOURCE is required"),
        (("accept-loss", "order.events.v1/1", "--service", "gateway"), "the gateway handles no events"),
        (("mend",), "there is no verb 'partition mend'"),
    ],
)
def test_what_cannot_be_decided_is_said(mesh, arguments, part):
    code, said = decide(mesh, *arguments)
    assert code in (1, 2) and part in said
