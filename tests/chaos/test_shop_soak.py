"""Orders over 500 products of which there are not enough, some declined, some cancelled, some never answered by the payment
provider, some shipped and delivered, while every process is killed. At the end no order is stuck, and stock and money add up
to the last piece and cent. `tests/run soak` places 20,000 of them."""

import collections
import os
import random
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from support.client import INVENTORY, ORDERS, PAYMENTS, Client, Problem, order_request
from support.mesh import CHAOS_OFFSET, SERVICES, Mesh, taken_down, wait_until

ORDER_COUNT = int(os.environ.get("TRADEWIND_SOAK_ORDERS", "8000"))
PRODUCT_COUNT = 500
# Of each product, and not enough: about half of what is ordered.
STOCK = 3 * ORDER_COUNT // 1000
PRICE = 4
USER_COUNT = 200
IN_FLIGHT = 48
SEED = 20_000
# Of a hundred orders.
TOKENS = ["tok_approve"] * 78 + ["tok_decline"] * 8 + ["tok_duplicate"] * 6 + ["tok_error"] * 6 + ["tok_unreachable"] * 2
BLOWS = ("order", "inventory", "payment", "gateway", "shipping", "kafka", "notification", "inventory", "order")


@pytest.fixture
def mesh(tmp_path, monkeypatch):
    # Who never pays is not waited for as long as in a shop.
    monkeypatch.setenv("TRADEWIND_ORDER_PAYMENT_TIMEOUT", "30s")
    with taken_down(Mesh(tmp_path / "mesh", CHAOS_OFFSET)) as mesh:
        mesh.up()
        yield mesh


def product_id(number):
    return f"soak-{number:03}"


class Soak:
    def __init__(self, client):
        self.client = client
        self.random = random.Random(SEED)
        self.users = [client.new_user() for _ in range(USER_COUNT)]
        self.requests = [self._request() for _ in range(ORDER_COUNT)]
        self.orders = {}
        self.done = 0

    def _request(self):
        request = order_request(self.random.choice(self.users), payment_token=self.random.choice(TOKENS))
        products = self.random.sample(range(PRODUCT_COUNT), self.random.randint(1, 3))
        request["lines"] = [
            {"product_id": product_id(number), "quantity": self.random.randint(1, 2)} for number in products
        ]
        request["cancel"] = self.random.random() < 0.1
        return request

    def repeat(self, method, service, request):
        """Until it is answered: a process that was just killed is back in seconds."""

        def once():
            try:
                return self.client.call(service, method, request, timeout=5)
            except grpc.RpcError as error:
                problem = Problem(error)
                transient = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
                if problem.code in transient:
                    return None
                return problem

        return wait_until(once, 120, f"{method} to be answered")

    def place(self, request):
        cancel = request.pop("cancel")
        order = self.repeat("CreateOrder", ORDERS, request)
        self.orders[request["request_id"]] = order
        if cancel:
            # It may be too late, or it may never have been possible.
            self.repeat("CancelOrder", ORDERS, {"id": order["id"], "request_id": request["request_id"]})
        self.done += 1

    def tell(self, order_id, state):
        request = {"id": order_id, "state": f"SHIPMENT_STATE_{state}", "carrier": "Gull"}
        return self.repeat("UpdateShipment", "tradewind.shipping.v1.ShippingService", request)


def wreck(mesh, soak):
    for number, blow in enumerate(BLOWS):
        share = (number + 1) / (len(BLOWS) + 1)
        wait_until(lambda: soak.done >= share * ORDER_COUNT, 600, f"{share:.0%} of the orders")
        if blow == "kafka":
            mesh.kafka("kill")
            mesh.kafka("start")
        else:
            mesh.service("kill", blow)
            mesh.service("start", blow)


def all_orders(client, soak):
    """All but the one that deploy/up itself places."""
    orders = client.all_pages(ORDERS, "ListOrders", "orders")
    return [order for order in orders if order["user_id"] in soak.users]


def is_under_way(order):
    return order["state"] == "ORDER_STATE_PENDING" or order["cancel_requested"]


def come_to_rest(client, mesh, soak):
    wait_until(lambda: all(mesh.is_healthy(name) for name in SERVICES), 60, "every service to be healthy")
    wait_until(lambda: not any(is_under_way(order) for order in all_orders(client, soak)), 300, "no order to be under way")


def units(money):
    return int(money["units"])


def test_stock_and_money_add_up_whatever_dies(mesh):
    client = Client(mesh.address("gateway"))
    for number in range(PRODUCT_COUNT):
        client.create_product(product_id(number), price=PRICE, stock=STOCK)
    soak = Soak(client)
    with ThreadPoolExecutor(1) as wrecker, ThreadPoolExecutor(IN_FLIGHT) as shoppers:
        wrecking = wrecker.submit(wreck, mesh, soak)
        list(shoppers.map(soak.place, soak.requests))
        wrecking.result()
    come_to_rest(client, mesh, soak)

    # The parcels: most leave, some of those arrive, some come back.
    confirmed = [order["id"] for order in all_orders(client, soak) if order["state"] == "ORDER_STATE_CONFIRMED"]
    leaving = confirmed[: len(confirmed) * 3 // 4]
    with ThreadPoolExecutor(IN_FLIGHT) as carriers:
        telling = carriers.map(lambda order_id: soak.tell(order_id, "IN_TRANSIT"), leaving)
        mesh.service("kill", "shipping")
        mesh.service("start", "shipping")
        mesh.service("kill", "payment")
        mesh.service("start", "payment")
        list(telling)
        ends = ["DELIVERED", "DELIVERED", "RETURNED"]
        list(carriers.map(lambda one: soak.tell(one[1], ends[one[0] % 3]), enumerate(leaving[: len(leaving) // 2])))
    come_to_rest(client, mesh, soak)
    check(client, soak)
    client.close()


def check(client, soak):
    orders = all_orders(client, soak)
    states = collections.Counter(order["state"].removeprefix("ORDER_STATE_") for order in orders)
    print(f"\n{dict(states)}")
    assert len(orders) == len({order["id"] for order in orders}) == ORDER_COUNT
    assert {order["id"] for order in orders} == {order["id"] for order in soak.orders.values()}
    assert set(states) == {"CONFIRMED", "SHIPPED", "DELIVERED", "CANCELLED", "REJECTED"}
    out = [order for order in orders if order["state"] in ("ORDER_STATE_SHIPPED", "ORDER_STATE_DELIVERED")]
    held = [order for order in orders if order["state"] == "ORDER_STATE_CONFIRMED"]
    wait_until(lambda: stock_is_right(client, out, held), 120, "the stock to add up")
    wait_until(lambda: money_is_right(client, orders, out), 120, "the money to add up")


def pieces(orders):
    counted = collections.Counter()
    for order in orders:
        for line in order["lines"]:
            counted[line["product_id"]] += line["quantity"]
    return counted


def stock_is_right(client, out, held):
    sold, reserved = pieces(out), pieces(held)
    products = [one for one in client.all_pages(INVENTORY, "ListProducts", "products") if one["id"].startswith("soak-")]
    assert len(products) == PRODUCT_COUNT
    for product in products:
        free = int(product["free"])
        # This holds at any time.
        assert free >= 0 and free + int(product["reserved"]) + int(product["sold"]) == STOCK, product
    # This once everything has come to rest.
    return all(
        (int(product["reserved"]), int(product["sold"])) == (reserved[product["id"]], sold[product["id"]])
        for product in products
    )


def money_is_right(client, orders, out):
    def payment_of(order):
        try:
            return client.call(PAYMENTS, "GetPayment", {"id": order["id"]}, timeout=10)
        except grpc.RpcError as error:
            # One that never had its stock was never asked for money.
            assert Problem(error).reason == "PAYMENT_NOT_FOUND", Problem(error)
            return None

    with ThreadPoolExecutor(IN_FLIGHT) as tellers:
        payments = [payment for payment in tellers.map(payment_of, orders) if payment is not None]
    kept = sum(units(payment["captured"]) - units(payment["refunded"]) for payment in payments)
    return kept == sum(units(order["total"]) for order in out)
