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
from confluent_kafka.admin import AdminClient, NewTopic

from support.client import ORDERS, order_request
from support.disk import SmallDisk
from support.kafka import cloud_event_headers, mesh_name, send
from support.mesh import BIN, KEY_HOLDERS, SERVICES, wait_until
from support.status import await_problem, is_well, problems, status
from support.stores import field, kept_record, replace_aggregate, store_of
from test_failures import Load

TOPIC = "order.events.v1"
# Those with a group, whose metrics `status` reads.
KEY_READERS = [name for name in KEY_HOLDERS if name != "gateway"]


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


@contextlib.contextmanager
def running_with(mesh, service, *options):
    """The service with other settings, in the place of the mesh's own."""
    mesh.service("stop", service)
    with (mesh.var / "log" / f"{service}.log").open("ab") as log:
        process = subprocess.Popen([*mesh.command(service), *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: mesh.is_healthy(service), 60, service)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        mesh.service("start", service)


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
    wait_until(lambda: brokers_away(mesh) == 1, 60, "the metric")
    mesh.kafka("start")
    wait_until(lambda: is_well(mesh), 60, "the problem to go")
    wait_until(lambda: brokers_away(mesh) == 0, 60, "the metric to go")


def brokers_away(mesh):
    return mesh.metric("order", "tradewind_kafka_brokers_away")


def test_a_name_may_have_addresses_where_nobody_listens(mesh, tmp_path):
    """As `localhost` has on Debian, where the mesh listens on IPv4 alone."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n::1 localhost\n")
    port = mesh.address("kafka").rpartition(":")[2]
    done = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c", 'mount --bind "$1" /etc/hosts && shift && exec "$@"', "sh", hosts),
            *(BIN / "tradewind", "status", "--config", mesh.var / "cli.yaml", f"--kafka.brokers=localhost:{port}"),
            f"--cli.pages=gateway=localhost:{mesh.metrics_address('gateway').rpartition(':')[2]}",
        ],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_topic_of_replies_that_is_gone_is_a_problem(mesh, client):
    admin = AdminClient({"bootstrap.servers": mesh.address("kafka")})
    admin.delete_topics(["mesh.replies.v1"])["mesh.replies.v1"].result(30)
    await_problem(mesh, "gateway: mesh.replies.v1 could not be read for ")
    assert "a gateway that is started again makes it" in status(mesh)[1]
    assert mesh.metric("gateway", "tradewind_replies_unread_seconds") > 10
    mesh.service("stop", "gateway")
    mesh.service("start", "gateway")
    wait_until(lambda: is_well(mesh), 60, "the problem to go")
    assert client.confirmed_order(order_request(client.new_user()))["state"] == "ORDER_STATE_CONFIRMED"


def patient_order_service(mesh, *options):
    """One that stays in its group, and so keeps its tasks, however long the broker says nothing."""
    return running_with(mesh, "order", "--kafka.session_timeout=2m", *options)


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


def say_that_keys_are_unread(lines):
    starts = [f"{reader}: mesh.keys.v1 could not be read for " for reader in KEY_READERS]
    return all(any(line.startswith(start) for line in lines) for start in starts)


def test_timers_and_keys_that_wait_for_a_stuck_broker_are_problems(mesh, client):
    broker = int((mesh.var / "kafka" / "kafka.pid").read_text().split()[0])
    user = client.new_user()
    mesh.service("stop", "inventory")
    try:
        with patient_order_service(mesh, "--order.stock_timeout=3s"):
            # Nobody reserves its stock, so that its timer falls due while the broker says nothing.
            order = client.create_order(order_request(user))
            os.kill(broker, signal.SIGSTOP)
            try:
                await_problem(mesh, "order: timers that are due have waited for ")
                assert mesh.metric("order", "tradewind_timers_waiting_seconds", group="order") > 10
                wait_until(lambda: say_that_keys_are_unread(problems(mesh)), 60, "the problem of all who read the log of keys")
                assert all(mesh.metric(reader, "tradewind_keys_unread_seconds") > 10 for reader in KEY_READERS)
            finally:
                os.kill(broker, signal.SIGCONT)
            client.await_order(order["id"], lambda now: now["state"] == "ORDER_STATE_REJECTED", 60)
            wait_until(lambda: mesh.metric("order", "tradewind_timers_waiting_seconds", group="order") == 0, 30, "the timers")
    finally:
        mesh.service("start", "inventory")


# ---- what waits in a store ------------------------------------------------------------------------------------------


def test_records_without_a_handler_are_a_problem_until_they_are_skipped(mesh):
    later = "tradewind.order.v1.OfALaterVersion"
    with store_of(mesh, "inventory") as store:
        for number in range(3):
            key = f"later-{number}"
            store.execute(
                """INSERT INTO kept ("group", partition, state, key, source, type, reason, record, queued, attempts, due_ms)
                   VALUES ('inventory', 0, 3, ?, '', ?, 'failed', ?, 1, 1, 1)""",
                (key.encode(), later, kept_record(TOPIC, key, cloud_event_headers(later, key))),
            )
    with running_with(mesh, "inventory", "--runtime.parked_keys=2"):
        await_problem(mesh, "inventory: 3 records wait that this build has no handler for")
        assert mesh.metric("inventory", "tradewind_no_handler_records", group="inventory") == 3
        await_problem(mesh, "inventory: 1 of its tasks read nothing more: messages of too many keys wait")
        assert mesh.metric("inventory", "tradewind_tasks_paused_by_keys", group="inventory") == 1
        mesh.cli("parked", "skip", "inventory", "--type", later)
        wait_until(lambda: is_well(mesh), 60, "the problems to go")


def test_a_topic_of_which_too_much_is_held_and_the_timers_that_wait_for_it_are_problems(mesh, client):
    topic, user = "inventory.events.v1", client.new_user()
    mesh.service("stop", "inventory")
    try:
        with running_with(mesh, "order", "--runtime.max_held_events=2", "--order.stock_timeout=20s"):
            # Nobody reserves its stock, and what would be read in its partition may have come in time.
            order = client.create_order(order_request(user))["id"]
            for number in (2, 3, 4):
                headers = {
                    **cloud_event_headers("com.example.Noise", order),
                    "ce_source": f"/tests/{order}",
                    "ce_sequence": f"{1:016}-{number:016}",
                    "ce_previous": f"{1:016}-{number - 1:016}",
                    "tradewind-mesh": mesh_name(mesh.address("kafka")),
                }
                send(mesh.address("kafka"), topic, order, b"x", headers)
            await_problem(mesh, "order: 1 partitions of its topics are read no more: too many events wait behind gaps")
            assert mesh.metric("order", "tradewind_topics_paused_by_gaps", group="order") == 1
            await_problem(mesh, "order: timers that are due have waited for ")
            assert mesh.metric("order", "tradewind_timers_waiting_seconds", group="order") > 10
            assert client.call(ORDERS, "GetOrder", {"id": order})["state"] == "ORDER_STATE_PENDING"
            mesh.cli("parked", "retry", "order", "--state", "held", "--key", order)
            client.await_order(order, lambda now: now["state"] == "ORDER_STATE_REJECTED", 60)
            wait_until(lambda: mesh.metric("order", "tradewind_timers_waiting_seconds", group="order") == 0, 30, "the timers")
    finally:
        mesh.service("start", "inventory")
    # Of the other groups that read the topic.
    mesh.cli("parked", "retry", "--state", "held", "--key", order)


def test_events_under_other_keys_that_nothing_reads_are_a_problem(mesh):
    topic = "inventory.rekeyed.v1"
    admin = AdminClient({"bootstrap.servers": mesh.address("kafka")})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    send(mesh.address("kafka"), topic, "key", b"x", cloud_event_headers("com.example.Noise", "key"))
    with store_of(mesh, "inventory") as store:
        ((progress,),) = store.execute("""SELECT progress FROM task WHERE "group" = 'inventory' AND partition = 0""").fetchall()
        # As a version with KeyedBy leaves it that has read nothing of its own topic yet.
        store.execute(
            """UPDATE task SET progress = ? WHERE "group" = 'inventory' AND partition = 0""",
            (progress + field(1, field(1, topic.encode())),),
        )
    await_problem(mesh, "inventory: 1 events wait under other keys that nothing reads")
    assert mesh.metric("inventory", "tradewind_rekeyed_unread_records", group="inventory") == 1
    admin.delete_topics([topic])[topic].result()
    wait_until(lambda: topic not in admin.list_topics(timeout=10).topics, 30, "the topic to be gone")
    mesh.service("stop", "inventory")
    mesh.service("start", "inventory")
    wait_until(lambda: is_well(mesh), 60, "the problem to go")


def test_an_aggregate_that_does_not_parse_is_a_problem_and_lists_go_without_it(mesh, client):
    service, kind = "tradewind.inventory.v1.InventoryService", "tradewind.inventory.v1.Product"
    whole, damaged = client.create_product()["id"], client.create_product()["id"]
    with store_of(mesh, "inventory") as store:
        value = replace_aggregate(store, kind, damaged, b"\xff")
    client.await_answer(service, "ListProducts")
    listed = {product["id"] for product in client.all_pages(service, "ListProducts", "products")}
    assert whole in listed and damaged not in listed
    with pytest.raises(grpc.RpcError) as caught:
        client.call(service, "GetProduct", {"id": damaged})
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    await_problem(mesh, f"inventory: since the service started, queries have met a {kind} that does not parse")
    assert mesh.metric("inventory", "tradewind_unreadable_aggregates_total", kind=kind) >= 2
    with store_of(mesh, "inventory") as store:
        replace_aggregate(store, kind, damaged, value)
    wait_until(lambda: is_well(mesh), 60, "the problem to go")
    assert client.call(service, "GetProduct", {"id": damaged})["id"] == damaged


# ---- services -------------------------------------------------------------------------------------------------------


def test_metrics_that_do_not_answer_are_a_problem(mesh):
    for name in ("shipping", "gateway"):
        mesh.service("stop", name)
        try:
            assert any(line.startswith(f"{name}: the metrics do not answer") for line in problems(mesh))
        finally:
            mesh.service("start", name)


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
