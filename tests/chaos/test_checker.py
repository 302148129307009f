"""The checker passes a history in which all is well, and fails it after any one thing was lost, doubled or swapped."""

import copy

import pytest

from checker import check
from history import Call, Event, History, Kept

MONEY = {"currency_code": "EUR", "units": "4", "nanos": 0}


class Maker:
    """Builds what a mesh that keeps its promise would leave behind."""

    def __init__(self):
        self.history = History()
        self.last = {}
        self.balances = {}

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
        return event

    def call(self, method, answer, **request):
        self.history.calls.append(Call(method, request, begin=0, end=1, answer=answer))

    def see(self, event):
        self.history.journals.setdefault(event.key, []).append(event.id)

    def notify(self, cause):
        self.history.notifications.append({"event_id": cause.id})
        notification = {"event_id": cause.id}
        self.emit("notification.events.v1", "notification", "u", "NotificationCreated", notification=notification)

    def transfer(self, cause, user, amount):
        for account, change in ((user, -amount), (f"merchant-{ord(cause.key[-1]) % 5}", amount)):
            balance, bookings = self.history.accounts.get(account, (0, 0))
            balance, bookings = balance + change, bookings + 1
            self.history.accounts[account] = (balance, bookings)
            booked = {"number": str(bookings), "balance": str(balance), "amount": str(change), "cause": cause.id}
            self.see(self.emit("ledger.events.v1", "ledger", account, "Booked", **booked))

    def order(self, name, user, product="tea", cancelled=False):
        lines = [{"product_id": product}]
        about = {"user_id": user, "lines": lines, "total": MONEY}
        order = {"id": name, "lines": lines, "total": MONEY}
        self.call("CreateOrder", order, request_id=f"create-{name}", user_id=user)
        events = [self.emit("order.events.v1", "order", name, "OrderCreated", revision="1", **about)]
        events.append(self.emit("order.events.v1", "order", name, "OrderConfirmed", revision="2", **about))
        if cancelled:
            self.call("CancelOrder", {"id": name}, request_id=f"cancel-{name}", id=name)
            gone = {"user_id": user, "total": MONEY}
            events.append(self.emit("order.events.v1", "order", name, "OrderCancelled", revision="3", **gone))
        for event in events[1:]:
            self.notify(event)
            self.transfer(event, user, 4 if event.type == "OrderConfirmed" else -4)
        self.see(events[0])
        for event in events[1:]:
            if product == "dead":
                first = event.type == "OrderConfirmed"
                self.history.kept.append(Kept("auditor", name, event.id, dead=first))
            else:
                self.see(event)
        if product == "dead":
            self.emit("mesh.dead.v1", "auditor", name, "EventDied", event_id=events[1].id)
        state = "ORDER_STATE_CANCELLED" if cancelled else "ORDER_STATE_CONFIRMED"
        self.history.orders.append({"id": name, "state": state, "total": MONEY})

    def user(self, name):
        email = f"{name}@shop.example"
        self.call("RegisterUser", {"id": name}, request_id=f"register-{name}", email=email)
        self.call("RegisterUser", {"error": "ALREADY_EXISTS"}, request_id=f"other-{name}", email=email)
        self.notify(self.emit("user.events.v1", "user", name, "UserRegistered"))
        self.history.users.append({"id": name})


@pytest.fixture
def history():
    maker = Maker()
    maker.user("ada")
    maker.user("grace")
    maker.order("order-1", "ada")
    maker.order("order-2", "ada", cancelled=True)
    maker.order("order-3", "grace", product="dead", cancelled=True)
    maker.order("order-4", "grace")
    return maker.history


def send_again(events, at):
    """The same record once more, as an outbox that is sent again leaves it."""
    again = copy.copy(events[at])
    again.offset = len(events) + 1
    events.append(again)


def decide_again(events, at):
    """The same content as an event of its own, as a command that acts twice leaves it."""
    send_again(events, at)
    last = max(event.sequence for event in events)
    events[-1].previous = last
    events[-1].sequence = f"{8:016}-{1:016}"
    events[-1].id += "-again"


def swap_contents(events, one, other):
    """Decided in the wrong order: places in the chain stay."""
    for name in ("id", "key", "type", "fields"):
        mine, its = getattr(events[one], name), getattr(events[other], name)
        setattr(events[one], name, its)
        setattr(events[other], name, mine)


def swap(items, one, other):
    items[one], items[other] = items[other], items[one]


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
    "a subscriber missed an event": lambda h: h.journals["order-1"].pop(),
    "a subscriber missed all events of a key": lambda h: h.journals.pop("order-1"),
    "a merchant's booking was missed": lambda h: next(
        ids for key, ids in h.journals.items() if key.startswith("merchant-")
    ).pop(),
    "an event behind a dead one is lost": lambda h: h.kept.pop(),
    "a dead event is lost": lambda h: h.kept.pop(0),
    "a death was not announced": lambda h: h.events["mesh.dead.v1"].pop(),
    "a call was never answered": lambda h: setattr(h.calls[-1], "answer", None),
    # Doubled.
    "an order was decided twice": lambda h: decide_again(h.events["order.events.v1"], 1),
    "a booking was made twice": lambda h: decide_again(h.events["ledger.events.v1"], 1),
    "a merchant was booked on twice": lambda h: decide_again(h.events["ledger.events.v1"], merchant_booking(h)),
    "a notification's event is there twice": lambda h: decide_again(h.events["notification.events.v1"], 0),
    "an order is listed twice": lambda h: h.orders.append(h.orders[0]),
    "a user is listed twice": lambda h: h.users.append(h.users[0]),
    "a notification is there twice": lambda h: h.notifications.append(h.notifications[0]),
    "a subscriber saw an event twice": lambda h: h.journals["order-1"].append(h.journals["order-1"][-1]),
    "an address has two accounts": lambda h: setattr(h.calls[1], "answer", {"id": "grace"}),
    "two requests made one order": lambda h: setattr(h.calls[-1], "answer", h.calls[4].answer),
    # Swapped.
    "two events were decided in the wrong order": lambda h: swap_contents(h.events["order.events.v1"], 0, 1),
    "two bookings were made in the wrong order": lambda h: swap_contents(h.events["ledger.events.v1"], 0, 2),
    "a subscriber saw two events swapped": lambda h: swap(h.journals["order-2"], 0, 1),
    "what waits behind a dead event is swapped": lambda h: swap(h.kept, 0, 1),
    # Invented or changed.
    "money was made": lambda h: h.accounts.update(ada=(1, 3)),
    "money was moved to the wrong account": lambda h: h.accounts.update(
        ada=(h.accounts["ada"][0] + 4, 3), grace=(h.accounts["grace"][0] - 4, 3)
    ),
    "an order that nobody asked for": lambda h: h.calls.remove(h.calls[4]),
    "a cancellation that nobody asked for": lambda h: h.calls.remove(
        next(call for call in h.calls if call.method == "CancelOrder")
    ),
    "an answer without an effect": lambda h: h.calls.append(
        Call("CreateOrder", {"request_id": "r"}, 0, 1, {"id": "order-9", "lines": []})
    ),
    "a repeat was answered otherwise": lambda h: h.calls.append(
        Call("CreateOrder", h.calls[4].request, 0, 1, {**h.calls[4].answer, "id": "order-9"})
    ),
    "the store has another state": lambda h: h.orders[0].update(state="ORDER_STATE_CANCELLED"),
    "something healthy is dead": lambda h: h.kept.append(Kept("order", "order-1", "order-2", dead=True)),
    "something is still set aside": lambda h: h.kept.append(Kept("order", "order-1", "order-2", dead=False)),
    "what is sent again is changed": lambda h: (
        send_again(h.events["order.events.v1"], 0),
        setattr(h.events["order.events.v1"][-1], "fields", {}),
    ),
}


def test_a_history_in_which_all_is_well_passes(history):
    assert check(history) == []


def test_what_is_sent_again_in_order_is_no_violation(history):
    events = history.events["order.events.v1"]
    for at in range(2, len(events)):
        send_again(events, at)
    assert check(history) == []


def test_a_gap_that_closes_is_no_violation(history):
    events = history.events["order.events.v1"]
    events.append(events.pop(4))
    assert check(history) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(history, damage):
    DAMAGES[damage](history)
    assert check(history) != []
