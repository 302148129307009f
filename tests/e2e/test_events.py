"""What is on Kafka, read by foreign clients, and what becomes of records that should not be there."""

import re
import signal
import subprocess
import uuid

from cloudevents.core.bindings import kafka as cloudevents_kafka
from cloudevents.core.formats.json import JSONFormat

from support.client import ORDERS, order_request
from support.kafka import (
    as_cloud_event_message,
    cloud_event_headers,
    consume_with_headers,
    header_map,
    kcat,
    produce,
    read_record,
    send,
)
from support.mesh import SERVICES, TREE, wait_until


def test_kcat_shows_the_cloudevents_headers(mesh, client):
    order = client.confirmed_order(order_request(client.new_user()))
    records = [
        record for record in consume_with_headers(mesh.address("kafka"), "order.events.v1") if record["key"] == order["id"]
    ]
    headers = [header_map(record) for record in records]
    assert [header["ce_type"] for header in headers] == [
        "tradewind.order.v1.OrderCreated",
        "tradewind.order.v1.OrderReserved",
        "tradewind.order.v1.OrderConfirmed",
    ]
    for header in headers:
        assert header["ce_specversion"] == "1.0"
        assert header["content-type"] == "application/protobuf"
        assert header["ce_subject"] == header["ce_partitionkey"] == order["id"]
        assert re.fullmatch(r"\d{16}-\d{16}", header["ce_sequence"])
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", header["traceparent"])
        assert header["ce_time"].endswith("Z")
    # A chain: each event names the one that its source put into the partition before it.
    assert headers[0]["ce_source"] == headers[1]["ce_source"]
    assert headers[1]["ce_previous"] == headers[0]["ce_sequence"] < headers[1]["ce_sequence"]
    assert headers[0]["ce_id"] != headers[1]["ce_id"]


def test_a_cloudevents_sdk_parses_an_event(mesh, client):
    order = client.create_order(order_request(client.new_user()))
    record = read_record(
        mesh.address("kafka"), "order.events.v1", lambda record: record.key() == order["id"].encode()
    )
    event = cloudevents_kafka.from_binary(as_cloud_event_message(record), JSONFormat())
    assert event.get_type() == "tradewind.order.v1.OrderCreated"
    assert event.get_subject() == order["id"]
    assert event.get_datacontenttype() == "application/protobuf"
    assert event.get_extension("partitionkey") == order["id"]
    assert event.get_time().tzinfo is not None


def partition_of(key, partitions):
    """Where a Java client puts a key: murmur2 over its bytes."""
    mask, mixer = 0xFFFFFFFF, 0x5BD1E995
    data = key.encode()
    value = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * mixer & mask
        k = (k ^ k >> 24) * mixer & mask
        value = value * mixer & mask ^ k
    if len(data) > whole:
        value = (value ^ int.from_bytes(data[whole:], "little")) * mixer & mask
    value = (value ^ value >> 13) * mixer & mask
    return ((value ^ value >> 15) & 0x7FFFFFFF) % partitions


def test_keys_lie_where_java_clients_look_for_them(mesh, client):
    orders = [client.create_order(order_request(client.new_user())) for _ in range(20)]
    places = {event["key"]: event["partition"] for event in mesh.tail("order.events.v1")}
    assert {order["id"]: places[order["id"]] for order in orders} == {
        order["id"]: partition_of(order["id"], 12) for order in orders
    }


def dead_records(mesh):
    return mesh.metric("order", "tradewind_dead_records", group="order")


def test_a_bad_record_is_kept_as_dead_and_blocks_nothing(mesh, client):
    broker = mesh.address("kafka")
    bad = {
        "undecodable": (cloud_event_headers("tradewind.order.v1.CreateOrderRequest", "x"), b"\xff\xff\xff not protobuf"),
        "unknown type": (cloud_event_headers("tradewind.order.v1.Teleport", "x"), b"\x08\x01"),
        "no envelope": ({}, b"just text"),
    }
    before = dead_records(mesh)
    lines_before = len(mesh.log_lines("order"))
    for headers, value in bad.values():
        # Each kind on every partition, so that whatever they blocked would show below.
        for partition in range(12):
            produce(broker, "order.commands.v1", f"bad-{uuid.uuid4()}", value, headers, partition)

    for _ in range(24):
        client.create_order(order_request(client.new_user()), timeout=10)
    count = len(bad) * 12
    wait_until(lambda: dead_records(mesh) == before + count, 10, f"{count} more dead records")

    logged = [
        (line["topic"], line["partition"], line["offset"])
        for line in mesh.log_lines("order")[lines_before:]
        if line["message"] == "an event was kept as dead"
    ]
    assert len(set(logged)) == count
    assert {topic for topic, _, _ in logged} == {"order.commands.v1"}
    assert {int(partition) for _, partition, _ in logged} == set(range(12))
    announced = {
        (event["body"]["topic"], int(event["body"].get("partition", 0)), int(event["body"].get("offset", 0)))
        for event in mesh.tail("mesh.dead.v1")
    }
    assert {(topic, int(partition), int(offset)) for topic, partition, offset in logged} <= announced


def test_dead_records_are_still_there_after_a_restart(mesh, client):
    headers = cloud_event_headers("tradewind.order.v1.Teleport", "x")
    before = dead_records(mesh)
    produce(mesh.address("kafka"), "order.commands.v1", "bad", b"\x08\x01", headers)
    wait_until(lambda: dead_records(mesh) == before + 1, 10, "one more dead record")
    mesh.service("kill", "order")
    mesh.service("start", "order")
    wait_until(lambda: dead_records(mesh) == before + 1, 10, "the same dead records after the restart")
    client.create_order(order_request(client.new_user()))


def test_a_reply_address_that_does_not_exist_holds_nobody_up(mesh, client):
    user = client.new_user()
    orders = [str(uuid.uuid4()) for _ in range(20)]
    for order in orders:
        headers = {
            **cloud_event_headers("tradewind.order.v1.CreateOrderRequest", order),
            "tradewind-reply-partition": "9999",
            "tradewind-reply-instance": "nobody",
            "tradewind-correlation": "1",
            "tradewind-method": "/tradewind.order.v1.OrderService/CreateOrder",
        }
        command = client.message(ORDERS, "CreateOrder", {**order_request(user), "id": order})
        send(mesh.address("kafka"), "order.commands.v1", order, command, headers)
    # Behind them on every partition; answered as ever.
    for _ in range(20):
        client.create_order(order_request(user), timeout=5)
    found = {order["id"] for order in client.orders_of(user)}
    assert found >= set(orders) and len(found) == 40


def skipped_events(mesh):
    return mesh.metric("notification", "tradewind_events_skipped_total")


def test_an_event_without_a_handler_is_counted_and_skipped(mesh, client):
    # Notifications have no handler for OrderCreated, nor for a type from the future.
    before = skipped_events(mesh)
    produce(
        mesh.address("kafka"), "order.events.v1", "future", b"\x08\x01", cloud_event_headers("tradewind.order.v9.X", "x")
    )
    user_id = client.new_user()
    client.create_order(order_request(user_id))
    wait_until(lambda: skipped_events(mesh) >= before + 2, 10, "two more skipped events")
    wait_until(
        lambda: any("CONFIRMED" in one["kind"] for one in client.notifications_of(user_id)),
        10,
        "the confirmation behind them",
    )
    assert mesh.metric("notification", "tradewind_dead_records") == 0


def test_a_fifteen_line_subscriber_receives_confirmations(mesh, client, tmp_path):
    """examples/loyalty, started beside the running system, which knows nothing of it."""
    log = (tmp_path / "loyalty.log").open("wb")
    process = subprocess.Popen(
        [
            TREE / "build/examples/bin/tradewind-loyalty",
            f"--kafka.brokers={mesh.address('kafka')}",
            f"--store.directory={tmp_path / 'loyalty'}",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        user_id = client.new_user()
        client.create_order(order_request(user_id, quantity=3))
        expected = f"{user_id} has 12 points"
        wait_until(lambda: expected in (tmp_path / "loyalty.log").read_text(), 20, expected)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
    assert code == 0


def test_the_operators_command_sees_all(mesh, client):
    client.create_order(order_request(client.new_user()))
    topics = mesh.cli("topics")
    for topic in ("order.commands.v1", "order.events.v1", "user.commands.v1", "notification.events.v1", "mesh.replies.v1"):
        assert topic in topics
    status = mesh.cli("status")
    for service in SERVICES:
        assert service in status
    assert kcat(mesh.address("kafka"), "-L")
