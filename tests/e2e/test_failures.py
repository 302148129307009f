"""Kafka away while calls come in, and processes told to end while calls are under way."""

import base64
import concurrent.futures
import json
import os
import signal
import subprocess
import threading
import time
import uuid

import grpc
import pytest

from support.client import INVENTORY, USERS, Client, Problem, bearer, order_request, problem_of, stock_shop
from support.mesh import SERVICES, wait_until


@pytest.fixture
def kafka_comes_back(mesh):
    """Whatever becomes of the test, the others find Kafka running."""
    yield
    mesh.kafka("start")
    wait_until(lambda: all(mesh.is_healthy(name) for name in SERVICES), 60, "health")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_calls_fail_fast_while_kafka_is_away_and_go_on_after(mesh, client, kafka_comes_back, how):
    client.create_order(order_request(client.new_user()))
    requests = [order_request(client.new_user()) for _ in range(5)]
    mesh.kafka(how)
    for request in requests:
        begin = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            client.create_order(request, timeout=10)
        took = time.monotonic() - begin
        problem = Problem(caught.value)
        certainly_not_there = problem.code == grpc.StatusCode.UNAVAILABLE
        outcome_open = problem.code == grpc.StatusCode.DEADLINE_EXCEEDED and problem.reason == "OUTCOME_PENDING"
        assert certainly_not_there or outcome_open, str(problem)
        # About a second: well before the caller's own ten.
        assert took < 4, f"{took:.1f} s"
    # Reading needs no Kafka.
    assert client.orders_of(requests[0]["user_id"]) == []

    mesh.kafka("start")
    for request in requests:

        def repeated():
            try:
                return client.create_order(request, timeout=5)
            except grpc.RpcError:
                return None

        order = wait_until(repeated, 60, "a repeated order to go through")
        assert [found["id"] for found in client.orders_of(request["user_id"])] == [order["id"]]


class Load:
    """Orders from several threads until told to stop; keeps what was answered and what was not."""

    def __init__(self, address, threads=16):
        self._client = Client(address)
        self.user_id = self._client.new_user()
        self.orders = []
        self.failed = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _run(self):
        while not self._stop.is_set():
            request = order_request(self.user_id)
            try:
                self.orders.append(self._client.create_order(request, timeout=5)["id"])
            except grpc.RpcError as error:
                self.failed.append((request, Problem(error)))
                # A closed door answers at once: knock less often.
                self._stop.wait(0.05)


def confirmations(client, user_id):
    return sum(
        notification["kind"] == "NOTIFICATION_KIND_ORDER_CONFIRMED" for notification in client.notifications_of(user_id)
    )


def repeat_until_answered(client, request):
    def once():
        try:
            return client.create_order(request, timeout=5)["id"]
        except grpc.RpcError:
            return None

    return wait_until(once, 60, "a repeated order to be answered")


@pytest.mark.parametrize(
    "name, told",
    [
        *((name, "SIGTERM") for name in ("order", "inventory", "payment", "gateway", "notification")),
        # As when the terminal goes away.
        ("order", "SIGHUP"),
    ],
)
def test_a_process_told_to_end_under_load_drains_and_ends_well(mesh, client, name, told):
    mesh.service("stop", name)
    log = (mesh.var / "log" / f"{name}.log").open("ab")
    process = subprocess.Popen(mesh.command(name), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    restarted = False
    try:
        wait_until(lambda: mesh.is_healthy(name), 30, f"tradewind-{name} to be healthy")
        with Load(mesh.address("gateway")) as load:
            wait_until(lambda: len(load.orders) > 200, 60, "load")
            process.send_signal(signal.Signals[told])
            code = process.wait(timeout=60)
            mesh.service("start", name)
            restarted = True
            after = len(load.orders)
            wait_until(lambda: len(load.orders) > after + 200, 60, "load after the restart")
        assert code == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()
        if not restarted:
            mesh.service("start", name)
    repeated = [repeat_until_answered(client, request) for request, _ in load.failed]
    expected = sorted(load.orders + repeated)
    assert len(set(expected)) == len(expected)
    assert sorted(order["id"] for order in client.orders_of(load.user_id)) == expected
    wait_until(lambda: confirmations(client, load.user_id) >= len(expected), 30, "every confirmation")
    assert confirmations(client, load.user_id) == len(expected)


def test_a_whole_system_told_to_end_under_load_loses_nothing(second_mesh):
    process = second_mesh.up_in_foreground()
    stock_shop(second_mesh.address("gateway"))
    with Load(second_mesh.address("gateway")) as load:
        wait_until(lambda: len(load.orders) > 200, 60, "load")
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        code = process.wait(timeout=120)
    assert code == 0, rest
    assert "exit code" not in rest and "killed" not in rest

    second_mesh.up()
    client = Client(second_mesh.address("gateway"))
    for request, _ in load.failed[:32]:
        load.orders.append(repeat_until_answered(client, request))
    found = {order["id"] for order in client.orders_of(load.user_id)}
    assert set(load.orders) <= found
    wait_until(lambda: confirmations(client, load.user_id) >= len(found), 30, "every confirmation")
    assert confirmations(client, load.user_id) == len(found)
    client.close()


def test_a_service_that_is_away_takes_nobody_with_it(mesh, client):
    buyer = client.new_user()
    mesh.service("stop", "user")
    try:
        with pytest.raises(grpc.RpcError) as caught:
            client.call(USERS, "ListUsers", {}, timeout=3)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        # The others go on.
        assert client.confirmed_order(order_request(buyer))["state"] == "ORDER_STATE_CONFIRMED"
    finally:
        mesh.service("start", "user")


def assert_quick(client, *arguments):
    begin = time.monotonic()
    client.call(*arguments, timeout=10)
    took = time.monotonic() - begin
    assert took < 2, f"{arguments}: {took:.1f} s"


def of_another_key(token):
    """The token as if a key that nobody knows had signed it."""
    header, rest = token.split(".", 1)
    fields = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    changed = json.dumps({**fields, "kid": str(uuid.uuid4())}).encode()
    return base64.urlsafe_b64encode(changed).decode().rstrip("=") + "." + rest


def assert_others_are_answered(client, buyer, tokens):
    """While as many calls wait for the user service, and others with these tokens for their keys."""
    with concurrent.futures.ThreadPoolExecutor(2 * len(tokens)) as callers:
        to_user = [callers.submit(problem_of, client.call, USERS, "ListUsers", {}, timeout=2) for _ in tokens]
        with_token = [
            callers.submit(problem_of, client.call, INVENTORY, "ListProducts", {}, metadata=bearer(token)) for token in tokens
        ]
        assert client.confirmed_order(order_request(buyer))["state"] == "ORDER_STATE_CONFIRMED"
        while not all(call.done() for call in to_user + with_token):
            assert_quick(client, INVENTORY, "ListProducts", {})
            assert_quick(client, "grpc.health.v1.Health", "Check", {})
    codes = {call.result().code for call in to_user}
    assert codes <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
    assert {call.result().reason for call in with_token} == {"KEYS_UNAVAILABLE"}


def test_a_service_that_hangs_holds_up_no_call_to_another(mesh, client):
    buyer = client.register(f"{uuid.uuid4().hex}@example.org")
    # The tests before have ended and started services.
    client.await_answer(USERS, "ListUsers")
    session = client.call(USERS, "LogIn", {"email": buyer["email"], "password": "correct horse battery"})
    token = session["access_token"]
    hanging = mesh.pid("user")
    # It keeps its connections, and takes new ones, and answers nothing.
    os.kill(hanging, signal.SIGSTOP)
    try:
        assert_others_are_answered(client, buyer["id"], [of_another_key(token) for _ in range(40)])
        # One that has just started knows no key at all.
        mesh.service("kill", "gateway")
        mesh.service("start", "gateway")
        assert_others_are_answered(client, buyer["id"], 40 * [token])
    finally:
        os.kill(hanging, signal.SIGCONT)
    wait_until(lambda: mesh.is_healthy("user"), 30, "tradewind-user to be healthy")
    client.await_answer(INVENTORY, "ListProducts", bearer(token))
