"""What a client can call, and what it is answered."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from support.client import (
    INVENTORY,
    NOTIFICATIONS,
    ORDERS,
    PAYMENTS,
    SHIPPING,
    USERS,
    Problem,
    as_dict,
    order_request,
    problem_of,
)
from support.kafka import consume_with_headers
from support.mesh import wait_until


def is_confirmed(order):
    return order["state"] == "ORDER_STATE_CONFIRMED"


def is_cancelled(order):
    return order["state"] == "ORDER_STATE_CANCELLED"


def at_once(count, call):
    """Runs `call(index)` in as many threads, all let go at the same moment; returns what each returned or raised."""
    gate = threading.Barrier(count)

    def one(index):
        gate.wait()
        try:
            return call(index)
        except grpc.RpcError as error:
            return Problem(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_up_ends_with_a_delivered_order_and_its_timeline(first_up):
    mesh, printed = first_up
    for event in (
        "CreateOrderRequest",
        "OrderCreated",
        "StockReserved",
        "PaymentAuthorized",
        "OrderConfirmed",
        "ShipmentDispatched",
        "PaymentCaptured",
        "OrderDelivered",
        "NotificationCreated",
    ):
        assert event in printed
    assert "order.commands.v1-" in printed and "order.events.v1-" in printed and "@" in printed and " ms" in printed
    assert mesh.address("gateway") in printed and "deploy/down" in printed


def test_reflection_lists_the_services_behind_the_gateway(client):
    services = client.services()
    assert {USERS, ORDERS, INVENTORY, PAYMENTS, SHIPPING, NOTIFICATIONS} <= set(services)
    assert "grpc.health.v1.Health" in services


# ---- accounts -------------------------------------------------------------------------------------------------------


def test_one_account_per_address_however_many_register_at_once(client):
    for _ in range(5):
        name = uuid.uuid4().hex
        # The same address in different letters: one account all the same.
        answers = at_once(4, lambda index: client.register(f"{name if index % 2 else name.upper()}@Example.org"))
        opened = [answer for answer in answers if isinstance(answer, dict)]
        refused = [answer for answer in answers if isinstance(answer, Problem)]
        assert len(opened) == 1 and len(refused) == 3, [str(answer) for answer in answers]
        for problem in refused:
            assert problem.code == grpc.StatusCode.ALREADY_EXISTS
            assert problem.reason == "EMAIL_TAKEN"
        users = client.call(USERS, "ListUsers", {"email": f"{name}@example.org"})["users"]
        assert [user["id"] for user in users] == [opened[0]["id"]]
        assert client.call(USERS, "GetUser", {"id": opened[0]["id"]}) == users[0]


def test_a_repeated_registration_gets_its_first_answer(client):
    email, request_id = f"{uuid.uuid4().hex}@example.org", str(uuid.uuid4())
    assert client.register(email, request_id) == client.register(email, request_id)


def test_a_password_never_reaches_the_log(mesh, client):
    password = f"secret {uuid.uuid4()}"
    user = client.register(f"{uuid.uuid4().hex}@example.org", password=password)
    records = [
        record for record in consume_with_headers(mesh.address("kafka"), "user.commands.v1") if record["key"] == user["id"]
    ]
    assert len(records) == 1
    assert "$argon2id$" in records[0]["payload"]
    for record in records:
        assert password not in str(record)
    for service in ("gateway", "user"):
        assert password not in (mesh.var / "log" / f"{service}.log").read_text()


# ---- orders ---------------------------------------------------------------------------------------------------------


def test_an_order_sent_three_times_is_one_order_and_one_answer(client):
    request = order_request(client.new_user())
    answers = [client.create_order(request) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["state"] == "ORDER_STATE_PENDING"
    assert answers[0]["total"] == {"currency_code": "EUR", "units": "8", "nanos": 0}
    assert [order["id"] for order in client.orders_of(request["user_id"])] == [answers[0]["id"]]
    confirmed = client.await_order(answers[0]["id"], is_confirmed)
    assert client.call(ORDERS, "GetOrder", {"id": answers[0]["id"]}) == confirmed
    # The first answer is the answer, however far the order has come.
    assert client.create_order(request) == answers[0]


def test_the_same_order_sent_many_times_at_once_is_one_order(client):
    request = order_request(client.new_user())
    answers = at_once(8, lambda _: client.create_order(request))
    assert all(answer == answers[0] for answer in answers), [str(answer) for answer in answers]
    assert len(client.orders_of(request["user_id"])) == 1


def test_a_request_id_used_for_another_order_is_refused(client):
    request = order_request(client.new_user())
    client.create_order(request)
    problem = problem_of(client.create_order, {**request, "payment_token": "another"})
    assert problem.code == grpc.StatusCode.INVALID_ARGUMENT
    assert problem.reason == "REQUEST_ID_REUSED"
    assert len(client.orders_of(request["user_id"])) == 1


@pytest.mark.parametrize(
    "change, field",
    [
        ({"user_id": ""}, "user_id"),
        ({"lines": []}, "lines"),
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"lines": [{"product_id": "tea", "quantity": 0}]}, "lines[0].quantity"),
        (
            {"lines": [{"product_id": "tea", "quantity": 1, "unit_price": {"currency_code": "EUR", "units": "-1"}}]},
            "lines[0].unit_price",
        ),
    ],
)
def test_a_wrong_field_is_named(client, change, field):
    problem = problem_of(client.create_order, {**order_request(client.new_user()), **change})
    assert problem.code == grpc.StatusCode.INVALID_ARGUMENT
    assert problem.reason == "INVALID_FIELD"
    assert problem.fields == [field]


def test_an_unknown_id_is_not_found(client):
    for service, method, reason in ((ORDERS, "GetOrder", "ORDER_NOT_FOUND"), (USERS, "GetUser", "USER_NOT_FOUND")):
        problem = problem_of(client.call, service, method, {"id": str(uuid.uuid4())})
        assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, reason)


def test_paging_shows_every_order_once_newest_first(client):
    user_id = client.new_user()
    created = [client.create_order(order_request(user_id))["id"] for _ in range(7)]
    sizes, seen, token = [], [], ""
    while True:
        page = client.call(ORDERS, "ListOrders", {"user_id": user_id, "page_size": 3, "page_token": token})
        sizes.append(len(page["orders"]))
        seen += [order["id"] for order in page["orders"]]
        token = page["next_page_token"]
        if not token:
            break
    assert seen == created[::-1]
    assert sizes == [3, 3, 1]


def test_a_made_up_page_token_is_refused(client):
    problem = problem_of(client.call, ORDERS, "ListOrders", {"page_token": "made up"})
    assert problem.code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_cancelled_order_stays_cancelled(client):
    order = client.confirmed_order(order_request(client.new_user()))
    answer = client.call(ORDERS, "CancelOrder", {"id": order["id"], "reason": "changed my mind"})
    assert answer["state"] == "ORDER_STATE_CONFIRMED" and answer["cancel_requested"]
    cancelled = client.await_order(order["id"], is_cancelled)
    assert cancelled["cancel_reason"] == "changed my mind"
    assert client.call(ORDERS, "CancelOrder", {"id": order["id"], "reason": "again"}) == cancelled
    assert client.call(ORDERS, "GetOrder", {"id": order["id"]}) == cancelled


def test_watching_an_order_shows_each_change_and_ends_with_the_last(client):
    order = client.confirmed_order(order_request(client.new_user()))
    stream = client.stream(ORDERS, "WatchOrder", {"id": order["id"]})
    assert as_dict(next(stream)) == order
    requested = client.call(ORDERS, "CancelOrder", {"id": order["id"]})
    rest = [as_dict(message) for message in stream]
    assert rest == [requested, client.call(ORDERS, "GetOrder", {"id": order["id"]})]
    assert is_cancelled(rest[-1])


def test_accepted_mode_answers_with_the_id_alone(client):
    request = order_request(client.new_user())
    answer = client.create_order(request, metadata=[("tradewind-wait", "accepted")])
    assert answer["id"] and answer["state"] == "ORDER_STATE_UNSPECIFIED" and answer["lines"] == []
    wait_until(lambda: client.orders_of(request["user_id"]), 10, "the accepted order to be there")
    # The outcome is had by asking again.
    assert client.create_order(request)["state"] == "ORDER_STATE_PENDING"


def test_the_callers_trace_goes_with_the_event(mesh, client):
    trace_id = uuid.uuid4().hex
    order = client.create_order(
        order_request(client.new_user()), metadata=[("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01")]
    )
    client.await_order(order["id"], is_confirmed)
    # Through inventory and payment and back.
    events = [event for event in mesh.tail("order.events.v1") if event["key"] == order["id"]]
    assert [event["type"].rpartition(".")[2] for event in events] == ["OrderCreated", "OrderReserved", "OrderConfirmed"]
    assert all(event["headers"]["traceparent"].split("-")[1] == trace_id for event in events)


# ---- notifications --------------------------------------------------------------------------------------------------


def kinds_of(client, user_id):
    return sorted(notification["kind"] for notification in client.notifications_of(user_id))


def test_a_user_is_told_of_what_happens(client):
    user = client.register(f"{uuid.uuid4().hex}@example.org")
    order = client.confirmed_order(order_request(user["id"]))
    client.call(ORDERS, "CancelOrder", {"id": order["id"]})
    expected = ["NOTIFICATION_KIND_ORDER_CANCELLED", "NOTIFICATION_KIND_ORDER_CONFIRMED", "NOTIFICATION_KIND_WELCOME"]
    wait_until(lambda: kinds_of(client, user["id"]) == expected, 10, f"{expected}")
    ids = [notification["id"] for notification in client.notifications_of(user["id"], page_size=1)]
    assert len(set(ids)) == 3


def test_watching_notifications_shows_those_there_and_those_to_come(client):
    user_id = client.new_user()
    client.create_order(order_request(user_id))
    there = ["NOTIFICATION_KIND_ORDER_CONFIRMED", "NOTIFICATION_KIND_WELCOME"]
    wait_until(lambda: kinds_of(client, user_id) == there, 10, "the welcome and the first confirmation")
    stream = client.stream(NOTIFICATIONS, "WatchNotifications", {"user_id": user_id})
    assert sorted(as_dict(next(stream))["kind"] for _ in there) == there
    order = client.confirmed_order(order_request(user_id))
    client.call(ORDERS, "CancelOrder", {"id": order["id"]})
    assert [as_dict(next(stream))["kind"] for _ in range(2)] == [
        "NOTIFICATION_KIND_ORDER_CONFIRMED",
        "NOTIFICATION_KIND_ORDER_CANCELLED",
    ]
    stream.cancel()
