"""tradewind-order is killed at each crash point while orders come in, then started again: every order that was asked for
exists once and was confirmed once, and every call repeated with its request_id is answered as it was."""

import collections
import contextlib
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from support.client import order_request, stock_shop
from support.mesh import CHAOS_OFFSET, TREE, Mesh, process_is_running, taken_down, wait_until

# Passes before the process dies. Those at a takeover happen long before the first order, and so does the first
# mirroring of offsets.
UNDER_LOAD = {
    "batch.decided": 20,
    "commit.written": 20,
    "batch.committed": 20,
    "publish.begun": 30,
    "publish.acknowledged": 30,
    "offsets.mirroring": 2,
}
# Without work for half a second, and with events of the last work still in the outbox.
IN_QUIET = {"outbox.tidying": 1, "outbox.tidied": 1}
AT_START = {"takeover.epoch_raised": 5, "takeover.done": 5, "offsets.mirroring": 1}
AT_END = {"revoke.begun": 1, "revoke.settled": 1, "revoke.mirrored": 1}
# Of a service with effects: tests/e2e/test_effects.py.
ELSEWHERE = {"migration.step", "effect.added", "effect.finished"}

CONFIRMED = "tradewind.order.v1.OrderConfirmed"
ORDERS_AT_ONCE = 8
ORDER_COUNT = 40


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """One for all points."""
    with taken_down(Mesh(tmp_path_factory.mktemp("mesh"), CHAOS_OFFSET)) as mesh:
        mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh


def start_to_crash(mesh, point, passes):
    """Starts tradewind-order so that it dies at `point`; what it prints goes to a file of its own."""
    mesh.service("stop", "order")
    log = mesh.var / "log" / f"crash-{point}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            mesh.command("order"),
            env={**mesh.environment(), "TRADEWIND_CRASH_AT": f"{point}:{passes}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return process, log


def assert_died_there(process, log, point):
    assert process.wait(timeout=60) == -signal.SIGKILL
    assert f"crash point {point}" in log.read_text(errors="replace")


def place(client, requests, timeout):
    """The answers by request_id; nothing for a call that failed."""

    def one(request):
        try:
            return request["request_id"], client.create_order(request, timeout=timeout)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error
            return request["request_id"], None

    with ThreadPoolExecutor(ORDERS_AT_ONCE) as shoppers:
        return {request_id: order for request_id, order in shoppers.map(one, requests) if order is not None}


def crash_and_check(mesh, client, point, passes, serves_first=True, end=lambda process: None):
    user = client.new_user()
    requests = [order_request(user, quantity=number + 1) for number in range(ORDER_COUNT)]
    process, log = start_to_crash(mesh, point, passes)
    try:
        if serves_first:
            wait_until(lambda: mesh.is_healthy("order"), 30, "tradewind-order to be healthy")
            answered = place(client, requests, timeout=1)
        else:
            answered = {}
        end(process)
        assert_died_there(process, log, point)
    finally:
        if process_is_running(process.pid):
            process.kill()
        process.wait()
    mesh.service("start", "order")

    repeated = place(client, requests, timeout=20)
    assert len(repeated) == ORDER_COUNT
    for request_id, order in answered.items():
        assert repeated[request_id] == order, "a repeat was answered otherwise"
    assert sorted(order["id"] for order in client.orders_of(user)) == sorted(order["id"] for order in repeated.values())
    assert_confirmed_once(mesh, {order["id"] for order in repeated.values()})
    wait_until(lambda: len(confirmations(client, user)) >= ORDER_COUNT, 60, "every confirmation to be notified")
    assert len(confirmations(client, user)) == ORDER_COUNT, "an order was notified twice"


def assert_confirmed_once(mesh, orders):
    """A record sent again carries the same ce_id."""

    def confirmed():
        events = {event["headers"]["ce_id"]: event["key"] for event in mesh.tail("order.events.v1", "--type", CONFIRMED)}
        return collections.Counter(key for key in events.values() if key in orders)

    wait_until(lambda: len(confirmed()) == len(orders), 60, "every order's confirmation on the log")
    assert set(confirmed().values()) == {1}, "an order was confirmed by two events"


def confirmations(client, user):
    return [one for one in client.notifications_of(user) if one["kind"] == "NOTIFICATION_KIND_ORDER_CONFIRMED"]


@pytest.mark.parametrize("point", UNDER_LOAD)
def test_nothing_is_lost_or_doubled_by_a_crash_under_load(mesh, client, point):
    crash_and_check(mesh, client, point, UNDER_LOAD[point])


@pytest.mark.parametrize("point", IN_QUIET)
def test_nothing_is_lost_or_doubled_by_a_crash_in_a_quiet_moment(mesh, client, point):
    def leave_the_last_word_to_orders(process):
        """Shipping's word on a confirmed order ends in a commit that clears the outbox; a rejection stays there."""

        def is_dead_after_a_rejection():
            place(client, [order_request(client.user(), product="nothing")], timeout=1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2)
            return process.returncode is not None

        wait_until(is_dead_after_a_rejection, 60, f"a crash at {point}")

    crash_and_check(mesh, client, point, IN_QUIET[point], end=leave_the_last_word_to_orders)


@pytest.mark.parametrize("point", AT_START)
def test_nothing_is_lost_or_doubled_by_a_crash_at_a_takeover(mesh, client, point):
    crash_and_check(mesh, client, point, AT_START[point], serves_first=False)


@pytest.mark.parametrize("point", AT_END)
def test_nothing_is_lost_or_doubled_by_a_crash_while_partitions_are_given_back(mesh, client, point):
    crash_and_check(mesh, client, point, AT_END[point], end=lambda process: process.terminate())


def test_a_crash_within_a_migration_leaves_a_store_that_opens(mesh, tmp_path):
    command = [one for one in mesh.command("order") if not one.startswith("--store.")]
    command += [f"--store.directory={tmp_path}", "--kafka.topic_prefix=migration.", "--grpc.address=", "--metrics.address="]
    # The second of the steps that make a new file.
    died = subprocess.run(
        command,
        env={**os.environ, "TRADEWIND_CRASH_AT": "migration.step:2"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert b"crash point migration.step" in died.stderr
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert any(b'"ready"' in line for line in process.stdout), "it did not start"
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_every_point_in_the_code_is_tried():
    named = set()
    for source in (TREE / "common").rglob("*.cpp"):
        named |= set(re.findall(r'TRADEWIND_CRASH_POINT\("([a-z._]+)"\)', source.read_text()))
    assert named == set(UNDER_LOAD) | set(IN_QUIET) | set(AT_START) | set(AT_END) | ELSEWHERE
