"""Messages that fail, seen and moved on by the operator's command: `tradewind parked` and `tradewind status`.

The subscriber picky (picky/picky.cpp) fails for the users it is told to; it takes the three events of an order, which
have the order's id as their key and arrive in their order.
"""

import json
import os
import signal
import subprocess
import uuid

import pytest

from support.client import ORDERS, new_user_id, order_request
from support.kafka import cloud_event_headers, mesh_name, produce, send
from support.mesh import BIN, TREE, wait_until

EVENTS = ["OrderCreated", "OrderReserved", "OrderConfirmed", "OrderCancelRequested", "OrderCancelled"]
# A retry that nobody asks for does not come while a test runs.
PATIENT = ("--runtime.first_retry=1h",)
HASTY = ("--runtime.max_attempts=2", "--runtime.first_retry=10ms")


class Picky:
    """One service over all tests of this file: Kafka knows the group by its store."""

    def __init__(self, mesh, folder):
        self.mesh = mesh
        self.folder = folder
        self.address = f"127.0.0.1:{mesh.port('gateway') + 60}"
        self.metrics_address = f"127.0.0.1:{mesh.port('gateway') + 61}"
        self.process = None
        self._options = None
        self.fail_for()
        (folder / "log").touch()

    def fail_for(self, *users):
        """Replaces the users whose events fail."""
        fresh = self.folder / "fail.new"
        fresh.write_text("".join(f"{user}\n" for user in users))
        fresh.replace(self.folder / "fail")

    def hang_for(self, user):
        """The handler of the user's events does not return before fail_for is called."""
        self.fail_for(f"hang {user}")

    def handled(self, order):
        """The events of an order that went through, in the order in which they did."""
        lines = [line.split(" ") for line in (self.folder / "log").read_text().splitlines()]
        return [event for _, order_id, event in lines if order_id == order["id"]]

    def run(self, options):
        """Has it run with these options; returns once it answers."""
        if options == self._options and self.process is not None:
            return
        self.stop()
        self.spawn(options)
        wait_until(lambda: self.try_cli("parked", "list", "picky").returncode == 0, 20, "picky to answer")

    def spawn(self, options, **environment):
        with (self.folder / "picky.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    TREE / "build/tests/e2e/picky/picky",
                    f"--kafka.brokers={self.mesh.address('kafka')}",
                    f"--store.directory={self.folder / 'store'}",
                    f"--grpc.address={self.address}",
                    f"--metrics.address={self.metrics_address}",
                    *options,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PICKY_FAIL": str(self.folder / "fail"),
                    "PICKY_LOG": str(self.folder / "log"),
                    **environment,
                },
            )
        self._options = options

    def restart(self):
        options = self._options
        self.stop()
        self.run(options)

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(timeout=60)
            self.process = None
            assert code == 0, (self.folder / "picky.log").read_text()

    # ---- the operator's command ----

    def try_cli(self, *arguments, services=None):
        """What became of it. The mesh's notification service takes order events too, and stands beside picky."""
        services = services or {"picky": self.address, "notification": self.mesh.address("notification")}
        return subprocess.run(
            [
                BIN / "tradewind",
                *arguments,
                f"--kafka.brokers={self.mesh.address('kafka')}",
                "--cli.services=" + ",".join(f"{name}={address}" for name, address in services.items()),
                f"--cli.groups=picky={self.metrics_address}",
                f"--cli.pages=picky={self.metrics_address}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    def cli(self, *arguments):
        done = self.try_cli(*arguments)
        assert done.returncode == 0, f"tradewind {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def parked(self, *options):
        return json.loads(self.cli("parked", "list", "--json", *options))["records"]

    def queue_of(self, order):
        """State and type of what is parked of an order, in the order of the queue."""
        return [(record["state"], record["type"].rpartition(".")[2]) for record in self.parked("--key", order["id"])]

    def await_queue(self, order, *expected):
        wait_until(lambda: self.queue_of(order) == list(expected), 10, f"the queue {expected}")

    def group(self):
        return json.loads(self.cli("status", "--json"))["groups"][0]

    def problems(self):
        said = json.loads(self.try_cli("status", "--json").stdout)
        return [f"{problem['where']}: {problem['what']}" for problem in said.get("problems", [])]


@pytest.fixture(scope="module")
def running_picky(mesh, tmp_path_factory):
    picky = Picky(mesh, tmp_path_factory.mktemp("picky"))
    try:
        yield picky
    finally:
        picky.stop()


@pytest.fixture
def picky(running_picky):
    yield running_picky
    running_picky.fail_for()


def order_and_cancel(client, user_id):
    """An order with all of EVENTS."""
    order = client.confirmed_order(order_request(user_id))
    client.call(ORDERS, "CancelOrder", {"id": order["id"], "request_id": str(uuid.uuid4())})
    return client.await_order(order["id"], lambda now: now["state"] == "ORDER_STATE_CANCELLED")


def test_a_failing_message_holds_back_its_key_only_until_it_is_retried(picky, client):
    picky.run(PATIENT)
    bad, good = client.new_user(), client.new_user()
    picky.fail_for(bad)
    dead_before = len(picky.parked("picky", "--state", "dead"))
    stuck = order_and_cancel(client, bad)
    flowing = order_and_cancel(client, good)
    wait_until(lambda: picky.handled(flowing) == EVENTS, 10, "the other user's events")
    queue = [("retrying", EVENTS[0]), *(("waiting", event) for event in EVENTS[1:])]
    picky.await_queue(stuck, *queue)

    first, *others = picky.parked("picky", "--key", stuck["id"])
    assert (first["attempts"], first["reason"], first["holds_key"]) == (1, f"picky about {bad}", True)
    assert "retry_time" in first and {other["attempts"] for other in others} == {0}
    assert [first] == picky.parked("--key", stuck["id"], "--type", "OrderCreated", "--state", "parked")
    table = picky.cli("parked", "list", "picky", "--key", stuck["id"])
    assert f"{first['topic']}-{first['partition']}@{first['offset']}" in table and f"picky about {bad}" in table
    assert f"waits behind {first['id']}" in picky.cli("parked", "show", "picky", str(others[0]["id"]))
    wait_until(lambda: picky.group()["parked"] == len(EVENTS), 5, "the numbers in the status")
    assert (picky.group()["dead"], picky.group()["held"], picky.group()["outbox_full"]) == (dead_before, 0, False)

    picky.restart()
    assert picky.queue_of(stuck) == queue
    assert picky.parked("--key", stuck["id"])[0] == first
    picky.fail_for()
    said = picky.cli("parked", "retry", "--key", stuck["id"])
    assert "picky: 1 to be handled again" in said and "carried out within" in said
    wait_until(lambda: picky.handled(stuck) == EVENTS, 10, "the events in their order")
    picky.await_queue(stuck)


def test_a_handler_that_does_not_return_is_a_problem_until_it_does(picky, client):
    picky.run(PATIENT)
    user = client.new_user()
    picky.hang_for(user)
    stuck = client.confirmed_order(order_request(user))
    said = wait_until(picky.problems, 30, "a problem")
    assert said[0].startswith("picky: a handler has been running for ")
    picky.fail_for()
    wait_until(lambda: not picky.problems(), 10, "the problem to go")
    wait_until(lambda: "OrderConfirmed" in picky.handled(stuck), 10, "the event")


def test_a_dead_message_is_skipped_or_retried(picky, client):
    picky.run(HASTY)
    bad = client.new_user()
    picky.fail_for(bad)
    dead_before = len(picky.parked("picky", "--state", "dead"))
    skipped, retried = order_and_cancel(client, bad), order_and_cancel(client, bad)
    queue = [("dead", EVENTS[0]), *(("waiting", event) for event in EVENTS[1:])]
    picky.await_queue(skipped, *queue)
    picky.await_queue(retried, *queue)
    wait_until(lambda: picky.group()["dead"] == dead_before + 2, 5, "the dead in the status")
    wait_until(lambda: picky.group()["parked"] == 2 * len(EVENTS[1:]), 5, "what waits in the status")

    dead = picky.parked("--key", retried["id"])[0]
    assert dead["attempts"] == 2
    assert dead["reason"] == f"gave up after 2 attempts: picky about {bad}"
    shown = json.loads(picky.cli("parked", "show", "picky", str(dead["id"]), "--json"))
    assert shown["body"]["user_id"] == bad and shown["behind_it"] == len(EVENTS[1:])
    assert shown["headers"]["ce_type"] == "tradewind.order.v1.OrderCreated"

    # Still failing: it is dead again, after as many attempts as a new one has.
    picky.cli("parked", "retry", "picky", "--id", str(dead["id"]))
    picky.await_queue(retried, *queue)
    assert picky.handled(retried) == picky.handled(skipped) == []

    picky.fail_for()
    said = picky.cli("parked", "skip", "picky", "--key", skipped["id"])
    assert f"{skipped['id']}  tradewind.order.v1.OrderCreated" in said
    wait_until(lambda: picky.handled(skipped) == EVENTS[1:], 10, "what waited behind the skipped one")
    picky.cli("parked", "retry", "picky", "--state", "dead")
    wait_until(lambda: picky.handled(retried) == EVENTS, 10, "the events in their order")
    assert picky.queue_of(skipped) == picky.queue_of(retried) == []


def test_an_undecodable_record_is_shown_and_skipped(picky, mesh, client):
    picky.run(HASTY)
    name = str(uuid.uuid4())
    key = f"{name}-\\xff"
    # Every group that reads the topic keeps it.
    produce(mesh.address("kafka"), "order.events.v1", name.encode() + b"-\xff", b"just text")
    wait_until(lambda: len(picky.parked("--key", key)) == 2, 10, "the record among the dead of both")
    record = picky.parked("picky", "--key", key)[0]
    assert (record["state"], record["type"], record["holds_key"], record["key"]) == ("dead", "", False, key)
    shown = picky.cli("parked", "show", "picky", str(record["id"]))
    assert "undecodable: no ce_type header (9 bytes: 6a75737420" in shown
    assert f"`tradewind parked skip picky --id {record['id']}`" in shown

    said = picky.cli("parked", "skip", "--key", key)
    assert "notification: 1 to be skipped" in said and "picky: 1 to be skipped" in said and key in said
    assert picky.parked("--key", key) == []


def test_a_message_that_kills_the_process_is_set_aside(picky, client):
    picky.run(PATIENT)
    picky.stop()
    deadly = client.new_user()
    before = order_and_cancel(client, client.new_user())
    killer = order_and_cancel(client, deadly)
    after = order_and_cancel(client, client.new_user())

    def is_gone():
        return picky.process.poll() is not None

    def is_dead():
        listed = picky.try_cli("parked", "list", "picky", "--json", "--key", killer["id"])
        return listed.returncode == 0 and json.loads(listed.stdout)["records"]

    deaths = 0
    while deaths < 10:
        picky.spawn(PATIENT, PICKY_DIES_OF=deadly)
        wait_until(lambda: is_gone() or is_dead(), 30, "picky to die or to live on")
        if not is_gone():
            break
        assert picky.process.wait() == -signal.SIGABRT
        deaths += 1
    # Twice before the task takes care, and runtime.max_deaths times while nothing else is under way.
    assert deaths == 2 + 3
    queue = [("dead", EVENTS[0]), *(("waiting", event) for event in EVENTS[1:])]
    picky.await_queue(killer, *queue)
    assert "the process died" in picky.parked("--key", killer["id"])[0]["reason"]
    for order in (before, after):
        # Its log is no part of the transaction: what was handled beside the deadly one is there more than once.
        wait_until(lambda order=order: list(dict.fromkeys(picky.handled(order))) == EVENTS, 20, "the others' events")
    assert picky.handled(killer) == []
    # Once it can be handled, it is, with what waits behind it.
    picky.restart()
    picky.cli("parked", "retry", "--key", killer["id"])
    wait_until(lambda: picky.handled(killer) == EVENTS, 10, "the events in their order")


def test_events_behind_a_gap_are_held_until_it_is_given_up(picky, mesh):
    picky.run(PATIENT)
    user = new_user_id()
    order = str(uuid.uuid4())
    # OrderConfirmed.order_id and user_id.
    value = b"\x0a" + bytes([len(order)]) + order.encode() + b"\x12" + bytes([len(user)]) + user.encode()

    def send_event(number, previous):
        headers = {
            **cloud_event_headers("tradewind.order.v1.OrderConfirmed", order),
            "ce_source": f"/tests/{user}",
            "ce_sequence": f"{1:016}-{number:016}",
            "ce_previous": f"{1:016}-{previous:016}",
            "tradewind-mesh": mesh_name(mesh.address("kafka")),
        }
        send(mesh.address("kafka"), "order.events.v1", order, value, headers)

    def handled():
        return (picky.folder / "log").read_text().splitlines().count(f"{user} {order} OrderConfirmed")

    send_event(1, 0)
    wait_until(lambda: handled() == 1, 10, "the first event")
    send_event(3, 2)
    send_event(4, 3)
    # Held by both groups that read the topic.
    wait_until(lambda: len(picky.parked("--key", order, "--state", "held")) == 4, 10, "the events behind the gap")
    first, second = picky.parked("picky", "--key", order)
    assert (first["reason"], first["holds_key"]) == (f"nothing was received for {1:016}-{2:016}", False)
    wait_until(lambda: picky.group()["held"] == 2, 5, "the number in the status")

    # By oversight nothing is given up, nor what is in between.
    assert "nothing was chosen" in picky.cli("parked", "retry", "picky", "--all")
    done = picky.try_cli("parked", "retry", "picky", "--id", str(second["id"]))
    assert done.returncode == 1 and f"{second['id']} is still held" in done.stderr
    assert handled() == 1

    picky.cli("parked", "retry", "--state", "held", "--key", order)
    wait_until(lambda: handled() == 3, 10, "what was held")
    assert picky.parked("--key", order) == []


def test_what_cannot_be_done_is_said(picky):
    picky.run(HASTY)
    for arguments, code, said in (
        (("list", "--key", "nothing-has-it"), 0, ""),
        (("retry", "--key", "nothing-has-it"), 0, ""),
        (("show", "picky", "999999"), 1, "picky: there is no parked record with the id '999999'"),
        (("retry", "picky", "--id", "999999"), 1, "picky: there is no parked record with the id '999999'"),
        (("list", "piky"), 2, "did you mean picky?"),
        (("skip", "picky"), 2, "say which: --id N"),
        (("skip", "--id", "1"), 2, "needs the SERVICE"),
        (("lits",), 2, "did you mean list?"),
    ):
        done = picky.try_cli("parked", *arguments)
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        assert said in done.stderr and done.stderr.count("\n") == (1 if said else 0)

    services = {"picky": picky.address, "gone": "127.0.0.1:1"}
    for verb in (("list",), ("retry", "--key", "nothing-has-it")):
        done = picky.try_cli("parked", *verb, services=services)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "gone does not answer at 127.0.0.1:1" in done.stderr
    assert picky.try_cli("parked", "list", services=services).stdout == "nothing is parked in picky\n"
