"""Partitions that somebody adds to the topics of a running mesh: nothing ends, and every key stays where it was."""

import uuid

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from support.client import stock_shop
from support.kafka import consume_with_headers
from support.mesh import OWNERS, SECOND_OFFSET, SERVICES, Mesh, taken_down, wait_until
from support.status import await_problem, is_well, problems, status

BEGAN_WITH = 12
PINNED = "TRADEWIND_KAFKA_PINNED_PARTITIONS"


@pytest.fixture(scope="module")
def settings():
    """What every process that is started from then on finds in its environment."""
    return {PINNED: "0"}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory, settings):
    """Of its own: partitions never go again."""
    with taken_down(Mesh(tmp_path_factory.mktemp("partitions"), SECOND_OFFSET, settings=settings)) as mesh:
        mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh


@pytest.fixture
def buyer(client):
    return client.register(f"{uuid.uuid4()}@example.com")["id"]


def grow(mesh, topics, partitions):
    admin = AdminClient({"bootstrap.servers": mesh.address("kafka")})
    for grown in admin.create_partitions([NewPartitions(topic, partitions) for topic in topics]).values():
        grown.result()


def restart(mesh, names):
    for name in names:
        mesh.service("stop", name)
    for name in names:
        mesh.service("start", name)


def pids(mesh):
    return {name: mesh.pid(name) for name in SERVICES}


def places(mesh, topic, keys):
    """Partitions of `topic` that hold records under these keys, by key."""
    found = {key: set() for key in keys}
    for record in consume_with_headers(mesh.address("kafka"), topic):
        if record["key"] in found:
            found[record["key"]].add(record["partition"])
    return found


def test_more_partitions_of_one_topic_end_nothing(mesh, client, buyer, settings):
    orders = client.confirm_orders(buyer, 6)
    before = pids(mesh)
    grow(mesh, ["order.commands.v1"], 18)
    (line,) = await_problem(mesh, "6 partitions of order.commands.v1 are read by no task")
    assert line.startswith("order: ")
    code, said = status(mesh)
    assert code == 1 and f"set kafka.pinned_partitions to {BEGAN_WITH} in every process" in said
    # The group is given the new partitions too.
    wait_until(lambda: any(entry.get("not_read") and "partitions were added" in entry["message"]
                           for entry in mesh.log_lines("order")), 30, "the new partitions in the log")
    orders += client.confirm_orders(buyer, 12)
    assert pids(mesh) == before
    # The store knows with how many the service began; the gateway has no store and is told.
    restart(mesh, ["order"])
    settings[PINNED] = str(BEGAN_WITH)
    restart(mesh, ["gateway"])
    settings[PINNED] = "0"
    orders += client.confirm_orders(buyer, 24)
    assert all(len(found) == 1 and max(found) < BEGAN_WITH for found in places(mesh, "order.commands.v1", orders).values())


def test_keys_stay_where_they_are_though_all_topics_grow(mesh, client, buyer, settings):
    orders = client.confirm_orders(buyer, 24)
    topics = [topic for topic in AdminClient({"bootstrap.servers": mesh.address("kafka")}).list_topics(timeout=10).topics
              if topic.endswith((".commands.v1", ".events.v1", ".rekeyed.v1"))]
    grow(mesh, topics, 24)
    restart(mesh, OWNERS)
    for order in orders:
        client.update_shipment(order, "IN_TRANSIT", timeout=20)
        client.await_order(order, lambda now: now["state"] == "ORDER_STATE_SHIPPED", 20)
    client.confirm_orders(buyer, 12)
    for topic in ("order.commands.v1", "order.events.v1", "shipping.events.v1"):
        found = places(mesh, topic, orders)
        assert all(len(where) == 1 and max(where) < BEGAN_WITH for where in found.values()), (topic, found)
    # Four groups read the events of orders, two of them in one service.
    wait_until(lambda: len([line for line in problems(mesh) if "12 partitions of order.events.v1" in line]) >= 4, 20, "the readers' lines")

    # Once the operator has said so everywhere, more partitions are as good as none.
    settings[PINNED] = str(BEGAN_WITH)
    restart(mesh, SERVICES)
    client.confirm_orders(buyer, 6)
    wait_until(lambda: is_well(mesh), 30, "a mesh without a problem")
