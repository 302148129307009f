"""A system whose services keep their data in PostgreSQL: what is answered stays right while the service, the database
or one of two instances of a service dies."""

import contextlib
import os
import subprocess

import pytest

from support.client import Client, order_request, stock_shop
from support.kafka import cloud_event_headers, send
from support.mesh import OWNERS, POSTGRES_OFFSET, TREE, Mesh, processes_naming, wait_until
from support.status import await_problem, is_well
from test_failures import Load, confirmations, repeat_until_answered


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    mesh = Mesh(tmp_path_factory.mktemp("postgres"), POSTGRES_OFFSET, store="postgres")
    try:
        said = mesh.up()
        assert f"{mesh.var}/postgres" in said and mesh.address("postgres") in said
        assert "CONFIRMED" in said
        stock_shop(mesh.address("gateway"))
        yield mesh
    finally:
        mesh.down("--wipe")
    assert processes_naming(str(mesh.var)) == []
    assert not mesh.var.exists()


@pytest.fixture
def client(mesh):
    client = Client(mesh.address("gateway"))
    yield client
    client.close()


def assert_exactly_once(client, load):
    """Everything answered is there once and was notified once; what was not is answered when repeated."""
    repeated = [repeat_until_answered(client, request) for request, _ in load.failed]
    expected = sorted(load.orders + repeated)
    assert len(set(expected)) == len(expected)
    assert sorted(order["id"] for order in client.orders_of(load.user_id)) == expected
    wait_until(lambda: confirmations(client, load.user_id) >= len(expected), 30, "every confirmation")
    assert confirmations(client, load.user_id) == len(expected)


def go_on(load, orders=30):
    after = len(load.orders)
    wait_until(lambda: len(load.orders) > after + orders, 60, f"{orders} more orders")


def test_no_file_is_written_beside_the_database(mesh):
    assert not list(mesh.var.glob("*/*.db"))


def test_records_under_long_keys_are_set_aside_or_handled(mesh, client):
    """PostgreSQL's indexes take rows of up to 2,704 bytes, and Kafka keys of a megabyte."""
    broker = mesh.address("kafka")
    before = {owner: mesh.pid(owner) for owner in OWNERS}
    was_dead = mesh.metric("inventory", "tradewind_dead_records")
    random_key = b"\x01" + os.urandom(3999)
    send(broker, "order.events.v1", random_key, b"\xff\xff", cloud_event_headers("tradewind.order.v1.OrderCreated", "k"))
    wait_until(lambda: mesh.metric("inventory", "tradewind_dead_records") == was_dead + 1, 20, "the record among the dead")
    # As long a key that its message names too: handled, and its shipment found by it. 4,000 is a varint of two bytes.
    long_key = os.urandom(2000).hex()
    confirmed = b"\x0a\xa0\x1f" + long_key.encode()
    send(broker, "order.events.v1", long_key, confirmed, cloud_event_headers("tradewind.order.v1.OrderConfirmed", "k"))
    for owner in ("inventory", "shipping"):
        mesh.service("kill", owner)
        mesh.service("start", owner)
        before[owner] = mesh.pid(owner)
    order = client.confirmed_order(order_request(client.new_user()), timeout=20)
    assert order["state"] == "ORDER_STATE_CONFIRMED"
    assert {owner: mesh.pid(owner) for owner in OWNERS} == before


def test_an_order_outlives_its_service(mesh, client):
    request = order_request(client.new_user())
    order = client.create_order(request)
    mesh.service("kill", "order")
    mesh.service("start", "order")
    assert [found["id"] for found in client.orders_of(order["user_id"])] == [order["id"]]
    # The answer to a repeated request was kept too.
    assert client.create_order(request) == order


def test_calls_go_on_when_the_database_is_back(mesh, client):
    with Load(mesh.address("gateway"), threads=8) as load:
        wait_until(lambda: len(load.orders) > 50, 60, "load")
        mesh.postgres("stop", "--immediate")
        mesh.postgres("start")
        go_on(load)
        mesh.postgres("kill")
        mesh.postgres("start")
        go_on(load)
    assert_exactly_once(client, load)


def test_status_says_that_the_database_is_away_until_it_is_back(mesh):
    wait_until(lambda: is_well(mesh), 30, "a mesh without problems")
    mesh.postgres("stop", "--immediate")
    try:
        # Nobody calls: the services themselves look.
        await_problem(mesh, "order: the store has answered no ")
    finally:
        mesh.postgres("start")
    wait_until(lambda: is_well(mesh), 60, "the problem to go")


@contextlib.contextmanager
def second_instance(mesh, name):
    """Another process of the service, on ports of its own."""
    command = [
        argument
        for argument in mesh.command(name)
        if not argument.startswith(("--grpc.address", "--metrics.address"))
    ]
    address = f"127.0.0.1:{mesh.port(name) + 100}"
    command += [f"--grpc.address={address}", "--metrics.address="]
    health = [command[0], "health", *command[1:]]
    with (mesh.var / "log" / f"{name}-2.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=mesh.environment()
        )
    try:
        wait_until(lambda: subprocess.run(health, capture_output=True).returncode == 0, 30, "the second instance")
        yield process
    finally:
        process.kill()
        process.wait()


def test_of_two_instances_either_may_die(mesh, client):
    with second_instance(mesh, "order") as second:
        with Load(mesh.address("gateway"), threads=8) as load:
            go_on(load)
            mesh.service("kill", "order")
            go_on(load)
            mesh.service("start", "order")
            go_on(load)
            second.kill()
            second.wait()
            go_on(load)
        assert_exactly_once(client, load)


def test_a_folder_keeps_its_kind_of_store(mesh):
    mesh.down()
    command = [TREE / "deploy/up", "--detach", "--var", mesh.var, "--port-offset", str(mesh.offset)]
    done = subprocess.run([*command, "--store", "sqlite"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "--wipe" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    # Nothing said: what the folder has.
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "PostgreSQL" in done.stdout
