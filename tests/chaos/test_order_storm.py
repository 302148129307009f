"""The promise, put to the test: 2,000 orders at 64 in flight while tradewind-order is killed three times, and inventory,
payment, shipping and the broker once each. Whatever was answered exists exactly once, has its stock, its money and its
parcel once and was notified exactly once; whatever was not ends the same way when it is repeated with its request_id."""

import collections
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from evidence import wait_until_read
from support.client import INVENTORY, ORDERS, PLENTY, Problem, order_request
from support.mesh import OWNERS, SERVICES, wait_until

ORDER_COUNT = 2000
IN_FLIGHT = 64
USER_COUNT = 20
# What happens once to every order, and where one reads of it.
STEPS = {
    "tradewind.order.v1.OrderCreated": "order.events.v1",
    "tradewind.inventory.v1.StockReserved": "inventory.events.v1",
    "tradewind.order.v1.OrderReserved": "order.events.v1",
    "tradewind.payment.v1.OperationRequested": "payment.events.v1",
    "tradewind.payment.v1.PaymentAuthorized": "payment.events.v1",
    "tradewind.order.v1.OrderConfirmed": "order.events.v1",
    "tradewind.shipping.v1.ShipmentCreated": "shipping.events.v1",
}
BLOWS = (
    (0.15, "order"),
    (0.25, "inventory"),
    (0.35, "order"),
    (0.45, "payment"),
    (0.55, "kafka"),
    (0.65, "shipping"),
    (0.75, "order"),
)


class Storm:
    def __init__(self, client):
        self._client = client
        self._lock = threading.Lock()
        self.users = [client.new_user() for _ in range(USER_COUNT)]
        self.requests = [
            order_request(self.users[number % USER_COUNT], quantity=number + 1) for number in range(ORDER_COUNT)
        ]
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
    for share, blow in BLOWS:
        wait_until(lambda: storm.finished >= share * ORDER_COUNT, 300, f"{share:.0%} of the storm")
        if blow == "kafka":
            mesh.kafka("kill")
            mesh.kafka("start")
        else:
            mesh.service("kill", blow)
            mesh.service("start", blow)


def test_every_order_exists_and_is_notified_exactly_once(mesh, client):
    # So that the threads below meet a channel that is up and methods that are known.
    warm_up = order_request(client.new_user())
    client.create_order(warm_up)
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
    wait_until(lambda: not unconfirmed(client, storm), 180, "every order to be confirmed")
    wait_until_read(mesh.address("kafka"), OWNERS, 120)

    assert_orders_exist_once(client, storm)
    assert_repeats_are_answered_alike(client, storm)
    assert_every_step_was_taken_once(mesh, storm)
    assert_every_user_was_told_once(mesh, client, storm)
    assert_stock_adds_up(client, [*storm.requests, warm_up])
    for name in OWNERS:
        assert mesh.metric(name, "tradewind_dead_records") == 0


def unconfirmed(client, storm):
    """Orders of one user that are under way."""
    for user_id in storm.users:
        waiting = [one for one in client.orders_of(user_id) if one["state"] != "ORDER_STATE_CONFIRMED"]
        if waiting:
            return waiting
    return []


def assert_orders_exist_once(client, storm):
    stored = [order for user_id in storm.users for order in client.orders_of(user_id, page_size=97)]
    counts = collections.Counter(order["id"] for order in stored)
    assert set(counts.values()) == {1}, "an order is listed twice"
    by_id = {order["id"]: order for order in stored}
    assert len(by_id) == ORDER_COUNT
    for request in storm.requests:
        answered = storm.answered[request["request_id"]]
        order = by_id[answered["id"]]
        assert answered["state"] == "ORDER_STATE_PENDING"
        # Created, reserved, confirmed.
        assert (answered["revision"], order["revision"]) == ("1", "3")
        for name in ("user_id", "lines", "total", "create_time"):
            assert order[name] == answered[name]
        assert order["lines"][0]["quantity"] == request["lines"][0]["quantity"]


def assert_repeats_are_answered_alike(client, storm):
    for request in storm.requests[::40]:
        assert client.create_order(request) == storm.answered[request["request_id"]]
    stored = client.call(ORDERS, "ListOrders", {"user_id": storm.users[0], "page_size": 1000})["orders"]
    assert len(stored) == ORDER_COUNT // USER_COUNT


def keys_by_event(mesh, type_name):
    """The key of each event of the type. A record may lie on the log twice, sent again after a crash: it then carries the
    same ce_id, and everyone takes it once."""
    keys = {}
    for event in mesh.tail(STEPS[type_name], "--type", type_name):
        event_id = event["headers"]["ce_id"]
        assert keys.setdefault(event_id, event["key"]) == event["key"]
    return keys


def assert_every_step_was_taken_once(mesh, storm):
    storm_orders = {order["id"] for order in storm.answered.values()}
    for type_name in STEPS:
        taken = collections.Counter(key for key in keys_by_event(mesh, type_name).values() if key in storm_orders)
        assert set(taken) == storm_orders, f"an order has no {type_name} on the log"
        assert set(taken.values()) == {1}, f"an order has two {type_name}"


def assert_every_user_was_told_once(mesh, client, storm):
    order_of_event = keys_by_event(mesh, "tradewind.order.v1.OrderConfirmed")
    told = collections.Counter(
        order_of_event[notification["event_id"]]
        for user_id in storm.users
        for notification in client.notifications_of(user_id)
        if notification["kind"] != "NOTIFICATION_KIND_WELCOME"
    )
    assert len(told) == ORDER_COUNT, "an order was not notified"
    assert set(told.values()) == {1}, "an order was notified twice"


def assert_stock_adds_up(client, requests):
    ordered = sum(request["lines"][0]["quantity"] for request in requests)
    product = client.call(INVENTORY, "GetProduct", {"id": "tea"})
    assert (int(product["reserved"]), int(product["sold"])) == (ordered, 0)
    assert int(product["free"]) == PLENTY - ordered
