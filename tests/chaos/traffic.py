"""The client of the chaos run: many threads that call at the same moments, so that there is always a burst for a fault to
fall into, and a record of every call and its answer."""

import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from history import Call
from support.client import INVENTORY, ORDERS, PLENTY, SHIPPING, USERS, Client, Problem, order_request

THREADS = 16
# All threads begin a call at once, so often a second at most.
BURSTS_PER_SECOND = 8
CALL_TIMEOUT = 4
# In seconds, for what has to be there before the first order.
SETUP_PATIENCE = 60
SHOPPERS = 200
# Calls that were answered and are repeated at the end all the same.
REPEATED_ANSWERS = 300

# The share of each product among orders. The auditor cannot take the confirmation of "dead" ever, of "late" at first; of
# "rare" there is never enough.
PRODUCTS = {"tea": 0.78, "late": 0.08, "dead": 0.02, "rare": 0.12}
STOCK = {"rare": 1000}
# Of every product, in EUR: orders differ in how many they ask for.
UNIT_PRICE = 1
# What orders say of the price: the right one, none, or one that gets them rejected.
UNITS = {UNIT_PRICE: 0.89, None: 0.1, UNIT_PRICE + 1: 0.01}
# By their ids and states other calls cannot act twice, whatever the ledger of requests says; these can.
UNGUARDED = ("AdjustStock",)
WAIT_ACCEPTED = [("tradewind-wait", "accepted")]
# See the payment service's sandbox.
TOKENS = {"tok_approve": 0.74, "tok_decline": 0.08, "tok_duplicate": 0.08, "tok_error": 0.08, "tok_delay": 0.02}
# The share of each kind of call; the rest are orders.
REGISTRATIONS = 0.04
CANCELLATIONS = 0.14
DISPATCHES = 0.14
ARRIVALS = 0.06
ADJUSTMENTS = 0.1
# The share of orders and adjustments of which only the acceptance is waited for, and which nobody repeats.
ACCEPTED = 0.05
# An order is called off, and its parcel dispatched, while there are no more than so many newer ones: so some meet the
# stock and the payment that are still being asked for.
RECENT = 200

SERVICES = {
    "RegisterUser": USERS,
    "CreateProduct": INVENTORY,
    "AdjustStock": INVENTORY,
    "CreateOrder": ORDERS,
    "CancelOrder": ORDERS,
    "UpdateShipment": SHIPPING,
}

# What a service may answer for good; anything else leaves the outcome open.
REFUSALS = (
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
)


class Traffic:
    def __init__(self, addresses, seed):
        self.calls = []
        self._clients = [Client(address) for address in addresses]
        self._seed = seed
        self._lock = threading.Lock()
        self._in_flight = 0
        self._orders = []
        self._called_off = []
        self._in_transit = []
        self._shoppers = []
        self._emails = itertools.count()
        self._stop = threading.Event()
        self._threads = []

    @property
    def in_flight(self):
        return self._in_flight

    def stock_shop(self):
        """Before everything else."""
        choose = random.Random(self._seed)
        for product in PRODUCTS:
            stock = STOCK.get(product, PLENTY)
            price = {"currency_code": "EUR", "units": str(UNIT_PRICE)}
            request = {"id": product, "name": product.capitalize(), "unit_price": price, "stock": str(stock)}
            self._call(self._clients[0], "CreateProduct", {**request, "request_id": _uuid(choose)}, timeout=30)
        # Nobody else may order.
        for number in range(SHOPPERS):
            request = {"email": f"buyer-{number}@shop.example", "display_name": "Buyer", "password": "correct horse battery"}
            self._call(self._clients[0], "RegisterUser", {**request, "request_id": _uuid(choose)}, timeout=30)
        # A stall of Kafka leaves a call without an answer even now.
        unanswered = self._repeat_unanswered(SETUP_PATIENCE)
        assert not unanswered, unanswered
        answered = [call for call in self.calls if call.answer is not None]
        self._shoppers = [call.answer["id"] for call in answered if call.method == "RegisterUser"]

    def start(self):
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self._clients:
            client.close()

    # ---- while faults happen ----

    def _run(self, number):
        choose = random.Random(f"{self._seed}/{number}")
        interval = 1 / BURSTS_PER_SECOND
        while not self._stop.is_set():
            time.sleep(interval - time.monotonic() % interval)
            method, request = self._next(choose)
            once = method in ("CreateOrder", "AdjustStock") and choose.random() < ACCEPTED
            self._call(choose.choice(self._clients), method, request, once=once)

    def _next(self, choose):
        kinds = (
            (REGISTRATIONS, self._registration),
            (CANCELLATIONS, self._cancellation),
            (DISPATCHES, self._dispatch),
            (ARRIVALS, self._arrival),
            (ADJUSTMENTS, self._adjustment),
        )
        what = choose.random()
        for share, kind in kinds:
            if what < share:
                # None where there is nothing yet to do that to.
                return kind(choose) or self._order(choose)
            what -= share
        return self._order(choose)

    def _order(self, choose):
        request = order_request(
            choose.choice(self._shoppers),
            _uuid(choose),
            product=_drawn(choose, PRODUCTS),
            quantity=choose.randrange(1, 100),
            units=_drawn(choose, UNITS),
            payment_token=_drawn(choose, TOKENS),
        )
        line = request["lines"][0]
        if line["unit_price"]["units"] == str(None):
            del line["unit_price"]
        return "CreateOrder", request

    def _registration(self, choose):
        # Each address is asked for twice, by two who know nothing of each other.
        with self._lock:
            number = next(self._emails) // 2
        return "RegisterUser", {
            "email": f"shopper-{number}@shop.example",
            "display_name": "Shopper",
            "password": "correct horse battery",
            "request_id": _uuid(choose),
        }

    def _cancellation(self, choose):
        # Some are chosen again, by someone else. So it is with what follows.
        order = self._one_of(self._orders, choose)
        if order:
            self._called_off.append(order)
        return order and ("CancelOrder", {"id": order, "reason": "second thoughts", "request_id": _uuid(choose)})

    def _dispatch(self, choose):
        # Half of them are of an order that is called off at this moment.
        return self._shipment(choose.choice((self._orders, self._called_off[-1:])), "IN_TRANSIT", choose)

    def _arrival(self, choose):
        return self._shipment(self._in_transit, choose.choice(("DELIVERED", "DELIVERED", "RETURNED")), choose)

    def _shipment(self, orders, state, choose):
        order = self._one_of(orders, choose)
        request = {"id": order, "state": f"SHIPMENT_STATE_{state}", "carrier": "Barque", "request_id": _uuid(choose)}
        return order and ("UpdateShipment", request)

    def _adjustment(self, choose):
        delta = choose.choice((-1, 1, 1)) * choose.randrange(1, 250)
        request_id = _uuid(choose)
        # By its reason the event is known to be this call's.
        return "AdjustStock", {"id": "rare", "delta": str(delta), "reason": request_id, "request_id": request_id}

    def _one_of(self, orders, choose):
        with self._lock:
            return choose.choice(orders[-RECENT:]) if orders else None

    def _call(self, client, method, request, timeout=CALL_TIMEOUT, once=False):
        answer = None
        accepted_id = ""
        problem = ""
        begin = time.monotonic()
        with self._lock:
            self._in_flight += 1
        try:
            answer = client.call(SERVICES[method], method, request, timeout, WAIT_ACCEPTED if once else None)
            if once:
                accepted_id, answer = answer["id"], None
        except grpc.RpcError as error:
            if error.code() in REFUSALS:
                answer = {"error": error.code().name}
            problem = str(Problem(error))
        finally:
            with self._lock:
                self._in_flight -= 1
                self.calls.append(Call(method, request, begin, time.monotonic(), answer, problem, once, accepted_id))
                if answer is not None and "error" not in answer:
                    self._remember(method, request, answer)

    def _remember(self, method, request, answer):
        """The lock is held."""
        if method == "CreateOrder":
            self._orders.append(answer["id"])
        elif method == "UpdateShipment" and request["state"] == "SHIPMENT_STATE_IN_TRANSIT":
            self._in_transit.append(answer["id"])

    # ---- afterwards ----

    def repeat(self, seconds):
        """Repeats every call without an answer, with its request_id, until each has one or the time is up; and then some of
        those that were answered, with all that would act twice if they could. Returns how many stayed without."""
        repeatable = [call for call in self.calls if call.answer is not None and not call.once]
        unguarded = [call for call in repeatable if call.method in UNGUARDED]
        answered = [call for call in repeatable if call.method not in UNGUARDED]
        unanswered = self._repeat_unanswered(seconds)
        self._all_at_once(random.Random(self._seed).sample(answered, min(len(answered), REPEATED_ANSWERS)) + unguarded)
        return len(unanswered)

    def _repeat_unanswered(self, seconds):
        """Returns the calls that stay without an answer once the time is up."""
        deadline = time.monotonic() + seconds
        while (unanswered := self._unanswered()) and time.monotonic() < deadline:
            self._all_at_once(unanswered)
        return unanswered

    def _unanswered(self):
        answered = {call.request["request_id"] for call in self.calls if call.answer is not None}
        by_request = {call.request["request_id"]: call for call in self.calls if not call.once}
        return [call for request_id, call in by_request.items() if request_id not in answered]

    def _all_at_once(self, calls):
        def again(client, call):
            self._call(client, call.method, call.request, timeout=20)

        with ThreadPoolExecutor(THREADS) as workers:
            list(workers.map(again, itertools.cycle(self._clients), calls))


def _drawn(choose, shares):
    return choose.choices(list(shares), list(shares.values()))[0]


def _uuid(choose):
    digits = f"{choose.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
