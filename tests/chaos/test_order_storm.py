"""The promise, put to the test: 2,000 orders at 64 in flight while tradewind-order is killed three times and the broker
once. Whatever was answered exists exactly once and was notified exactly once; whatever was not ends the same way when it
is repeated with its request_id."""

import collections
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from support.client import ORDERS, Problem, order_request
from support.mesh import SERVICES, wait_until

ORDER_COUNT = 2000
IN_FLIGHT = 64
USERS = [f"storm-{number}" for number in range(20)]
CONFIRMED = "tradewind.order.v1.OrderConfirmed"


class Storm:
    def __init__(self, client):
        self._client = client
        self._lock = threading.Lock()
        self.requests = [order_request(USERS[number % len(USERS)], units=number + 1) for number in range(ORDER_COUNT)]
        # request_id -> order
        self.answered = {}
        # request_id -> problems met on the way
        self.problems = collections.defaultdict(list)
        self.finished = 0

    def place(self, request, timeout=4):
        request_id = request["request_id"]
        try:
            order = self._client.create_order(request, timeout=timeout)
        except grpc.RpcError as error:
            with self._lock:
                self.problems[request_id].append(Problem(error))
                self.finished += 1
            return False
        with self._lock:
            assert request_id not in self.answered
            self.answered[request_id] = order
            self.finished += 1
        return True

    def unanswered(self):
        return [request for request in self.requests if request["request_id"] not in self.answered]


def wreck(mesh, storm):
    """Kills by progress, not by the clock: each blow falls in the middle of the storm on any machine."""
    for share, blow in ((0.15, "order"), (0.35, "order"), (0.55, "kafka"), (0.75, "order")):
        wait_until(lambda: storm.finished >= share * ORDER_COUNT, 300, f"{share:.0%} of the storm")
        if blow == "kafka":
            mesh.kafka("kill")
            mesh.kafka("start")
        else:
            mesh.service("kill", "order")
            mesh.service("start", "order")


def test_every_order_exists_and_is_notified_exactly_once(mesh, client):
    # So that the threads below meet a channel that is up and methods that are known.
    client.create_order(order_request("warm-up"))
    storm = Storm(client)
    with ThreadPoolExecutor(1) as wrecker, ThreadPoolExecutor(IN_FLIGHT) as shoppers:
        wrecking = wrecker.submit(wreck, mesh, storm)
        list(shoppers.map(storm.place, storm.requests))
        wrecking.result()
    failed = storm.unanswered()
    reasons = collections.Counter(
        f"{problem.code.name} {problem.reason}".strip() for problems in storm.problems.values() for problem in problems
    )
    print(f"\n{len(storm.answered)} answered, {len(failed)} failed in the storm: {dict(reasons)}")
    for problems in storm.problems.values():
        for problem in problems:
            assert problem.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), str(problem)

    wait_until(lambda: all(mesh.is_healthy(name) for name in SERVICES), 60, "every service to be healthy again")

    def repeat_failed():
        with ThreadPoolExecutor(IN_FLIGHT) as shoppers:
            list(shoppers.map(lambda request: storm.place(request, timeout=10), storm.unanswered()))
        return not storm.unanswered()

    wait_until(repeat_failed, 120, "every failed order to be answered when repeated")

    assert_orders_exist_once(client, storm)
    assert_repeats_are_answered_alike(client, storm)
    assert_confirmed_once(mesh, client, storm)


def assert_orders_exist_once(client, storm):
    stored = [order for user_id in USERS for order in client.orders_of(user_id, page_size=97)]
    counts = collections.Counter(order["id"] for order in stored)
    assert set(counts.values()) == {1}, "an order is listed twice"
    by_id = {order["id"]: order for order in stored}
    assert len(by_id) == ORDER_COUNT
    for request in storm.requests:
        order = storm.answered[request["request_id"]]
        assert by_id[order["id"]] == order
        assert order["state"] == "ORDER_STATE_CONFIRMED"
        assert order["lines"][0]["unit_price"]["units"] == request["lines"][0]["unit_price"]["units"]


def assert_repeats_are_answered_alike(client, storm):
    for request in storm.requests[::40]:
        assert client.create_order(request) == storm.answered[request["request_id"]]
    stored = client.call(ORDERS, "ListOrders", {"user_id": USERS[0], "page_size": 1000})["orders"]
    assert len(stored) == ORDER_COUNT // len(USERS)


def assert_confirmed_once(mesh, client, storm):
    """The log, the store and the notifications agree. A record may lie on the log twice, sent again after a crash: it
    then carries the same ce_id, and everyone takes it once."""
    order_of_event = {}
    for event in mesh.tail("order.events.v1", "--type", CONFIRMED):
        event_id = event["headers"]["ce_id"]
        assert order_of_event.setdefault(event_id, event["key"]) == event["key"]
    storm_orders = {order["id"] for order in storm.answered.values()}
    confirmed = collections.Counter(order for order in order_of_event.values() if order in storm_orders)
    assert set(confirmed) == storm_orders, "an order has no confirmation on the log"
    assert set(confirmed.values()) == {1}, "an order was confirmed by two events"

    def notified():
        return [
            order_of_event[notification["event_id"]]
            for user_id in USERS
            for notification in client.notifications_of(user_id)
            if notification["kind"] == "NOTIFICATION_KIND_ORDER_CONFIRMED"
        ]

    wait_until(lambda: len(notified()) >= ORDER_COUNT, 60, "every confirmation to be notified")
    drain_notifications(client)
    counts = collections.Counter(notified())
    assert set(counts) == storm_orders
    assert set(counts.values()) == {1}, "an order was notified twice"
    assert mesh.metric("notification", "tradewind_dead_records") == 0
    assert mesh.metric("order", "tradewind_dead_records") == 0


def drain_notifications(client):
    """Partitions are read in order: once later orders on all of them are notified, nothing older is still to come."""
    later = 100
    for _ in range(later):
        client.create_order(order_request("storm-end"))
    wait_until(lambda: len(client.notifications_of("storm-end")) == later, 60, "the last confirmations")
