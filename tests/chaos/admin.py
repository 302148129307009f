"""What an operator asks of a service about records that it has set aside, as `tradewind parked` does; and an operator who
asks at random moments of the chaos run."""

import random
import threading
import time

import grpc

from auditor import ORDER_TYPES
from evidence import Messages
from history import Ask

PACKAGE = "tradewind.mesh.v1"
# ParkedState.
DEAD, HELD, PARKED = 1, 2, 3
CALL_TIMEOUT = 3
MAX_PAGE = 1000

PAUSE = (0.1, 0.4)
# Whose records the operator looks at: nothing is dead in a service of the shop when all is well, and the payment service
# sets aside what its provider has not answered.
LOOKS = {"auditor": 8, "payment": 2, **dict.fromkeys(("user", "inventory", "shipping", "order", "notification", "ledger"), 0.3)}
# The share of keys of which nothing is skipped, so that some are dead at the end.
SPARED = 0.4
# How often a record that may be skipped is, in each state; else it is to be handled again.
SKIPS = {"dead": 0.5, "retrying": 0.3, "waiting": 0.8}
# What has to be asked of the auditor in a run. What waits cannot be retried: it has not failed.
NEEDED = {("retry", "dead"), ("retry", "retrying"), *(("skip", state) for state in SKIPS)}


class Admin:
    """AdminService of a service, of whichever instance answers."""

    def __init__(self, cluster, service, choose=None):
        self._cluster = cluster
        self._service = service
        self._choose = choose or random.Random(service)
        self._messages = Messages()
        self._stubs = {}

    def list(self, **filter_fields):
        """The records that match, of some state, without their contents."""
        request = self._request("ListParkedRequest", page_size=MAX_PAGE, filter=filter_fields)
        return self._call_any("ListParked", request, "ListParkedResponse").records

    def event_id(self, record_id):
        """The ce_id of a record, None where it is done with."""
        try:
            record = self._call_any("GetParked", self._request("GetParkedRequest", id=record_id), "ParkedRecord")
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return None
            raise
        return next((header.value.decode() for header in record.record.headers if header.name == b"ce_id"), None)

    def ask(self, action, **filter_fields):
        """To "retry" or "skip", one instance only. Returns how many records it is noted of."""
        method = f"{action.capitalize()}Parked"
        request = self._request(f"{method}Request", filter=filter_fields)
        return self._call(self._running()[0], method, request, f"{method}Response").count

    def _running(self):
        """In random order; the first of all where none is."""
        instances = self._cluster.of(self._service)
        running = [instance for instance in instances if instance.running]
        return self._choose.sample(running, len(running)) or instances[:1]

    def _call_any(self, method, request, response_type):
        failure = None
        for instance in self._running():
            try:
                return self._call(instance, method, request, response_type)
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.NOT_FOUND:
                    raise
                failure = error
        raise failure

    def _call(self, instance, method, request, response_type):
        place = (instance.address, method)
        if place not in self._stubs:
            channel = grpc.insecure_channel(
                instance.address, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 500)]
            )
            self._stubs[place] = channel.unary_unary(
                f"/{PACKAGE}.AdminService/{method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=lambda data: self._messages.decode(f"{PACKAGE}.{response_type}", data),
            )
        return self._stubs[place](request, timeout=CALL_TIMEOUT)

    def _request(self, type_name, **fields):
        return self._messages.make(f"{PACKAGE}.{type_name}", **fields)


class Operator:
    """Looks at what is set aside, and retries and skips some of it, until told to stop."""

    def __init__(self, cluster, seed):
        self._seed = seed
        self._choose = random.Random(f"{seed}/operator")
        self._admins = {service: Admin(cluster, service, self._choose) for service in LOOKS}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.asks = []

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()

    def missing(self):
        """What has yet to be asked."""
        return NEEDED - {(ask.action, ask.state) for ask in self.asks if ask.group == "auditor" and ask.count}

    def _run(self):
        while not self._stop.wait(self._choose.uniform(*PAUSE)):
            group = self._choose.choices(list(LOOKS), list(LOOKS.values()))[0]
            try:
                self._act(group, self._admins[group])
            except grpc.RpcError:
                # No instance answers now; the next look comes.
                continue

    def _act(self, group, admin):
        found = {}
        for record in [*admin.list(state=DEAD), *admin.list(state=PARKED)]:
            # No timers: they wait behind the events that failed.
            if group != "auditor" or record.type.rpartition(".")[2] in ORDER_TYPES:
                found.setdefault(state_of(record), []).append(record)
        if not found:
            return
        state = self._choose.choice(sorted(found))
        record = self._choose.choice(found[state])
        event_id = admin.event_id(record.id)
        if event_id is None:
            return
        skips = self._may_skip(group, record) and self._choose.random() < SKIPS[state]
        # By its key the first of a queue is chosen, whichever that is by now.
        by_key = not skips and self._choose.random() < 0.3
        chosen = {"key": record.key} if by_key else {"id": record.id}
        ask = Ask(group, "skip" if skips else "retry", record.key.decode(), event_id, state, begin_us=time.time_ns() // 1000)
        self.asks.append(ask)
        try:
            ask.count = admin.ask(ask.action, **chosen)
        finally:
            ask.end_us = time.time_ns() // 1000

    def _may_skip(self, group, record):
        return group == "auditor" and random.Random(f"{self._seed}/{record.key}").random() >= SPARED


def state_of(record):
    if record.state == DEAD:
        return "dead"
    return "waiting" if record.waiting else "retrying"
