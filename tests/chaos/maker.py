"""Builds what a mesh that keeps its promise would leave behind: for the tests of the checker."""

from auditor import DEAD_PRODUCT, ELSEWHERE, LEDGER_EVENTS, REMIND_AFTER_US, REMINDED, REMINDER, deadly
from history import CLOSED, GIVEN_UP, SKIPPED, Ask, Call, Command, Entry, Event, Gap, History, Kept
from saga import AFTER, DEADLINE, PAYMENTS, RESERVATIONS, SHIPMENTS, WAITS

QUANTITY = 4
STOCK = 100
MONEY = {"currency_code": "EUR", "units": "4", "nanos": 0}
NOTHING = {"currency_code": "EUR", "units": "0", "nanos": 0}
TOLD = ("OrderConfirmed", "OrderRejected", "OrderShipped", "OrderDelivered", "OrderCancelled", "PaymentRefunded")

TOPICS = {
    "RegisterUser": "user.commands.v1",
    "CreateProduct": "inventory.commands.v1",
    "AdjustStock": "inventory.commands.v1",
    "CreateOrder": "order.commands.v1",
    "CancelOrder": "order.commands.v1",
    "UpdateShipment": "shipping.commands.v1",
}
_CONFIRMED = ["OrderCreated", "OrderReserved", "OrderConfirmed"]
# A way that ends with the deadline begins with this.
TOO_LATE = "too late"
# The events of an order, and the states of its reservation, payment and shipment at the end.
WAYS = {
    "sold out": (["OrderCreated", "OrderRejected"], "REFUSED", "", ""),
    "called off at once": (["OrderCreated", "OrderCancelled"], "RELEASED", "", ""),
    "called off though sold out": (["OrderCreated", "OrderCancelled"], "REFUSED", "", ""),
    f"{TOO_LATE} for stock": (["OrderCreated", "OrderRejected"], "RELEASED", "", ""),
    f"{TOO_LATE} for stock, and sold out": (["OrderCreated", "OrderRejected"], "REFUSED", "", ""),
    f"{TOO_LATE} for money": (["OrderCreated", "OrderReserved", "OrderRejected"], "RELEASED", "VOIDED", ""),
    "declined": (["OrderCreated", "OrderReserved", "OrderRejected"], "RELEASED", "DECLINED", ""),
    "called off while paying": (["OrderCreated", "OrderReserved", "OrderCancelled"], "RELEASED", "VOIDED", ""),
    "confirmed": (_CONFIRMED, "HELD", "AUTHORIZED", "PREPARING"),
    "called off": ([*_CONFIRMED, "OrderCancelRequested", "OrderCancelled"], "RELEASED", "VOIDED", "CANCELLED"),
    "shipped": ([*_CONFIRMED, "OrderShipped"], "SOLD", "CAPTURED", "IN_TRANSIT"),
    "called off too late": ([*_CONFIRMED, "OrderCancelRequested", "OrderShipped"], "SOLD", "CAPTURED", "IN_TRANSIT"),
    "delivered": ([*_CONFIRMED, "OrderShipped", "OrderDelivered"], "SOLD", "CAPTURED", "DELIVERED"),
    "returned": ([*_CONFIRMED, "OrderShipped", "OrderCancelled"], "RETURNED", "REFUNDED", "RETURNED"),
}


def timestamp(second):
    return f"2026-11-30T12:00:{second:02}.25Z"


class Maker:
    def __init__(self):
        self.history = History()
        self.last = {}
        # What the auditor's clock shows, in microseconds.
        self.now_us = 0

    def emit(self, topic, group, key, type_, **fields):
        """Everything on one partition, from one task of the group."""
        source = f"/{group}/0"
        number = len(self.history.events.get(topic, [])) + 1
        sequence = f"{7:016}-{number:016}"
        event = Event(
            topic=topic,
            partition=0,
            offset=number,
            key=key,
            id=f"{group}-{number}",
            type=type_,
            source=source,
            sequence=sequence,
            previous=self.last.get((topic, source), ""),
            fields=fields,
        )
        self.last[topic, source] = sequence
        self.history.events.setdefault(topic, []).append(event)
        if type_ in TOLD:
            self.notify(event)
        return event

    def call(self, method, answer, once=False, **request):
        """One that reached the log and was answered; with `once` the caller heard only that it was accepted."""
        call = Call(method, request, begin=0, end=1, answer=answer)
        if once:
            call.once, call.accepted_id, call.answer = True, answer["id"], None
        self.history.calls.append(call)
        key = request.get("id") or answer.get("id") or request["request_id"]
        offset = len(self.history.commands)
        self.history.commands.append(Command(TOPICS[method], 0, offset, key, request["request_id"]))
        self.history.replies[request["request_id"]] = dict(answer)

    def see(self, key, event_id, after_us=1_000_000):
        """The auditor handles it so long after what it handled before."""
        self.now_us += after_us
        self.history.journals.setdefault(key, []).append(Entry(event_id, self.now_us))

    def notify(self, cause):
        self.history.notifications.append({"event_id": cause.id})
        notification = {"event_id": cause.id}
        self.emit("notification.events.v1", "notification", "u", "NotificationCreated", notification=notification)

    def user(self, name):
        email = f"{name}@shop.example"
        self.call("RegisterUser", {"id": name}, request_id=f"register-{name}", email=email)
        self.call("RegisterUser", {"error": "ALREADY_EXISTS"}, request_id=f"other-{name}", email=email)
        self.notify(self.emit("user.events.v1", "user", name, "UserRegistered"))
        self.history.users.append({"id": name})

    def product(self, name):
        self.call("CreateProduct", {"id": name}, request_id=f"create-{name}", id=name, stock=str(STOCK))
        self.emit("inventory.events.v1", "inventory", name, "ProductCreated", stock=str(STOCK))
        counters = {"free": str(STOCK), "reserved": "0", "sold": "0"}
        self.history.products[name] = {"id": name, **counters, "revision": "1"}

    def adjust(self, product, delta, once=False):
        moved = self.move(product, free=delta)
        free, revision = moved["free"], moved["revision"]
        request_id = f"adjust-{product}-{revision}"
        about = {"delta": str(delta), "reason": request_id}
        answer = {"id": product, "free": free, "revision": revision}
        self.call("AdjustStock", answer, once, request_id=request_id, id=product, **about)
        self.emit("inventory.events.v1", "inventory", product, "StockAdjusted", free=free, **about)

    def move(self, product, **changes):
        counters = self.history.products[product]
        for name, change in {"revision": 1, **changes}.items():
            counters[name] = str(int(counters[name]) + change)
        return counters

    def order(self, name, user, way="confirmed", product="tea", once=False, skips=()):
        types, stock, money, parcel = WAYS[way]
        request = {"user_id": user, "payment_token": "tok_decline" if money == "DECLINED" else "tok_approve"}
        lines = [{"product_id": product, "quantity": QUANTITY}]
        order = {"id": name, "user_id": user, "lines": lines, "total": MONEY}
        events = []
        for revision, type_ in enumerate(types, start=1):
            about = {"user_id": user, "lines": lines, "total": MONEY, "revision": str(revision)}
            if type_ in WAITS:
                about[WAITS[type_][0]] = timestamp(revision)
            if type_ == "OrderRejected" and way.startswith(TOO_LATE):
                about |= {"reason": "REJECT_REASON_TIMEOUT", "detail": WAITS[types[-2]][1]}
                about["reject_time"] = timestamp(revision - 1 + DEADLINE)
            elif type_ == "OrderRejected":
                declined = ("REJECT_REASON_PAYMENT_DECLINED", "no money")
                reason, detail = declined if money else ("REJECT_REASON_OUT_OF_STOCK", "3 free")
                about |= {"reason": reason, "detail": detail}
            events.append(self.emit("order.events.v1", "order", name, type_, **about))
            state, stock_reserved, cancel_requested = AFTER[type_]
            order |= {"state": state, "stock_reserved": stock_reserved, "cancel_requested": cancel_requested}
            order["revision"] = str(revision)
            if type_ == "OrderCreated":
                self.call("CreateOrder", dict(order), once, request_id=f"create-{name}", **request)
            asked = type_ == "OrderCancelled" and types[-2] in ("OrderCreated", "OrderReserved")
            if asked or type_ == "OrderCancelRequested":
                self.call("CancelOrder", dict(order), request_id=f"cancel-{name}", id=name)
        self.history.orders.append(order)
        self.reserve(name, stock, lines)
        self.pay(name, money)
        self.ship(name, parcel, lines)
        self.audit(name, events, product, skips)
        self.charge(name, user, events)

    def reserve(self, name, state, lines):
        moves = {
            "StockReserved": {"free": -QUANTITY, "reserved": QUANTITY},
            "StockSold": {"reserved": -QUANTITY, "sold": QUANTITY},
            "StockReleased": {"free": QUANTITY, "reserved": -QUANTITY},
            "returned": {"free": QUANTITY, "sold": -QUANTITY},
        }
        returned = state == "RETURNED"
        for type_ in RESERVATIONS[state]:
            about = {
                "StockReserved": {"lines": lines},
                "StockReleased": {"returned": returned},
                "StockRefused": {"reason": "REFUSAL_REASON_OUT_OF_STOCK", "detail": "3 free"},
            }
            self.emit("inventory.events.v1", "inventory", name, type_, **about.get(type_, {}))
            if type_ in moves:
                self.move(lines[0]["product_id"], **moves["returned" if returned and type_ == "StockReleased" else type_])
        self.history.reservations[name] = {"state": f"STATE_{state}", "lines": [] if state == "REFUSED" else lines}

    def pay(self, name, state):
        for step in PAYMENTS[state]:
            if step.isupper():
                asked = {"operation": f"PAYMENT_OPERATION_{step}", "amount": MONEY}
                self.emit("payment.events.v1", "payment", name, "OperationRequested", **asked)
            else:
                self.emit("payment.events.v1", "payment", name, step, amount=MONEY, reason="no money")
        payment = {
            "id": name,
            "state": f"PAYMENT_STATE_{state}",
            "amount": MONEY,
            "captured": MONEY if state in ("CAPTURED", "REFUNDED") else NOTHING,
            "refunded": MONEY if state == "REFUNDED" else NOTHING,
        }
        if state:
            self.history.payments[name] = {"payment": payment, "pending": []}

    def ship(self, name, state, lines):
        states = {"ShipmentDispatched": "IN_TRANSIT", "ShipmentDelivered": "DELIVERED", "ShipmentReturned": "RETURNED"}
        for revision, type_ in enumerate(SHIPMENTS[state], start=1):
            self.emit("shipping.events.v1", "shipping", name, type_)
            if type_ in states:
                told = {"id": name, "state": f"SHIPMENT_STATE_{states[type_]}"}
                self.call("UpdateShipment", {**told, "revision": str(revision)}, request_id=f"{type_}-{name}", **told)
        if state:
            shipment = {"id": name, "state": f"SHIPMENT_STATE_{state}", "lines": lines}
            self.history.shipments[name] = {**shipment, "revision": str(len(SHIPMENTS[state]))}

    def audit(self, name, events, product, skips):
        """`skips`: types of the events that an operator has it skip."""
        setter = None
        dead = False
        for event, before in zip(events, [None, *events]):
            dies = product == DEAD_PRODUCT and event.type == "OrderConfirmed"
            skip = event.type in skips
            if dies:
                self.die(event)
            if skip:
                self.ask("skip", event, "dead" if dies else "waiting" if dead else "retrying")
            elif dies or dead:
                self.set_aside(name, event.id, dead=dies)
            else:
                self.see(name, event.id)
                setter = event if event.type in REMINDED else None
            if dies:
                # The timer of the event before comes due behind it.
                dead, setter = not skip, None
                if skip:
                    self.see(name, before.id + REMINDER, REMIND_AFTER_US)
                else:
                    self.set_aside(name, before.id + REMINDER)
        if setter:
            self.see(name, setter.id + REMINDER, REMIND_AFTER_US)

    def die(self, event):
        self.emit("mesh.dead.v1", "auditor", event.key, "EventDied", event_id=event.id)

    def ask(self, action, event, state):
        self.now_us += 1_000_000
        ask = Ask("auditor", action, event.key, event.id, state, self.now_us - 2000, self.now_us, count=1)
        self.history.asks.append(ask)

    def gap(self, end):
        """A source outside the mesh whose third event of five is missing at first."""
        name = f"elsewhere-{len(self.history.gaps)}"
        source = f"{ELSEWHERE}{len(self.history.gaps)}"
        events = []
        for number in (1, 2, 4, 5, 3):
            key = f"{name}-{number % 2}"
            sequence, previous = f"{1:016}-{number:016}", f"{1:016}-{number - 1:016}"
            offset = len(self.history.events.setdefault(LEDGER_EVENTS, [])) + 1
            event = Event(LEDGER_EVENTS, 0, offset, key, f"{name}-{number}", "Booked", source, sequence, previous, {})
            self.history.events[LEDGER_EVENTS].append(event)
            events.append(event)
        missing, first_held = events[-1], events[2]
        self.history.gaps.append(Gap(source, 0, end, missing.id, first_held.id, self.now_us, self.now_us + 1_000_000))
        self.now_us += 1_000_000
        for event in sorted(events, key=lambda one: one.sequence):
            if (event is missing and end != CLOSED) or (event is first_held and end == SKIPPED):
                continue
            self.see(event.key, event.id)

    def set_aside(self, key, event_id, dead=False):
        self.history.kept.append(Kept("auditor", key, event_id, dead))

    def charge(self, name, user, events):
        causes = {event.type: event for event in events}
        if "OrderConfirmed" not in causes:
            return
        self.history.charges[name] = QUANTITY
        self.transfer(causes["OrderConfirmed"], user, QUANTITY)
        if "OrderCancelled" in causes:
            del self.history.charges[name]
            self.transfer(causes["OrderCancelled"], user, -QUANTITY)

    def transfer(self, cause, user, amount):
        for account, change in ((user, -amount), (f"merchant-{ord(cause.key[-1]) % 5}", amount)):
            balance, bookings = self.history.accounts.get(account, (0, 0))
            balance, bookings = balance + change, bookings + 1
            self.history.accounts[account] = (balance, bookings)
            booked = {"number": str(bookings), "balance": str(balance), "amount": str(change), "cause": cause.id}
            self.see(account, self.emit("ledger.events.v1", "ledger", account, "Booked", **booked).id)


def make_history():
    """One with all that the checker looks at, in which all is well."""
    maker = Maker()
    for product in ("tea", "dead", "late"):
        maker.product(product)
    maker.user("ada")
    maker.user("grace")
    maker.order("order-1", "ada")
    maker.order("order-2", "ada", "called off")
    maker.order("order-3", "grace", "called off", product="dead")
    maker.order("order-4", "grace")
    for number, way in enumerate(WAYS):
        maker.order(f"{way}-{number}", ("ada", "grace")[number % 2], way)
        maker.adjust("tea", 5) if way == "declined" else None
    maker.order("once", "ada", once=True)
    maker.adjust("tea", 7, once=True)
    maker.order("skipped", "ada", "called off", product="dead", skips=["OrderConfirmed"])
    maker.order("skipped-last", "ada", product="dead", skips=["OrderConfirmed"])
    maker.order("skipped-late", "ada", "called off", product="late", skips=["OrderConfirmed"])
    maker.order("skipped-behind", "grace", "called off", product="dead", skips=["OrderCancelRequested"])
    maker.order("retried", "grace", product="dead")
    died = deadly(maker.history.events["order.events.v1"])[-1]
    maker.ask("retry", died, "dead")
    maker.die(died)
    for end in (CLOSED, GIVEN_UP, SKIPPED):
        maker.gap(end)
    return maker.history
