"""`tradewind status` says what keeps a mesh from moving: each fault is made, seen as a line, an exit code and a metric, and
seen to go."""

import contextlib
import json
import os
import signal
import subprocess
import uuid

import grpc
import pytest
from confluent_kafka import Producer

from support.client import order_request
from support.disk import SmallDisk
from support.kafka import cloud_event_headers
from support.mesh import SERVICES, wait_until
from support.status import await_problem, is_well, problems, status
from test_failures import Load

TOPIC = "order.events.v1"


@pytest.fixture(autouse=True)
def well(mesh):
    """So it is before and after each test."""
    wait_until(lambda: is_well(mesh), 60, "a mesh without problems")
    yield
    wait_until(lambda: is_well(mesh), 60, "a mesh without problems")


def test_says_nothing_more_of_a_healthy_mesh(mesh):
    code, said = status(mesh)
    assert code == 0
    # The last line is that of the last group.
    assert said.splitlines()[-1].startswith("user.effects ")
    assert "problems" not in json.loads(status(mesh, "--json")[1])


# ---- transactions ---------------------------------------------------------------------------------------------------


class Transactions:
    """A foreign client that writes events of a type nobody knows in transactions."""

    def __init__(self, broker):
        self.key = f"noise-{uuid.uuid4()}"
        self._producer = Producer({"bootstrap.servers": broker, "transactional.id": str(uuid.uuid4()), "log_level": 0})
        self._producer.init_transactions(30)

    def begin(self, records):
        self._producer.begin_transaction()
        for _ in range(records):
            self._producer.produce(
                TOPIC, partition=3, key=self.key, headers=cloud_event_headers("com.example.Noise", self.key), value=b"x"
            )
        assert self._producer.flush(30) == 0

    def commit(self):
        self._producer.commit_transaction(30)

    def abort(self):
        self._producer.abort_transaction(30)


def lags(mesh):
    return {group["name"]: group.get("lag") for group in json.loads(status(mesh, "--json")[1])["groups"]}


def test_transactions_count_as_what_can_be_read_of_them(mesh):
    foreign = Transactions(mesh.address("kafka"))
    foreign.begin(3)
    foreign.commit()
    foreign.begin(3)
    foreign.abort()
    wait_until(lambda: set(lags(mesh).values()) == {0}, 20, "a lag of 0 behind transactions that have ended")
    assert len(mesh.tail(TOPIC, "--key", foreign.key)) == 3
    assert mesh.cli("timeline", foreign.key).count("com.example.Noise") == 3


def test_an_open_transaction_is_a_problem_until_it_has_ended(mesh, client):
    foreign = Transactions(mesh.address("kafka"))
    foreign.begin(2)
    (line,) = await_problem(mesh, "an open transaction holds")
    assert f"{TOPIC}-3: an open transaction holds {TOPIC}-3 at offset " in line
    wait_until(
        lambda: mesh.metric("order", "tradewind_open_transaction_seconds", topic=TOPIC, partition="3") > 10, 20, "the metric"
    )
    assert f"kafka-transactions.sh --bootstrap-server {mesh.address('kafka')} abort" in status(mesh)[1]
    foreign.abort()
    wait_until(lambda: is_well(mesh), 30, "the problem to go")
    assert client.confirmed_order(order_request(client.new_user()))["state"] == "ORDER_STATE_CONFIRMED"


# ---- Kafka ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kafka_comes_back(mesh):
    yield
    mesh.kafka("start")
    wait_until(lambda: all(mesh.is_healthy(name) for name in SERVICES), 60, "health")


def test_a_dead_broker_is_named(mesh, kafka_comes_back):
    mesh.kafka("kill")
    code, said = status(mesh)
    assert code == 1
    assert f"kafka: the broker is dead: {mesh.address('kafka')}: Connection refused; " in said
    assert "`deploy/up` brings back" in said
    mesh.kafka("start")
    wait_until(lambda: is_well(mesh), 60, "the problem to go")


@contextlib.contextmanager
def patient_order_service(mesh):
    """One that stays in its group, and so keeps its tasks, however long the broker says nothing."""
    mesh.service("stop", "order")
    with (mesh.var / "log" / "order.log").open("ab") as log:
        process = subprocess.Popen(
            [*mesh.command("order"), "--kafka.session_timeout=2m"], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        wait_until(lambda: mesh.is_healthy("order"), 60, "the order service")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        mesh.service("start", "order")


def stop_with_events_on_their_way(mesh, broker):
    """Stops the broker at a moment at which the order service has committed what the broker has not acknowledged."""
    with Load(mesh.address("gateway")) as load:
        wait_until(lambda: len(load.orders) > 50, 60, "load")

        def caught():
            os.kill(broker, signal.SIGSTOP)
            with contextlib.suppress(AssertionError):
                return wait_until(lambda: mesh.metric("order", "tradewind_outbox_bytes", group="order"), 1, "events")
            os.kill(broker, signal.SIGCONT)
            return False

        wait_until(caught, 60, "a broker that has not acknowledged what it was sent")


def test_a_stuck_broker_and_the_outbox_that_waits_for_it_are_problems(mesh):
    broker = int((mesh.var / "kafka" / "kafka.pid").read_text().split()[0])
    with patient_order_service(mesh):
        try:
            stop_with_events_on_their_way(mesh, broker)
            await_problem(mesh, "order: the outbox has not moved for ")
            assert mesh.metric("order", "tradewind_outbox_oldest_seconds", group="order") > 10
            assert f"kafka: the broker at {mesh.address('kafka')} does not answer" in problems(mesh)
        finally:
            os.kill(broker, signal.SIGCONT)
        wait_until(lambda: is_well(mesh), 60, "the problems to go")
        assert mesh.metric("order", "tradewind_outbox_oldest_seconds", group="order") == 0


# ---- services -------------------------------------------------------------------------------------------------------


def test_metrics_that_do_not_answer_are_a_problem(mesh):
    mesh.service("stop", "shipping")
    try:
        assert any(line.startswith("shipping: the metrics do not answer") for line in problems(mesh))
    finally:
        mesh.service("start", "shipping")


def test_a_full_disk_is_a_problem_until_there_is_room(mesh, client):
    with SmallDisk(mesh, "inventory") as disk:
        disk.fill()

        def is_away():
            # Each is decided and cannot be written, so the call gets no answer.
            with contextlib.suppress(grpc.RpcError):
                client.call("tradewind.inventory.v1.InventoryService", "CreateProduct", product(), timeout=1)
            return [line for line in problems(mesh) if line.startswith("inventory: the store has answered no write for ")]

        wait_until(is_away, 60, "a store that is away")
        assert mesh.metric("inventory", "tradewind_store_away_seconds", group="inventory", call="write") > 5
        disk.free()
        wait_until(lambda: is_well(mesh), 60, "the problem to go")
        assert client.create_product()["id"]


def product():
    return {
        "name": "Test product",
        "unit_price": {"currency_code": "EUR", "units": "4"},
        "stock": "10",
        "request_id": str(uuid.uuid4()),
    }
