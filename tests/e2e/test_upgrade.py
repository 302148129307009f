"""The data of an older commit (tests/upgrade), taken up by this one: nothing is lost, nothing is done again, and what was
left unread is done once."""

import collections
import http.server
import json
import os
import subprocess
import threading
import time

import grpc
import pytest
from standardwebhooks import Webhook

from support.client import (
    INVENTORY,
    NOTIFICATIONS,
    ORDERS,
    PAYMENTS,
    SHIPPING,
    USERS,
    Client,
    order_request,
    problem_of,
)
from support.kafka import cloud_event_headers, read_record, send
from support.mesh import BIN, SECOND_OFFSET, TREE, Mesh, taken_down, wait_until
from support.sealed import tag_text
from upgrade.fixture import E8A8E1C, SETTINGS, digest_of, manifest_of, order_event, record_of, unpack

# Orders that nothing happens to any more, or only what comes to their parcel.
SETTLED = (
    "confirmed",
    "shipped",
    "delivered",
    "cancelled",
    "too dear",
    "declined",
    "told by a webhook",
    "of the erased",
)
# Of an order, until it is rejected.
DEADLINE_SECONDS = 15 * 60
# A retry that nobody asks for does not come while a test runs.
PATIENT = ("--runtime.first_retry=1h",)


@pytest.fixture(scope="module", params=sorted(E8A8E1C))
def store(request):
    """Where the services keep their data, then and now."""
    return request.param


@pytest.fixture(scope="module")
def manifest(store):
    return manifest_of(E8A8E1C[store])


class Receiver:
    """Of webhooks, where the fixture's endpoints expect one."""

    def __init__(self, port):
        self.posts = posts = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def posts_about(self, order):
        return [(headers, body) for headers, body in list(self.posts) if order in body.decode()]

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def receivers(manifest):
    """By the order whose confirmation they are to be told."""
    receivers = {name: Receiver(endpoint["port"]) for name, endpoint in manifest["endpoints"].items()}
    yield receivers
    for receiver in receivers.values():
        receiver.stop()


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory, receivers, store):
    var = tmp_path_factory.mktemp("upgraded") / "var"
    unpack(E8A8E1C[store], var)
    with taken_down(Mesh(var, SECOND_OFFSET, store=store, settings=SETTINGS)) as mesh:
        mesh.up()
        yield mesh


@pytest.fixture(scope="module")
def shop(upgraded):
    client = Client(upgraded.address("gateway"))
    yield client
    client.close()


def holds(found, expected):
    """Everything that is expected, at its place; a newer schema may tell more."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(holds(found.get(name), value) for name, value in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(holds, found, expected))
    return found == expected


def order_of(shop, id):
    return shop.call(ORDERS, "GetOrder", {"id": id})


def await_order(shop, id, *states, seconds=30):
    """The order, once it is in one of these states."""

    def reached():
        order = order_of(shop, id)
        return order if order["state"].removeprefix("ORDER_STATE_") in states else None

    return wait_until(reached, seconds, f"order {id} to be {' or '.join(states)}")


def records_of(mesh, topic):
    records = []
    read_record(mesh.address("kafka"), topic, lambda record: records.append(record_of(record)))
    return records


def headers_of(record):
    return dict(record["headers"])


def accepted(manifest, name):
    return next(one for one in manifest["accepted"] if one["name"] == name)


# ---- what was there --------------------------------------------------------------------------------------------------


def test_every_topic_holds_what_it_held(upgraded, manifest):
    compared = 0
    for topic, partitions in manifest["topics"].items():
        # The only one that is compacted.
        if topic == "mesh.keys.v1":
            continue
        records = collections.defaultdict(list)
        for record in records_of(upgraded, topic):
            records[str(record["partition"])].append(record)
        for number, expected in partitions.items():
            old = [record for record in records[number] if record["offset"] < expected["end"]]
            assert digest_of(old) == expected["digest"], f"{topic}/{number}"
            compared += len(old)
    assert compared > 300


def test_orders_payments_and_shipments_are_as_they_were(shop, manifest):
    for name in SETTLED:
        order = manifest["orders"][name]
        get = {"order": (ORDERS, "GetOrder"), "payment": (PAYMENTS, "GetPayment"), "shipment": (SHIPPING, "GetShipment")}
        for kind, (service, method) in get.items():
            # A rejected order has neither a shipment nor, in most cases, a payment.
            if order[kind] is not None:
                assert holds(shop.call(service, method, {"id": order["id"]}), order[kind]), f"{name}: {kind}"
            else:
                problem = problem_of(shop.call, service, method, {"id": order["id"]})
                assert problem.code == grpc.StatusCode.NOT_FOUND


def test_accounts_and_sessions_go_on(shop, manifest):
    users, sessions = manifest["users"], manifest["sessions"]
    for name in ("alice", "carol", "erin"):
        user = users[name]
        found = shop.call(USERS, "GetUser", {"id": user["id"]})
        assert (found["email"], found["display_name"]) == (user["email"], user["display_name"])
        credentials = {"email": user["email"], "password": user["password"]}
        session = shop.call(USERS, "LogIn", credentials)
        assert session["user_id"] == user["id"]
        token = [("authorization", f"Bearer {session['access_token']}")]
        shop.call(ORDERS, "ListOrders", {"page_size": 1}, metadata=token)
    wrong = {"email": users["carol"]["email"], "password": users["alice"]["password"]}
    assert problem_of(shop.call, USERS, "LogIn", wrong).reason == "WRONG_CREDENTIALS"

    still_good = time.time() < manifest["made_at"] + sessions["lifetime_hours"] * 3600
    for name, token in sessions["good"].items():
        refresh = {"refresh_token": token}
        if still_good:
            refreshed = shop.call(USERS, "RefreshSession", refresh)
            assert refreshed["user_id"] == users[name]["id"]
        else:
            assert problem_of(shop.call, USERS, "RefreshSession", refresh).reason == "SESSION_ENDED"
    for token in sessions["ended"]:
        assert problem_of(shop.call, USERS, "RefreshSession", {"refresh_token": token}).reason == "SESSION_ENDED"


def keys_of(mesh, tag):
    """The newest value of each of the subject's records on the log of keys."""
    newest = {record["key"]: record["value"] for record in records_of(mesh, "mesh.keys.v1")}
    return {name: value for name, value in newest.items() if name.partition("/")[0] == tag}


def assert_erased(mesh, shop, user, tag):
    assert problem_of(shop.call, USERS, "GetUser", {"id": user["id"]}).reason == "USER_NOT_FOUND"
    credentials = {"email": user["email"], "password": user["password"]}
    assert problem_of(shop.call, USERS, "LogIn", credentials).reason == "WRONG_CREDENTIALS"
    assert shop.call(USERS, "ListUsers", {"email": user["email"]})["users"] == []

    def only_the_erasure_is_left():
        keys = keys_of(mesh, tag)
        return keys.get(tag) and not any(value for name, value in keys.items() if name != tag)

    wait_until(only_the_erasure_is_left, 20, "the key to be gone")


def test_an_erased_user_stays_erased(upgraded, shop, manifest):
    erased = manifest["erased"]
    user = manifest["users"][erased["name"]]
    assert_erased(upgraded, shop, user, erased["tag"])
    # The address is free, and who has it next is somebody else, whom nothing was erased of.
    again = shop.register(user["email"], display_name="Bob the second")
    assert again["id"] != user["id"]
    assert shop.call(USERS, "GetUser", {"id": again["id"]})["email"] == user["email"]


# Their secrets were sealed with a key of the endpoint, and are now with the user's: the command is another one. Under a
# request_id that was used before it is refused, so that it acts once all the same.
SEALED_ANEW = ("CreateWebhookEndpoint", "RotateWebhookSecret")


def test_a_repeated_request_has_its_first_answer(shop, manifest):
    erased = {manifest["users"][name][field] for name in ("bob", "gina") for field in ("email", "id")}
    repeated = 0
    for call in manifest["answered"]:
        if not erased.isdisjoint(value for value in call["request"].values() if isinstance(value, str)):
            continue
        repeated += 1
        if call["method"] in SEALED_ANEW:
            problem = problem_of(shop.call, call["service"], call["method"], call["request"])
            assert problem.reason == "REQUEST_ID_REUSED", call["method"]
            continue
        answer = shop.call(call["service"], call["method"], call["request"])
        assert holds(answer, call["answer"]), call["method"]
    assert repeated > 15
    other = {**manifest["answered"][0]["request"], "display_name": "Somebody else"}
    problem = problem_of(shop.call, USERS, "RegisterUser", other)
    assert problem.code == grpc.StatusCode.INVALID_ARGUMENT


# ---- what was under way ----------------------------------------------------------------------------------------------


def test_commands_that_nobody_had_read_are_done_once(upgraded, shop, manifest):
    users, orders = manifest["users"], manifest["orders"]
    new = [accepted(manifest, f"order {number}")["id"] for number in range(3)]
    for id in new:
        await_order(shop, id, "CONFIRMED")
    known = {order["id"] for order in orders.values() if order["user"] == "alice"}
    assert sorted(order["id"] for order in shop.orders_of(users["alice"]["id"])) == sorted(known | set(new))
    await_order(shop, orders["not told yet"]["id"], "CONFIRMED")
    await_order(shop, orders["to be cancelled"]["id"], "CANCELLED")
    await_order(shop, orders["to be shipped"]["id"], "SHIPPED")
    registering = manifest["registering"]
    credentials = {"email": registering["email"], "password": registering["password"]}

    def registered():
        found = shop.call(USERS, "ListUsers", {"email": registering["email"]})["users"]
        return [user["id"] for user in found] == [registering["id"]]

    wait_until(registered, 20, "the registration")
    assert shop.call(USERS, "LogIn", credentials)["user_id"] == registering["id"]
    assert_erased(upgraded, shop, users["gina"], tag_text(users["gina"]["id"]))

    # Also those that had an answer when the process died, and those that are on the log twice.
    for call in manifest["accepted"]:
        if call["method"] != "DeleteUser":
            assert shop.call(call["service"], call["method"], call["request"])["id"] == call["id"], call["name"]
    assert int(shop.call(INVENTORY, "GetProduct", {"id": "lamp"})["free"]) == manifest["lamp_stock"]
    adjustments = distinct_events(upgraded, "inventory.events.v1", "StockAdjusted", "lamp")
    expected = [call for call in manifest["answered"] + manifest["accepted"] if call["method"] == "AdjustStock"]
    assert len(adjustments) == len(expected) == 13


def distinct_events(mesh, topic, kind, key):
    """An event that is sent again has its ce_id again."""
    return {
        headers_of(record)["ce_id"]
        for record in records_of(mesh, topic)
        if record["key"] == key and headers_of(record).get("ce_type", "").endswith(f".{kind}")
    }


def confirmations(shop, user_id):
    """How often each order's confirmation was told in the app."""
    return collections.Counter(
        notification["body"]
        for notification in shop.notifications_of(user_id)
        if notification["kind"] == "NOTIFICATION_KIND_ORDER_CONFIRMED"
        and notification["channel"] == "NOTIFICATION_CHANNEL_IN_APP"
    )


def test_everybody_is_told_of_everything_once(shop, manifest):
    alice = manifest["users"]["alice"]["id"]
    before = manifest["notifications"]["alice"]
    confirmed = ["confirmed", "to be cancelled", "to be shipped", "shipped", "delivered", "cancelled", "not told yet"]
    at_least = len(confirmed) + 3
    wait_until(lambda: sum(confirmations(shop, alice).values()) >= at_least, 30, "every confirmation")
    told = confirmations(shop, alice)
    # The order that was paid while the order service was away is confirmed, or came too late.
    heard = order_of(shop, manifest["orders"]["paid unheard"]["id"])["state"] == "ORDER_STATE_CONFIRMED"
    assert sum(told.values()) == at_least + heard and set(told.values()) == {1}
    after = {notification["id"]: notification for notification in shop.notifications_of(alice)}
    for notification in before:
        assert holds(after[notification["id"]], {**notification, "delivery_state": after[notification["id"]]["delivery_state"]})
    assert any(notification["read"] for notification in after.values())
    assert holds(shop.call(NOTIFICATIONS, "GetPreferences", {"user_id": alice}), manifest["preferences"])


@pytest.mark.parametrize("name", ["told by a webhook", "told in part"])
def test_a_webhook_that_was_not_delivered_is(shop, receivers, manifest, name):
    """One that was tried in vain, and one in the middle of which the service died."""
    endpoint, receiver = manifest["endpoints"][name], receivers[name]
    user = manifest["users"][endpoint["user"]]["id"]
    order = manifest["orders"][name]["id"]
    wait_until(lambda: receiver.posts_about(order), 30, "the webhook")
    headers, body = receiver.posts_about(order)[0]
    Webhook(endpoint["secret"]).verify(body, headers)

    def deliveries():
        request = {"user_id": user, "channel": "NOTIFICATION_CHANNEL_WEBHOOK"}
        found = shop.call(NOTIFICATIONS, "ListNotifications", request)["notifications"]
        return [one["delivery_state"].removeprefix("DELIVERY_STATE_") for one in found]

    wait_until(lambda: deliveries() == ["DELIVERED"], 20, "the delivery to be recorded")
    # However often it is tried, it is the same one.
    assert len({headers["webhook-id"] for headers, _ in receiver.posts_about(order)}) == 1
    again = shop.confirmed_order(order_request(user))["id"]
    wait_until(lambda: receiver.posts_about(again), 20, "the next webhook")
    headers, body = receiver.posts_about(again)[0]
    Webhook(endpoint["secret"]).verify(body, headers)
    listed = shop.call(NOTIFICATIONS, "ListWebhookEndpoints", {"user_id": user})["webhook_endpoints"]
    assert [(one["id"], one["url"]) for one in listed] == [(endpoint["id"], endpoint["url"])]


def test_a_deadline_that_has_passed_ends_what_waits_for_it(shop, manifest):
    over = time.time() > manifest["made_at"] + DEADLINE_SECONDS
    pending = manifest["orders"]["pending"]["id"]
    if over:
        assert await_order(shop, pending, "REJECTED")["reject_reason"] == "REJECT_REASON_TIMEOUT"
    else:
        assert order_of(shop, pending)["state"] == "ORDER_STATE_PENDING"
    # Its money came in time.
    paid = manifest["orders"]["paid unheard"]["id"]
    order = await_order(shop, paid, "CONFIRMED", *(["REJECTED"] if over else []))
    expected = "AUTHORIZED" if order["state"] == "ORDER_STATE_CONFIRMED" else "VOIDED"

    def agrees():
        return shop.call(PAYMENTS, "GetPayment", {"id": paid})["state"] == f"PAYMENT_STATE_{expected}"

    wait_until(agrees, 20, f"the payment to be {expected}")


# ---- what was set aside ----------------------------------------------------------------------------------------------


class Picky:
    """The subscriber of test_parked.py, with the store that it had."""

    def __init__(self, mesh):
        self.mesh = mesh
        self.folder = mesh.var / "picky"
        self.address = f"127.0.0.1:{mesh.port('gateway') + 60}"
        with (mesh.var / "log" / "picky.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    TREE / "build/tests/e2e/picky/picky",
                    f"--kafka.brokers={mesh.address('kafka')}",
                    f"--store.directory={self.folder / 'store'}",
                    f"--grpc.address={self.address}",
                    f"--metrics.address=127.0.0.1:{mesh.port('gateway') + 61}",
                    *PATIENT,
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "PICKY_FAIL": str(self.folder / "fail"), "PICKY_LOG": str(self.folder / "log")},
            )

    def cli(self, *arguments):
        done = subprocess.run(
            [
                BIN / "tradewind",
                "parked",
                *arguments,
                f"--kafka.brokers={self.mesh.address('kafka')}",
                f"--cli.services=picky={self.address}",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def parked(self, key):
        return json.loads(self.cli("list", "picky", "--json", "--key", key))["records"]

    def states(self, key):
        return [record["state"] for record in self.parked(key)]

    def handled(self, key):
        lines = (self.folder / "log").read_text().splitlines()
        return [event for user, _, event in (line.split(" ") for line in lines) if user == f"user-of-{key}"]

    def answers(self):
        try:
            self.cli("list", "picky")
        except AssertionError:
            return False
        return True


@pytest.fixture(scope="module")
def picky(upgraded):
    picky = Picky(upgraded)
    try:
        wait_until(picky.answers, 30, "picky to answer")
        yield picky
    finally:
        picky.process.terminate()
        code = picky.process.wait(timeout=60)
    assert code == 0


def test_what_was_set_aside_is_listed_and_shown(picky, manifest):
    keys = manifest["picky"]
    assert picky.states(keys["retrying"]) == ["retrying", "waiting"]
    assert picky.states(keys["dead"]) == picky.states(keys["dead too"]) == ["dead", "waiting"]
    assert picky.states(keys["held"]) == picky.states(keys["held and later sent"]) == ["held", "held"]
    assert picky.states(keys["undecodable"]) == ["dead"]
    record = picky.parked(keys["dead"])[0]
    shown = json.loads(picky.cli("show", "picky", str(record["id"]), "--json"))
    assert shown["headers"]["ce_type"] == "tradewind.order.v1.OrderCreated"
    assert shown["body"]["user_id"] == f"user-of-{keys['dead']}"
    assert record["reason"] == f"gave up after 2 attempts: picky about user-of-{keys['dead']}"
    undecodable = picky.parked(keys["undecodable"])[0]
    assert not undecodable["holds_key"]
    assert "no ce_type header (9 bytes: 6a75737420" in picky.cli("show", "picky", str(undecodable["id"]))
    for name in ("retrying", "dead", "dead too"):
        assert picky.handled(keys[name]) == []
    for name in ("held", "held and later sent"):
        assert picky.handled(keys[name]) == ["OrderCreated"]


def test_what_was_set_aside_is_retried_and_skipped(upgraded, picky, manifest):
    keys = manifest["picky"]
    (picky.folder / "fail").write_text("")
    picky.cli("skip", "picky", "--id", str(picky.parked(keys["dead"])[0]["id"]))
    picky.cli("retry", "picky", "--id", str(picky.parked(keys["dead too"])[0]["id"]))
    picky.cli("retry", "picky", "--key", keys["retrying"])
    picky.cli("skip", "picky", "--key", keys["undecodable"])
    picky.cli("retry", "picky", "--key", keys["held"], "--state", "held")
    # What is missing comes after all.
    late = keys["held and later sent"]
    headers = {
        **cloud_event_headers("tradewind.order.v1.OrderReserved", late),
        "ce_source": f"/tests/{late}",
        "ce_sequence": f"{1:016}-{2:016}",
        "ce_previous": f"{1:016}-{1:016}",
    }
    send(upgraded.address("kafka"), "order.events.v1", late.encode(), order_event(late), headers)
    expected = {
        "dead": ["OrderConfirmed"],
        "dead too": ["OrderCreated", "OrderConfirmed"],
        "retrying": ["OrderCreated", "OrderConfirmed"],
        "held": ["OrderCreated", "OrderConfirmed", "OrderCancelled"],
        "held and later sent": ["OrderCreated", "OrderReserved", "OrderConfirmed", "OrderCancelled"],
        "undecodable": [],
    }
    for name, events in expected.items():
        wait_until(lambda name=name: picky.parked(keys[name]) == [], 20, f"nothing parked of {name}")
        wait_until(lambda name=name, events=events: picky.handled(keys[name]) == events, 10, f"{name}: {events}")


# ---- in the end ------------------------------------------------------------------------------------------------------


def test_every_chain_is_whole_and_no_event_was_made_twice(upgraded, manifest):
    created = collections.Counter()
    for topic in manifest["topics"]:
        chains = collections.defaultdict(dict)
        for record in records_of(upgraded, topic):
            headers = headers_of(record)
            sequence = headers.get("ce_sequence")
            # Those of the tests have gaps on purpose.
            if sequence is None or headers["ce_source"].startswith("/tests/"):
                continue
            chain = chains[headers["ce_source"], record["partition"]]
            content = (headers.get("ce_previous", ""), headers["ce_id"], record["key"], record["value"])
            assert chain.setdefault(sequence, content) == content, f"{topic}: two events are {sequence}"
            if content == chain[sequence] and headers["ce_type"].endswith(".OrderCreated") and topic == "order.events.v1":
                created[record["key"], headers["ce_id"]] += 1
        for (source, partition), chain in chains.items():
            before = ""
            for sequence in sorted(chain):
                assert chain[sequence][0] == before, f"{topic}/{partition}: a gap before {sequence} of {source}"
                before = sequence
    assert len(created) == len({key for key, _ in created}) > 15
