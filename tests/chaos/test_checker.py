"""The checker passes a history in which all is well, and fails it after any one thing was lost, doubled or swapped."""

import dataclasses

import pytest

from checker import check
from damage import decide_again, send_again, swap, swap_contents, take_out
from history import Call, Kept
from maker import MONEY, NOTHING, make_history
from saga import ENDS


@pytest.fixture
def history():
    return make_history()


def first(events, type_, key=""):
    """The place of the first event of this type, of a key that begins so."""
    return next(i for i, event in enumerate(events) if event.type == type_ and event.key.startswith(key))


def lose(topic, type_):
    def damage(history):
        take_out(history.events[topic], first(history.events[topic], type_))

    return damage


def double(topic, type_):
    return lambda history: decide_again(history.events[topic], first(history.events[topic], type_))


def change(topic, type_, **fields):
    return lambda history: history.events[topic][first(history.events[topic], type_)].fields.update(fields)


def call_of(history, method, **request):
    """The first of the method with these things in its request."""
    return next(call for call in history.calls if call.method == method and request.items() <= call.request.items())


def order_of(history, way):
    return next(order["id"] for order in history.orders if order["id"].rpartition("-")[0] == way)


def last_of(history, way):
    """The last event of an order that went this way."""
    return [event for event in history.events["order.events.v1"] if event.key == order_of(history, way)][-1]


def set_state(store, way, state):
    """Of what a service keeps of an order that went this way, as if a step had been missed or done twice."""

    def damage(history):
        kept = getattr(history, store)[order_of(history, way)]
        kept.get("payment", kept)["state"] = state

    return damage


def move_stock(**changes):
    def damage(history):
        for name, delta in changes.items():
            history.products["tea"][name] = str(int(history.products["tea"][name]) + delta)

    return damage


def oversell(history):
    """Everything adds up, and there is less than nothing."""
    reservation = history.reservations["order-1"]["lines"][0]
    for event in history.events["order.events.v1"] + history.events["inventory.events.v1"]:
        if event.key == "order-1" and "lines" in event.fields:
            event.fields["lines"][0]["quantity"] = 1000
    reservation["quantity"] = 1000
    move_stock(free=-996, reserved=996)(history)


def merchant_booking(history):
    return next(i for i, event in enumerate(history.events["ledger.events.v1"]) if event.key.startswith("merchant-"))


DAMAGES = {
    # Lost.
    "an event of an order is lost": lambda h: h.events["order.events.v1"].pop(2),
    "the last event of an order is lost": lambda h: h.events["order.events.v1"].pop(),
    "a booking is lost": lambda h: h.events["ledger.events.v1"].pop(3),
    "an event of a user is lost": lambda h: h.events["user.events.v1"].pop(0),
    "an event of a notification is lost": lambda h: h.events["notification.events.v1"].pop(1),
    "an order is not in the store": lambda h: h.orders.pop(0),
    "a user is not listed": lambda h: h.users.pop(0),
    "a notification is lost": lambda h: h.notifications.pop(2),
    "a subscriber missed an event": lambda h: h.journals["order-2"].pop(),
    "a subscriber missed all events of a key": lambda h: h.journals.pop("order-1"),
    "a merchant's booking was missed": lambda h: next(
        ids for key, ids in h.journals.items() if key.startswith("merchant-")
    ).pop(),
    "an event behind a dead one is lost": lambda h: h.kept.pop(3),
    "a dead event is lost": lambda h: h.kept.pop(0),
    "a death was not announced": lambda h: take_out(h.events["mesh.dead.v1"], 0),
    "a call was never answered": lambda h: setattr(
        [call for call in h.calls if not call.once][-1], "answer", None
    ),
    # Doubled.
    "an order was decided twice": lambda h: decide_again(h.events["order.events.v1"], 1),
    "a booking was made twice": lambda h: decide_again(h.events["ledger.events.v1"], 1),
    "a merchant was booked on twice": lambda h: decide_again(h.events["ledger.events.v1"], merchant_booking(h)),
    "a notification's event is there twice": lambda h: decide_again(h.events["notification.events.v1"], 0),
    "an order is listed twice": lambda h: h.orders.append(h.orders[0]),
    "a user is listed twice": lambda h: h.users.append(h.users[0]),
    "a notification is there twice": lambda h: h.notifications.append(h.notifications[0]),
    "a subscriber saw an event twice": lambda h: h.journals["order-2"].append(h.journals["order-2"][-1]),
    "an address has two accounts": lambda h: setattr(
        call_of(h, "RegisterUser", request_id="other-ada"), "answer", {"id": "grace"}
    ),
    "two requests made one order": lambda h: setattr(
        call_of(h, "CreateOrder", request_id="create-order-4"), "answer", call_of(h, "CreateOrder").answer
    ),
    # Swapped.
    "two events were decided in the wrong order": lambda h: swap_contents(h.events["order.events.v1"], 0, 1),
    "two bookings were made in the wrong order": lambda h: swap_contents(h.events["ledger.events.v1"], 0, 2),
    "a subscriber saw two events swapped": lambda h: swap(h.journals["order-2"], 0, 1),
    "what waits behind a dead event is swapped": lambda h: swap(h.kept, 2, 3),
    # Invented or changed.
    "money was made": lambda h: h.accounts.update(ada=(h.accounts["ada"][0] + 1, h.accounts["ada"][1])),
    "money was moved to the wrong account": lambda h: h.accounts.update(
        ada=(h.accounts["ada"][0] + 4, h.accounts["ada"][1]), grace=(h.accounts["grace"][0] - 4, h.accounts["grace"][1])
    ),
    "a charge was not given back": lambda h: h.charges.update({"order-2": 4}),
    "a charge is lost": lambda h: h.charges.pop("order-1"),
    "an order that nobody asked for": lambda h: h.calls.remove(call_of(h, "CreateOrder")),
    "a cancellation that nobody asked for": lambda h: h.calls.remove(call_of(h, "CancelOrder")),
    "an answer without an effect": lambda h: h.calls.append(
        Call("CreateOrder", {"request_id": "r"}, 0, 1, {**call_of(h, "CreateOrder").answer, "id": "order-9"})
    ),
    "a repeat was answered otherwise": lambda h: h.calls.append(
        Call("CreateOrder", call_of(h, "CreateOrder").request, 0, 1, {**call_of(h, "CreateOrder").answer, "id": "order-9"})
    ),
    "the store has another state": lambda h: h.orders[0].update(state="ORDER_STATE_CANCELLED"),
    "something healthy is dead": lambda h: h.kept.append(Kept("order", "order-1", "order-2", dead=True)),
    "something is still set aside": lambda h: h.kept.append(Kept("order", "order-1", "order-2", dead=False)),
    "what is sent again is changed": lambda h: (
        send_again(h.events["order.events.v1"], 0),
        setattr(h.events["order.events.v1"][-1], "fields", {}),
    ),
}

STOCK, MONEY_EVENTS, PARCELS, ORDERS = (f"{one}.events.v1" for one in ("inventory", "payment", "shipping", "order"))
# Of the way of an order through the services.
SAGA_DAMAGES = {
    # Stock.
    "a piece was lost": move_stock(free=-1),
    "a piece was made": move_stock(free=1),
    "stock was reserved twice": move_stock(free=-4, reserved=4),
    "stock was released twice": move_stock(free=4, reserved=-4),
    "stock was sold twice": move_stock(reserved=-4, sold=4),
    "more was reserved than was there": oversell,
    "an update of a product was lost": move_stock(revision=-1),
    "a product is lost": lambda h: h.products.pop("tea"),
    "a product that nobody made": lambda h: h.products.update(coffee=h.products["tea"]),
    "a product was created twice": double(STOCK, "ProductCreated"),
    "a shelf was filled twice": double(STOCK, "StockAdjusted"),
    "a shelf was filled and nobody asked": lambda h: h.calls.remove(call_of(h, "AdjustStock")),
    "a shelf was not filled": lose(STOCK, "StockAdjusted"),
    "a shelf was filled though that was refused": lambda h: setattr(
        call_of(h, "AdjustStock"), "answer", {"error": "FAILED_PRECONDITION"}
    ),
    "a shelf held less than nothing": change(STOCK, "StockAdjusted", free="-1"),
    "other things were reserved than ordered": lambda h: h.reservations["order-1"]["lines"][0].update(product_id="dead"),
    "a refused order has stock": lambda h: h.reservations[order_of(h, "sold out")].update(
        lines=h.reservations["order-1"]["lines"]
    ),
    "a product was refused and is there": lambda h: setattr(
        call_of(h, "CreateProduct"), "answer", {"error": "ALREADY_EXISTS"}
    ),
    "a reservation is lost": lambda h: h.reservations.pop("order-1"),
    "a reservation of a cancelled order is held": set_state("reservations", "called off", "STATE_HELD"),
    "a reservation of a rejected order is held": set_state("reservations", "declined", "STATE_HELD"),
    "a reservation of a confirmed order was released": set_state("reservations", "confirmed", "STATE_RELEASED"),
    "a reservation of a shipped order is not sold": set_state("reservations", "shipped", "STATE_HELD"),
    "a parcel that came back is still sold": set_state("reservations", "returned", "STATE_SOLD"),
    "stock was reserved by two events": double(STOCK, "StockReserved"),
    "stock was released by two events": double(STOCK, "StockReleased"),
    "a release has no event": lose(STOCK, "StockReleased"),
    "a sale has no event": lose(STOCK, "StockSold"),
    "a release tells of a return that was none": change(STOCK, "StockReleased", returned=True),
    # Money.
    "a payment is lost": lambda h: h.payments.pop("order-1"),
    "money of a cancelled order is held": set_state("payments", "called off", "PAYMENT_STATE_AUTHORIZED"),
    "money of a rejected order is held": set_state("payments", "declined", "PAYMENT_STATE_AUTHORIZED"),
    "money of a shipped order was not captured": set_state("payments", "shipped", "PAYMENT_STATE_AUTHORIZED"),
    "money of a returned order was not given back": set_state("payments", "returned", "PAYMENT_STATE_CAPTURED"),
    "money of a confirmed order was let go": set_state("payments", "confirmed", "PAYMENT_STATE_VOIDED"),
    "a payment was authorized twice": double(MONEY_EVENTS, "PaymentAuthorized"),
    "a payment was captured twice": double(MONEY_EVENTS, "PaymentCaptured"),
    "a refund was made twice": double(MONEY_EVENTS, "PaymentRefunded"),
    "the provider was asked twice": double(MONEY_EVENTS, "OperationRequested"),
    "an authorization has no event": lose(MONEY_EVENTS, "PaymentAuthorized"),
    "a payment is of another amount": lambda h: h.payments["order-1"]["payment"].update(amount=NOTHING),
    "another amount was authorized": change(MONEY_EVENTS, "PaymentAuthorized", amount=NOTHING),
    "money was captured and not shipped": lambda h: h.payments["order-1"]["payment"].update(captured=MONEY),
    "money was given back and not captured": lambda h: h.payments["order-1"]["payment"].update(refunded=MONEY),
    "the provider still owes an answer": lambda h: h.payments["order-1"].update(pending=["order-1/capture"]),
    "a means of payment that is good was declined": lambda h: call_of(
        h, "CreateOrder", payment_token="tok_decline"
    ).request.update(payment_token="tok_approve"),
    "a means of payment that is bad was taken": lambda h: call_of(h, "CreateOrder").request.update(
        payment_token="tok_decline"
    ),
    "a means of payment is kept": lambda h: h.means_of_payment.append("order-1"),
    # Parcels.
    "a shipment is lost": lambda h: h.shipments.pop("order-1"),
    "a shipment of a cancelled order is being packed": set_state("shipments", "called off", "SHIPMENT_STATE_PREPARING"),
    "a shipment of a confirmed order has left": set_state("shipments", "confirmed", "SHIPMENT_STATE_IN_TRANSIT"),
    "a parcel was packed twice": double(PARCELS, "ShipmentCreated"),
    "a parcel left twice": double(PARCELS, "ShipmentDispatched"),
    "a parcel left without an event": lose(PARCELS, "ShipmentDispatched"),
    "a parcel holds other things": lambda h: h.shipments["order-1"].update(lines=[]),
    "a shipment changed without an event": lambda h: h.shipments["order-1"].update(revision="2"),
    "a parcel left and nobody said so": lambda h: h.calls.remove(call_of(h, "UpdateShipment")),
    "a parcel was said to have left, and that was lost": lambda h: h.calls.append(
        Call("UpdateShipment", {**call_of(h, "UpdateShipment").request, "id": "order-1", "request_id": "r"}, 0, 1,
             {"id": "order-1", "state": "SHIPMENT_STATE_IN_TRANSIT", "revision": "2"})
    ),
    "a parcel could not leave though it could": lambda h: h.calls.append(
        Call("UpdateShipment", {**call_of(h, "UpdateShipment").request, "id": "order-1", "request_id": "r"}, 0, 1,
             {"error": "FAILED_PRECONDITION"})
    ),
    "a parcel that left could not arrive": lambda h: setattr(
        call_of(h, "UpdateShipment", state="SHIPMENT_STATE_DELIVERED"), "answer", {"error": "NOT_FOUND"}
    ),
    # Orders.
    "an order was refused": lambda h: setattr(call_of(h, "CreateOrder"), "answer", {"error": "ALREADY_EXISTS"}),
    "an order was made of other things than asked for": change(ORDERS, "OrderCreated", lines=[]),
    "an order waits for ever for its stock": lambda h: [h.events[ORDERS].pop() for _ in range(4)],
    "an order was shipped and not confirmed": lambda h: swap_contents(
        h.events[ORDERS], first(h.events[ORDERS], "OrderConfirmed", "shipped"), first(h.events[ORDERS], "OrderShipped")
    ),
    "an order was confirmed twice": double(ORDERS, "OrderConfirmed"),
    "an order was rejected and nobody refused": change(ORDERS, "OrderRejected", reason="REJECT_REASON_UNKNOWN_PRODUCT"),
    "an order was rejected before its deadline": lambda h: last_of(h, "too late for stock").fields.update(
        reject_time="2026-11-30T12:00:07.249Z"
    ),
    "an order was rejected at the deadline for its stock, and had it": lambda h: last_of(
        h, "too late for money"
    ).fields.update(detail="no stock was set aside in time"),
    "a deadline ended another order than the one that waited": lambda h: swap_contents(
        h.events[ORDERS],
        *(h.events[ORDERS].index(event) for event in (last_of(h, "too late for money"), last_of(h, "confirmed"))),
    ),
    "stock of an order that came to its deadline is held": set_state("reservations", "too late for stock", "STATE_HELD"),
    "money of an order that came to its deadline is held": set_state(
        "payments", "too late for money", "PAYMENT_STATE_AUTHORIZED"
    ),
    "an order waits to be cancelled": lambda h: h.orders[0].update(cancel_requested=True),
    "an order costs something else than its events say": lambda h: h.orders[0].update(total=NOTHING),
    "inventory knows an order that there is not": lambda h: h.reservations.update(ghost=h.reservations["order-1"]),
    "a cancellation was refused for nothing": lambda h: h.calls.append(
        Call("CancelOrder", {"id": "order-1", "request_id": "r"}, 0, 1, {"error": "FAILED_PRECONDITION"})
    ),
    "a cancellation was answered and not done": lambda h: h.calls.append(
        Call("CancelOrder", {"id": "order-1", "request_id": "r"}, 0, 1,
             {**call_of(h, "CancelOrder", id="order-2").answer, "id": "order-1"})
    ),
    "a cancellation was answered with the order as it was": lambda h: call_of(h, "CancelOrder", id="order-2").answer.update(
        revision="3", cancel_requested=False
    ),
    "a notification of a refund is lost": lambda h: h.notifications.remove(
        {"event_id": h.events[MONEY_EVENTS][first(h.events[MONEY_EVENTS], "PaymentRefunded")].id}
    ),
    "a user was told of a request to cancel": lambda h: h.notifications.append(
        {"event_id": h.events[ORDERS][first(h.events[ORDERS], "OrderCancelRequested")].id}
    ),
}


def once(history, method):
    """The call of the method that nobody repeats."""
    return next(call for call in history.calls if call.method == method and call.once)


def take_off_the_log(history, call):
    history.commands = [one for one in history.commands if one.request_id != call.request["request_id"]]


def put_on_the_log(history, request_id, **fields):
    history.commands.append(dataclasses.replace(history.commands[-1], request_id=request_id, **fields))


def deny(history, reached):
    """A call whose caller was told that its command is not on the log."""
    problem = "StatusCode.UNAVAILABLE NOT_ACCEPTED: Kafka has not taken it"
    request = {**once(history, "AdjustStock").request, "request_id": "denied"}
    history.calls.append(Call("AdjustStock", request, 0, 1, None, problem, once=True))
    if reached:
        put_on_the_log(history, "denied")
        history.replies["denied"] = {"error": "FAILED_PRECONDITION"}


def swap_commands(history, topic):
    """Decided in another order than the log's."""
    places = [i for i, command in enumerate(history.commands) if command.topic == topic and command.key == "tea"]
    swap(history.commands, places[0], places[-1])


# Of what becomes of a command.
COMMAND_DAMAGES = {
    "an accepted command was not decided": lambda h: h.replies.pop(once(h, "AdjustStock").request["request_id"]),
    "a command that nobody asked about was not decided": lambda h: put_on_the_log(h, "forgotten"),
    "an answered command is decided and its answer not kept": lambda h: h.replies.pop(
        call_of(h, "CreateOrder").request["request_id"]
    ),
    "an accepted command is not on the log": lambda h: (
        take_off_the_log(h, once(h, "CreateOrder")),
        h.replies.pop(once(h, "CreateOrder").request["request_id"]),
    ),
    "an answered command is not on the log": lambda h: take_off_the_log(h, call_of(h, "CreateOrder")),
    "something was decided that is on no log": lambda h: h.replies.update(ghost={"id": "tea"}),
    "a command that was said not to be on the log is": lambda h: deny(h, reached=True),
    "a repeat would be answered otherwise": lambda h: h.replies[call_of(h, "CreateOrder").request["request_id"]].update(
        total=NOTHING
    ),
    "a registration would be answered otherwise": lambda h: h.replies["register-ada"].update(id="grace", email="sealed"),
    "an order was accepted as another": lambda h: setattr(once(h, "CreateOrder"), "accepted_id", "order-1"),
    "two commands of a product were swapped": lambda h: swap_commands(h, "inventory.commands.v1"),
    "a cancellation was decided before its order": lambda h: swap(
        h.commands, *(i for i, one in enumerate(h.commands) if one.key == "order-2" and one.topic == "order.commands.v1")
    ),
    "an accepted adjustment has no effect": lambda h: h.events[STOCK].pop(
        max(i for i, event in enumerate(h.events[STOCK]) if event.type == "StockAdjusted")
    ),
    "an accepted order has no effect": lambda h: [
        h.events[ORDERS].remove(event) for event in list(h.events[ORDERS]) if event.key == "once"
    ],
    "an accepted adjustment acted twice": lambda h: decide_again(
        h.events[STOCK], max(i for i, event in enumerate(h.events[STOCK]) if event.type == "StockAdjusted")
    ),
}


DAMAGES |= SAGA_DAMAGES | COMMAND_DAMAGES


def test_a_history_in_which_all_is_well_passes(history):
    assert check(history) == []


def test_the_history_has_every_end_of_an_order(history):
    lives = {}
    for event in history.events[ORDERS]:
        lives.setdefault(event.key, []).append(event.type)
    assert {tuple(types[-2:]) for types in lives.values()} == ENDS.keys()


def test_what_is_sent_again_in_order_is_no_violation(history):
    events = history.events["order.events.v1"]
    for at in range(2, len(events)):
        send_again(events, at)
    assert check(history) == []


def test_a_gap_that_closes_is_no_violation(history):
    events = history.events["order.events.v1"]
    events.append(events.pop(4))
    assert check(history) == []


def test_a_call_that_did_not_reach_the_log_is_no_violation(history):
    deny(history, reached=False)
    assert check(history) == []


def test_a_command_that_is_on_the_log_twice_is_no_violation(history):
    put_on_the_log(history, once(history, "AdjustStock").request["request_id"])
    assert check(history) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(history, damage):
    DAMAGES[damage](history)
    assert check(history) != []
