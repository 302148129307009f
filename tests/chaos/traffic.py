"""The client of the chaos run: many threads that call at the same moments, so that there is always a burst for a fault to
fall into, and a record of every call and its answer."""

import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from history import Call
from support.client import ORDERS, USERS, Client, Problem, order_request

THREADS = 16
# All threads begin a call at once, so often a second at most.
BURSTS_PER_SECOND = 8
CALL_TIMEOUT = 4
SHOPPERS = 2000
# Calls that were answered and are repeated at the end all the same.
REPEATED_ANSWERS = 300

# The share of each product among orders. The auditor cannot take the confirmation of "dead" ever, of "late" at first.
PRODUCTS = {"tea": 0.90, "late": 0.08, "dead": 0.02}
REGISTRATIONS = 0.04
CANCELLATIONS = 0.2

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
        self._cancellable = []
        self._emails = itertools.count()
        self._stop = threading.Event()
        self._threads = []

    @property
    def in_flight(self):
        return self._in_flight

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
            self._call(choose.choice(self._clients), method, request)

    def _next(self, choose):
        what = choose.random()
        if what < REGISTRATIONS:
            # Each address is asked for twice, by two who know nothing of each other.
            with self._lock:
                number = next(self._emails) // 2
            return "RegisterUser", {
                "email": f"shopper-{number}@shop.example",
                "display_name": "Shopper",
                "password": "correct horse battery",
                "request_id": _uuid(choose),
            }
        if what < REGISTRATIONS + CANCELLATIONS:
            with self._lock:
                if self._cancellable:
                    # Some are chosen again, by someone else.
                    order = choose.choice(self._cancellable[-200:])
                    return "CancelOrder", {"id": order, "reason": "second thoughts", "request_id": _uuid(choose)}
        product = choose.choices(list(PRODUCTS), list(PRODUCTS.values()))[0]
        user = f"shopper-{choose.randrange(SHOPPERS)}"
        units = choose.randrange(1, 100)
        return "CreateOrder", order_request(user, _uuid(choose), product=product, units=units)

    def _call(self, client, method, request, timeout=CALL_TIMEOUT):
        service = USERS if method == "RegisterUser" else ORDERS
        answer = None
        problem = ""
        begin = time.monotonic()
        with self._lock:
            self._in_flight += 1
        try:
            answer = client.call(service, method, request, timeout)
        except grpc.RpcError as error:
            if error.code() in REFUSALS:
                answer = {"error": error.code().name}
            problem = str(Problem(error))
        finally:
            with self._lock:
                self._in_flight -= 1
                self.calls.append(Call(method, request, begin, time.monotonic(), answer, problem))
                if method == "CreateOrder" and answer is not None and "error" not in answer:
                    self._cancellable.append(answer["id"])

    # ---- afterwards ----

    def repeat(self, seconds):
        """Repeats every call without an answer, with its request_id, until each has one or the time is up; and then some of
        those that were answered. Returns how many stayed without."""
        deadline = time.monotonic() + seconds
        answered = [call for call in self.calls if call.answer is not None]
        while (unanswered := self._unanswered()) and time.monotonic() < deadline:
            self._all_at_once(unanswered)
        self._all_at_once(random.Random(self._seed).sample(answered, min(len(answered), REPEATED_ANSWERS)))
        return len(unanswered)

    def _unanswered(self):
        answered = {call.request["request_id"] for call in self.calls if call.answer is not None}
        by_request = {call.request["request_id"]: call for call in self.calls}
        return [call for request_id, call in by_request.items() if request_id not in answered]

    def _all_at_once(self, calls):
        def again(client, call):
            self._call(client, call.method, call.request, timeout=20)

        with ThreadPoolExecutor(THREADS) as workers:
            list(workers.map(again, itertools.cycle(self._clients), calls))


def _uuid(choose):
    digits = f"{choose.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
