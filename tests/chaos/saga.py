"""What the checker knows of an order's way through the services: which ends there are, and what inventory, payment and
shipping must say of an order at each of them."""

import collections
import datetime

ORDER_EVENTS = "order.events.v1"
INVENTORY_EVENTS = "inventory.events.v1"
PAYMENT_EVENTS = "payment.events.v1"
SHIPPING_EVENTS = "shipping.events.v1"

# Which event of an order may follow which.
FOLLOWERS = {
    None: ("OrderCreated",),
    "OrderCreated": ("OrderReserved", "OrderRejected", "OrderCancelled"),
    "OrderReserved": ("OrderConfirmed", "OrderRejected", "OrderCancelled"),
    "OrderConfirmed": ("OrderCancelRequested", "OrderShipped"),
    "OrderCancelRequested": ("OrderCancelled", "OrderShipped"),
    "OrderShipped": ("OrderDelivered", "OrderCancelled"),
}

# The order after each event: its state, `stock_reserved` and `cancel_requested`.
AFTER = {
    "OrderCreated": ("ORDER_STATE_PENDING", False, False),
    "OrderReserved": ("ORDER_STATE_PENDING", True, False),
    "OrderConfirmed": ("ORDER_STATE_CONFIRMED", False, False),
    "OrderCancelRequested": ("ORDER_STATE_CONFIRMED", False, True),
    "OrderShipped": ("ORDER_STATE_SHIPPED", False, False),
    "OrderDelivered": ("ORDER_STATE_DELIVERED", False, False),
    "OrderCancelled": ("ORDER_STATE_CANCELLED", False, False),
    "OrderRejected": ("ORDER_STATE_REJECTED", False, False),
}

# Of an order at rest, by its last two events: the states of its reservation, its payment and its shipment, "" where there
# is none. What was called off at the same moment as something else was decided may find either decision.
ENDS = {
    ("OrderCreated", "OrderRejected"): {("REFUSED", "", ""), ("RELEASED", "", "")},
    ("OrderCreated", "OrderCancelled"): {("REFUSED", "", ""), ("RELEASED", "", "")},
    ("OrderReserved", "OrderRejected"): {("RELEASED", "DECLINED", ""), ("RELEASED", "VOIDED", "")},
    ("OrderReserved", "OrderCancelled"): {("RELEASED", "DECLINED", ""), ("RELEASED", "VOIDED", "")},
    ("OrderReserved", "OrderConfirmed"): {("HELD", "AUTHORIZED", "PREPARING")},
    ("OrderCancelRequested", "OrderCancelled"): {("RELEASED", "VOIDED", "CANCELLED")},
    ("OrderConfirmed", "OrderShipped"): {("SOLD", "CAPTURED", "IN_TRANSIT")},
    ("OrderCancelRequested", "OrderShipped"): {("SOLD", "CAPTURED", "IN_TRANSIT")},
    ("OrderShipped", "OrderDelivered"): {("SOLD", "CAPTURED", "DELIVERED")},
    ("OrderShipped", "OrderCancelled"): {("RETURNED", "REFUNDED", "RETURNED")},
}

# How long an order waits for its stock, and then for its money, in seconds: longer than they take when all is well, and
# shorter than many faults last.
DEADLINE = 6
TIMEOUT = "TIMEOUT"
# The events after which it waits, when that was, and what it says when the deadline has come.
WAITS = {
    "OrderCreated": ("create_time", "no stock was set aside in time"),
    "OrderReserved": ("reserve_time", "no money came in time"),
}

# The events that lead to each state of what an order has elsewhere.
RESERVATIONS = {
    "": [],
    "REFUSED": ["StockRefused"],
    "HELD": ["StockReserved"],
    "RELEASED": ["StockReserved", "StockReleased"],
    "SOLD": ["StockReserved", "StockSold"],
    "RETURNED": ["StockReserved", "StockSold", "StockReleased"],
}
_AUTHORIZED = ["AUTHORIZE", "PaymentAuthorized"]
# An OperationRequested goes by what it asks for.
PAYMENTS = {
    "": [],
    "DECLINED": ["AUTHORIZE", "PaymentDeclined"],
    "AUTHORIZED": _AUTHORIZED,
    "VOIDED": [*_AUTHORIZED, "VOID", "PaymentVoided"],
    "CAPTURED": [*_AUTHORIZED, "CAPTURE", "PaymentCaptured"],
    "REFUNDED": [*_AUTHORIZED, "CAPTURE", "PaymentCaptured", "REFUND", "PaymentRefunded"],
}
SHIPMENTS = {
    "": [],
    "PREPARING": ["ShipmentCreated"],
    "CANCELLED": ["ShipmentCreated", "ShipmentCancelled"],
    "IN_TRANSIT": ["ShipmentCreated", "ShipmentDispatched"],
    "DELIVERED": ["ShipmentCreated", "ShipmentDispatched", "ShipmentDelivered"],
    "RETURNED": ["ShipmentCreated", "ShipmentDispatched", "ShipmentReturned"],
}

OF_PRODUCTS = ("ProductCreated", "StockAdjusted")
DECLINING_TOKEN = "tok_decline"


def by_key(events):
    keys = collections.defaultdict(list)
    for event in events:
        keys[event.key].append(event)
    return keys


def answers(history, method):
    """The first answer to each request_id of the method."""
    found = {}
    for call in history.calls:
        if call.method == method and call.answer is not None:
            found.setdefault(call.request["request_id"], call)
    return found


def check_sagas(history, taken, wrong):
    """At rest, inventory, payment and shipping agree with the order, and each came there by the steps there are."""
    orders = by_key(taken.get(ORDER_EVENTS, []))
    stock = by_key(event for event in taken.get(INVENTORY_EVENTS, []) if event.type not in OF_PRODUCTS)
    money = by_key(taken.get(PAYMENT_EVENTS, []))
    parcels = by_key(taken.get(SHIPPING_EVENTS, []))
    known = (stock, money, parcels, history.reservations, history.payments, history.shipments)
    for order_id in set().union(*known) - orders.keys():
        wrong.append(f"order {order_id} is known to inventory, payment or shipping and has no events")
    asked = {}
    for call in answers(history, "CreateOrder").values():
        if "id" in call.answer:
            asked[call.answer["id"]] = call.request
    for order_id, events in orders.items():
        states = states_of(history, order_id)
        last = tuple(event.type for event in events[-2:])
        if last not in ENDS:
            wrong.append(f"order {order_id} is not at rest: its last events are {last}")
        elif states not in ENDS[last]:
            wrong.append(f"order {order_id}: its last events are {last}, its stock, payment and shipment {states}")
        steps = (
            ("stock", RESERVATIONS, [event.type for event in stock[order_id]]),
            ("payment", PAYMENTS, [step_of(event) for event in money[order_id]]),
            ("shipment", SHIPMENTS, [event.type for event in parcels[order_id]]),
        )
        for (what, lives, types), state in zip(steps, states):
            if types != lives.get(state):
                wrong.append(f"order {order_id}: its {what} is '{state}' and has the events {types}")
        check_reservation(history, order_id, events, stock[order_id], wrong)
        check_payment(history, order_id, events, money[order_id], wrong)
        check_shipment(history, order_id, events, parcels[order_id], wrong)
        check_reason(order_id, events, stock[order_id], money[order_id], asked.get(order_id), wrong)
    wrong += [f"order {order_id}: a means of payment of it is still there" for order_id in history.means_of_payment]


def states_of(history, order_id):
    reservation = history.reservations.get(order_id)
    record = history.payments.get(order_id)
    shipment = history.shipments.get(order_id)
    return (
        reservation["state"].removeprefix("STATE_") if reservation else "",
        record["payment"]["state"].removeprefix("PAYMENT_STATE_") if record else "",
        shipment["state"].removeprefix("SHIPMENT_STATE_") if shipment else "",
    )


def step_of(event):
    if event.type == "OperationRequested":
        return event.fields["operation"].removeprefix("PAYMENT_OPERATION_")
    return event.type


def pieces(lines):
    """How many of each product."""
    count = collections.Counter()
    for line in lines:
        count[line["product_id"]] += line["quantity"]
    return count


def total_of(events):
    """Of an order with these events: known once the stock is reserved, or from the start."""
    totals = [event.fields.get("total") for event in events if event.type in ("OrderCreated", "OrderReserved")]
    return totals[-1] if totals else None


def check_reservation(history, order_id, events, stock, wrong):
    ordered = pieces(events[0].fields.get("lines", []))
    lines = history.reservations.get(order_id, {}).get("lines", [])
    reserved = [event for event in stock if event.type == "StockReserved"]
    if reserved and not ordered == pieces(lines) == pieces(reserved[0].fields["lines"]):
        wrong.append(f"order {order_id}: {dict(ordered)} was ordered, {dict(pieces(lines))} was set aside")
    if not reserved and lines:
        wrong.append(f"order {order_id}: nothing was set aside, and its reservation has lines")
    for event in stock:
        if event.type == "StockReleased" and event.fields["returned"] != ("StockSold" in [one.type for one in stock]):
            wrong.append(f"order {order_id}: it is unclear whether its stock had been sold when it was released")


def check_payment(history, order_id, events, money, wrong):
    record = history.payments.get(order_id)
    if record is None:
        return
    total = total_of(events)
    nothing = {**(total or {}), "units": "0", "nanos": 0}
    payment = record["payment"]
    state = payment["state"].removeprefix("PAYMENT_STATE_")
    if record["pending"]:
        wrong.append(f"order {order_id}: its payment still waits for {record['pending']}")
    if payment["amount"] != total or any(event.fields["amount"] != total for event in money):
        wrong.append(f"order {order_id}: it costs {total}, its payment says otherwise")
    if payment["captured"] != (total if state in ("CAPTURED", "REFUNDED") else nothing):
        wrong.append(f"order {order_id}: its payment is {state}, {payment['captured']} was captured")
    if payment["refunded"] != (total if state == "REFUNDED" else nothing):
        wrong.append(f"order {order_id}: its payment is {state}, {payment['refunded']} was given back")


def check_shipment(history, order_id, events, parcels, wrong):
    shipment = history.shipments.get(order_id)
    if shipment is None:
        return
    if pieces(shipment["lines"]) != pieces(events[0].fields.get("lines", [])):
        wrong.append(f"order {order_id}: its parcel holds other things than were ordered")
    if int(shipment["revision"]) != len(parcels):
        wrong.append(f"order {order_id}: its shipment has revision {shipment['revision']} and {len(parcels)} events")


def check_reason(order_id, events, stock, money, request, wrong):
    """Who refused says why, and the order says the same; a means of payment is taken for what it is."""
    refused = [event.fields for event in stock if event.type == "StockRefused"]
    declined = [event.fields for event in money if event.type == "PaymentDeclined"]
    if events[-1].type == "OrderRejected":
        reasons = [(fields["reason"].removeprefix("REFUSAL_REASON_"), fields["detail"]) for fields in refused]
        reasons += [("PAYMENT_DECLINED", fields["reason"]) for fields in declined]
        given = (events[-1].fields["reason"].removeprefix("REJECT_REASON_"), events[-1].fields["detail"])
        if given[0] == TIMEOUT:
            check_deadline(order_id, events, wrong)
        elif given not in reasons:
            wrong.append(f"order {order_id} was rejected for {given}; what was said is {reasons}")
    if request is not None and money and bool(declined) != (request["payment_token"] == DECLINING_TOKEN):
        wrong.append(f"order {order_id} is paid by {request['payment_token']}; declined: {bool(declined)}")


def check_deadline(order_id, events, wrong):
    """The one that the order was rejected at was that of its last step, and had come."""
    began, said = WAITS.get(events[-2].type, ("", "")) if len(events) > 1 else ("", "")
    if not began or events[-1].fields["detail"] != said:
        wrong.append(f"order {order_id} was rejected because {events[-1].fields['detail']} at {events[-2:]}")
    elif time_of(events[-1], "reject_time") < time_of(events[-2], began) + datetime.timedelta(seconds=DEADLINE):
        wrong.append(
            f"order {order_id} was rejected at {events[-1].fields['reject_time']}, and had waited since"
            f" {events[-2].fields[began]} only"
        )


def time_of(event, field):
    return datetime.datetime.fromisoformat(event.fields[field])


def timed_out(history):
    """The orders whose end was a deadline."""
    return {
        event.key
        for event in history.events.get(ORDER_EVENTS, [])
        if event.type == "OrderRejected" and event.fields["reason"].removeprefix("REJECT_REASON_") == TIMEOUT
    }


# ---- products -------------------------------------------------------------------------------------------------------


def check_products(history, taken, wrong):
    """Every piece that was put on a shelf is free, reserved or sold, once."""
    stocked = {}
    for call in answers(history, "CreateProduct").values():
        if "error" in call.answer:
            wrong.append(f"CreateProduct {call.request['id']} was refused: {call.answer['error']}")
        stocked[call.request["id"]] = int(call.request["stock"])
    created = collections.Counter()
    put = collections.Counter()
    changes = collections.Counter()
    for event in taken.get(INVENTORY_EVENTS, []):
        if event.type == "ProductCreated":
            created[event.key] += 1
            if int(event.fields["stock"]) != stocked.get(event.key):
                wrong.append(f"product {event.key} was created with another stock than asked for")
            put[event.key] += int(event.fields["stock"])
            changes[event.key] += 1
        elif event.type == "StockAdjusted":
            put[event.key] += int(event.fields["delta"])
            changes[event.key] += 1
            if int(event.fields["free"]) < 0:
                wrong.append(f"product {event.key}: less than nothing was free after {event.id}")
        else:
            changes.update(pieces(history.reservations.get(event.key, {}).get("lines", [])).keys())
    in_state = {state: collections.Counter() for state in RESERVATIONS}
    for reservation in history.reservations.values():
        in_state[reservation["state"].removeprefix("STATE_")] += pieces(reservation["lines"])
    for product_id in stocked.keys() | created.keys() | history.products.keys():
        if created[product_id] != 1 or product_id not in stocked or product_id not in history.products:
            wrong.append(f"product {product_id} was created {created[product_id]} times, is not stored, or not asked for")
            continue
        product = history.products[product_id]
        free, reserved, sold = (int(product[name]) for name in ("free", "reserved", "sold"))
        if free < 0:
            wrong.append(f"product {product_id}: more was taken than was there; free: {free}")
        if free + reserved + sold != put[product_id]:
            parts = f"free {free}, reserved {reserved} and sold {sold}"
            wrong.append(f"product {product_id}: {parts} are not the {put[product_id]} that were put there")
        if (reserved, sold) != (in_state["HELD"][product_id], in_state["SOLD"][product_id]):
            wrong.append(
                f"product {product_id}: reserved {reserved} and sold {sold}; the reservations say"
                f" {in_state['HELD'][product_id]} and {in_state['SOLD'][product_id]}"
            )
        if int(product["revision"]) != changes[product_id]:
            wrong.append(f"product {product_id} has revision {product['revision']} after {changes[product_id]} changes")
    check_adjustments(history, taken, wrong)


def check_adjustments(history, taken, wrong):
    """Each has the request_id of its call as its reason."""
    made = {}
    for event in taken.get(INVENTORY_EVENTS, []):
        if event.type == "StockAdjusted":
            reason = event.fields["reason"]
            if reason in made:
                wrong.append(f"AdjustStock {reason} was done twice")
            made[reason] = (event.key, event.fields["delta"], event.fields["free"])
    asked = answers(history, "AdjustStock")
    for request_id in made.keys() - asked.keys():
        wrong.append(f"AdjustStock {request_id} was done and not asked for, or not answered")
    for request_id, call in asked.items():
        done = made.get(request_id)
        if "error" in call.answer:
            too_much = call.answer["error"] == "FAILED_PRECONDITION" and int(call.request["delta"]) < 0
            if done or not too_much:
                wrong.append(f"AdjustStock {request_id} was refused: {call.answer['error']}; done was {done}")
        elif done != (call.request["id"], call.request["delta"], call.answer["free"]):
            wrong.append(f"AdjustStock {request_id} was answered {call.answer}; done was {done}")


# ---- calls to shipping ----------------------------------------------------------------------------------------------

TOLD = {"IN_TRANSIT": "ShipmentDispatched", "DELIVERED": "ShipmentDelivered", "RETURNED": "ShipmentReturned"}
# What has happened where a shipment cannot become this any more.
TOO_LATE = {
    "IN_TRANSIT": {"ShipmentCancelled", "ShipmentDelivered", "ShipmentReturned"},
    "DELIVERED": {"ShipmentReturned"},
    "RETURNED": {"ShipmentDelivered"},
}


def check_shipping_calls(history, taken, wrong):
    parcels = by_key(taken.get(SHIPPING_EVENTS, []))
    asked = collections.defaultdict(set)
    for call in history.calls:
        if call.method == "UpdateShipment":
            asked[call.request["id"]].add(call.request["state"].removeprefix("SHIPMENT_STATE_"))
    for order_id, events in parcels.items():
        for state, told in TOLD.items():
            if told in [event.type for event in events] and state not in asked[order_id]:
                wrong.append(f"order {order_id}: its parcel is {state}, and nobody said so")
    for request_id, call in answers(history, "UpdateShipment").items():
        order_id = call.request["id"]
        state = call.request["state"].removeprefix("SHIPMENT_STATE_")
        types = [event.type for event in parcels[order_id]]
        error = call.answer.get("error")
        if error is None:
            revision = int(call.answer["revision"])
            if call.answer["state"] != call.request["state"] or types[revision - 1 : revision] != [TOLD[state]]:
                wrong.append(f"UpdateShipment {request_id} was answered {call.answer['state']} at {revision} of {types}")
        elif error == "FAILED_PRECONDITION":
            if not TOO_LATE[state] & set(types):
                wrong.append(f"UpdateShipment {request_id} to {state} was refused; the events are {types}")
        elif error != "NOT_FOUND" or state != "IN_TRANSIT":
            wrong.append(f"UpdateShipment {request_id} to {state} was refused: {error}")
