"""The shop from end to end: what becomes of an order's stock, money and parcel, whatever happens on the way."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from support.client import INVENTORY, ORDERS, PAYMENTS, SHIPPING, Problem, as_dict, order_request, problem_of
from support.mesh import wait_until


def order_of(client, product, quantity=1, payment_token="tok_approve"):
    """An order that leaves the price to the shop."""
    request = order_request(client.user(), product=product, quantity=quantity, payment_token=payment_token)
    del request["lines"][0]["unit_price"]
    return request


def stock(client, product_id):
    product = client.call(INVENTORY, "GetProduct", {"id": product_id})
    return tuple(int(product[part]) for part in ("free", "reserved", "sold"))


def payment(client, order_id):
    return client.call(PAYMENTS, "GetPayment", {"id": order_id})


def await_payment(client, order_id, state):
    wait_until(lambda: payment(client, order_id)["state"] == f"PAYMENT_STATE_{state}", 10, f"the payment to be {state}")


def await_stock(client, product_id, expected):
    wait_until(lambda: stock(client, product_id) == expected, 10, f"stock {expected}")


def ship(client, order_id, state="IN_TRANSIT"):
    """Tells of the parcel; a moment after the confirmation it may not be there yet."""

    def told():
        try:
            return client.update_shipment(order_id, state, "Gull", "G-4711")
        except grpc.RpcError as error:
            assert Problem(error).reason == "SHIPMENT_NOT_FOUND", Problem(error)
            return None

    return wait_until(told, 10, "the shipment")


def test_a_product_is_sold_shipped_and_delivered(client):
    product = client.create_product(price=4, stock=10)
    order = client.confirmed_order(order_of(client, product["id"], 3))
    assert order["state"] == "ORDER_STATE_CONFIRMED"
    assert order["total"] == {"currency_code": "EUR", "units": "12", "nanos": 0}
    assert order["lines"][0]["unit_price"]["units"] == "4"
    assert stock(client, product["id"]) == (7, 3, 0)
    assert payment(client, order["id"])["state"] == "PAYMENT_STATE_AUTHORIZED"

    shipment = ship(client, order["id"])
    assert (shipment["state"], shipment["carrier"]) == ("SHIPMENT_STATE_IN_TRANSIT", "Gull")
    client.await_order(order["id"], lambda now: now["state"] == "ORDER_STATE_SHIPPED")
    await_payment(client, order["id"], "CAPTURED")
    await_stock(client, product["id"], (7, 0, 3))

    ship(client, order["id"], "DELIVERED")
    client.await_order(order["id"], lambda now: now["state"] == "ORDER_STATE_DELIVERED")
    assert client.call(SHIPPING, "GetShipment", {"id": order["id"]})["state"] == "SHIPMENT_STATE_DELIVERED"
    assert problem_of(client.call, ORDERS, "CancelOrder", {"id": order["id"]}).reason == "ORDER_NOT_CANCELLABLE"


def test_a_watcher_sees_every_step(client):
    product = client.create_product(stock=1)
    order = client.create_order(order_of(client, product["id"]))
    seen = []
    for message in client.stream(ORDERS, "WatchOrder", {"id": order["id"]}):
        now = as_dict(message)
        seen.append(now["state"].removeprefix("ORDER_STATE_"))
        if now["state"] == "ORDER_STATE_CONFIRMED":
            ship(client, order["id"])
        if now["state"] == "ORDER_STATE_SHIPPED":
            ship(client, order["id"], "DELIVERED")
    # Where it begins depends on how far the order had come.
    assert seen[-3:] == ["CONFIRMED", "SHIPPED", "DELIVERED"] and set(seen[:-3]) <= {"PENDING"}


@pytest.mark.parametrize("token", ["tok_approve", "tok_delay", "tok_error", "tok_duplicate"])
def test_a_payment_that_is_approved_sooner_or_later(client, token):
    product = client.create_product(stock=1)
    order = client.confirmed_order(order_of(client, product["id"], payment_token=token), timeout=30)
    assert order["state"] == "ORDER_STATE_CONFIRMED"
    ship(client, order["id"])
    await_payment(client, order["id"], "CAPTURED")


def test_a_declined_payment_frees_the_stock(client):
    product = client.create_product(stock=5)
    order = client.confirmed_order(order_of(client, product["id"], 2, "tok_decline"))
    assert (order["state"], order["reject_reason"]) == ("ORDER_STATE_REJECTED", "REJECT_REASON_PAYMENT_DECLINED")
    assert order["reject_detail"] == "declined by the sandbox"
    await_stock(client, product["id"], (5, 0, 0))


@pytest.mark.parametrize(
    "quantity, units, reason",
    [(3, 4, "OUT_OF_STOCK"), (1, 5, "PRICE_CHANGED")],
)
def test_what_cannot_be_had_is_rejected_and_says_why(client, quantity, units, reason):
    product = client.create_product(name="Green tea", price=4, stock=2)
    request = order_request(client.new_user(), product=product["id"], quantity=quantity, units=units)
    order = client.confirmed_order(request)
    assert (order["state"], order["reject_reason"]) == ("ORDER_STATE_REJECTED", f"REJECT_REASON_{reason}")
    assert "Green tea" in order["reject_detail"]
    assert stock(client, product["id"]) == (2, 0, 0)


def test_an_unknown_product_is_rejected(client):
    order = client.confirmed_order(order_of(client, "no-such-product"))
    assert order["reject_reason"] == "REJECT_REASON_UNKNOWN_PRODUCT"
    assert "no-such-product" in order["reject_detail"]


def test_a_confirmed_order_that_is_cancelled_leaves_nothing_behind(client):
    product = client.create_product(stock=5)
    order = client.confirmed_order(order_of(client, product["id"], 2))
    client.call(ORDERS, "CancelOrder", {"id": order["id"]})
    client.await_order(order["id"], lambda now: now["state"] == "ORDER_STATE_CANCELLED")
    await_payment(client, order["id"], "VOIDED")
    await_stock(client, product["id"], (5, 0, 0))
    assert client.call(SHIPPING, "GetShipment", {"id": order["id"]})["state"] == "SHIPMENT_STATE_CANCELLED"
    assert problem_of(client.update_shipment, order["id"], "IN_TRANSIT").reason == "SHIPMENT_STATE"


def test_a_parcel_that_comes_back_is_refunded_and_back_in_stock(client):
    product = client.create_product(stock=5)
    order = client.confirmed_order(order_of(client, product["id"], 2))
    ship(client, order["id"])
    await_payment(client, order["id"], "CAPTURED")
    ship(client, order["id"], "RETURNED")
    client.await_order(order["id"], lambda now: now["state"] == "ORDER_STATE_CANCELLED")
    await_payment(client, order["id"], "REFUNDED")
    await_stock(client, product["id"], (5, 0, 0))


def test_a_refund_by_hand_gives_back_what_was_captured_once(client):
    product = client.create_product(price=4, stock=5)
    order = client.confirmed_order(order_of(client, product["id"], 2))
    assert problem_of(client.call, PAYMENTS, "RefundPayment", {"id": order["id"]}).reason == "NOTHING_TO_REFUND"
    ship(client, order["id"])
    await_payment(client, order["id"], "CAPTURED")
    part = {"id": order["id"], "amount": {"currency_code": "EUR", "units": "3"}}
    client.call(PAYMENTS, "RefundPayment", part)
    wait_until(lambda: payment(client, order["id"])["refunded"]["units"] == "3", 10, "the first part")
    too_much = {"id": order["id"], "amount": {"currency_code": "EUR", "units": "6"}}
    assert problem_of(client.call, PAYMENTS, "RefundPayment", too_much).metadata["refundable"] == "5.00 EUR"
    client.call(PAYMENTS, "RefundPayment", {"id": order["id"]})
    await_payment(client, order["id"], "REFUNDED")
    assert problem_of(client.call, PAYMENTS, "RefundPayment", {"id": order["id"]}).reason == "NOTHING_TO_REFUND"


def test_stock_is_put_on_the_shelf_and_taken_off(client):
    product = client.create_product(stock=2)
    assert client.call(INVENTORY, "AdjustStock", {"id": product["id"], "delta": "5"})["free"] == "7"
    assert client.call(INVENTORY, "AdjustStock", {"id": product["id"], "delta": "-7"})["free"] == "0"
    problem = problem_of(client.call, INVENTORY, "AdjustStock", {"id": product["id"], "delta": "-1"})
    assert (problem.code, problem.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_ENOUGH_STOCK")


def test_a_product_is_created_once_under_its_own_number(client):
    product_id = f"sku-{uuid.uuid4()}"
    product = client.create_product(product_id)
    assert product["id"] == product_id
    problem = problem_of(client.create_product, product_id)
    assert (problem.code, problem.reason) == (grpc.StatusCode.ALREADY_EXISTS, "PRODUCT_EXISTS")
    assert product_id in {found["id"] for found in client.all_pages(INVENTORY, "ListProducts", "products")}


def test_no_more_is_sold_than_there_is_however_many_order_at_once(client):
    products = [client.create_product(stock=20)["id"] for _ in range(2)]
    gate = threading.Barrier(60)

    def order_both(index):
        # Half of them name the products the other way round.
        request = order_of(client, products[index % 2])
        request["lines"].append({"product_id": products[(index + 1) % 2], "quantity": 1})
        gate.wait()
        return client.confirmed_order(request, timeout=30)

    with ThreadPoolExecutor(60) as pool:
        orders = list(pool.map(order_both, range(60)))
    states = [order["state"] for order in orders]
    assert states.count("ORDER_STATE_CONFIRMED") == 20
    assert {order["reject_reason"] for order in orders if order["state"] == "ORDER_STATE_REJECTED"} == {
        "REJECT_REASON_OUT_OF_STOCK"
    }
    for product in products:
        assert stock(client, product) == (0, 20, 0)
