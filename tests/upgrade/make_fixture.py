#!/usr/bin/env python3
"""Makes the data that tests/e2e/test_upgrade.py upgrades: a mesh of an older commit, run by that commit's executables,
filled with something in every state, and killed in the middle of its work.

    tests/upgrade/make_fixture.py [--store postgres] CHECKOUT FOLDER

CHECKOUT is a work tree of the older commit, built by `cmake --preset release -DTRADEWIND_TESTS=ON` (the tests' crash
points are used) with build/venv in it. FOLDER receives var.tar.xz and manifest.json. README.md says what is in them.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from fixture import digest_of, order_event, record_of

PASSWORD = "correct horse battery"
NEW_PASSWORD = "another horse battery"
# Where the receivers of webhooks will listen when the mesh runs again, here and at the next one: outside the range from which the kernel takes
# ports for outgoing connections, and no port of a mesh.
RECEIVER_PORT = 62980
OFFSET = 13500
# Chosen so that as little as possible ends before the test looks at it, however old the fixture is.
SETTINGS = {
    "TRADEWIND_USER_REFRESH_LIFETIME": "8760h",
    "TRADEWIND_NOTIFICATION_WEBHOOK_ALLOW_HTTP": "true",
    "TRADEWIND_NOTIFICATION_WEBHOOK_ALLOW_PRIVATE": "true",
}
ACCEPTED = [("tradewind-wait", "accepted")]
PATIENT = ("--runtime.first_retry=1h",)
HASTY = ("--runtime.max_attempts=2", "--runtime.first_retry=10ms")


def new_id():
    return str(uuid.uuid4())


class Maker:
    def __init__(self, support, mesh):
        self.support = support
        self.mesh = mesh
        self.client = support.client.Client(mesh.address("gateway"))
        self.picky = Picky(support, mesh)
        # Name -> id, address and password.
        self.users = {}
        self.manifest = {
            "made_at": time.time(),
            "users": self.users,
            "sessions": {},
            "orders": {},
            "answered": [],
            "accepted": [],
        }

    def fill(self):
        for step in (
            self.keep_topics_for_ever,
            self.make_people,
            self.make_products,
            self.make_orders,
            self.make_notifications,
            self.make_parked_records,
            self.erase_somebody,
            self.look_at_everything,
            self.leave_work_unread,
            self.note_topics,
        ):
            print(f"make_fixture: {step.__name__}", flush=True)
            step()
        self.client.close()

    # ---- calls ----

    def answered(self, service, method, request):
        """Calls, and has the manifest demand that a repeat is answered in the same way."""
        request = {**request, "request_id": new_id()}
        answer = self.client.call(service, method, request)
        self.manifest["answered"].append({"service": service, "method": method, "request": request, "answer": answer})
        return answer

    def accepted(self, name, service, method, request, times=1):
        """Puts a command on the log that nobody reads before the end, `times` times the same."""
        request = {**request, "request_id": new_id()}
        for _ in range(times):
            answer = self.client.call(service, method, request, metadata=ACCEPTED)
        self.manifest["accepted"].append(
            {"name": name, "service": service, "method": method, "request": request, "id": answer.get("id", "")}
        )
        return answer.get("id", "")

    # ---- what is in it ----

    def keep_topics_for_ever(self):
        """Kafka deletes what is older than a week by the records' own times; the test may run years later."""
        from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

        admin = AdminClient({"bootstrap.servers": self.mesh.address("kafka")})
        entry = ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)
        topics = [name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")]
        resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry]) for name in topics]
        for done in admin.incremental_alter_configs(resources).values():
            done.result()

    def register(self, name, password=PASSWORD):
        email = f"{name}-{uuid.uuid4().hex[:8]}@example.org"
        request = {"email": email, "display_name": name.capitalize(), "password": password, "locale": "en"}
        user = self.answered(self.support.client.USERS, "RegisterUser", request)
        self.users[name] = {"id": user["id"], "email": email, "password": password, "display_name": name.capitalize()}
        return user["id"]

    def log_in(self, name):
        user = self.users[name]
        request = {"email": user["email"], "password": user["password"]}
        return self.client.call(self.support.client.USERS, "LogIn", request)["refresh_token"]

    def make_people(self):
        users = self.support.client.USERS
        for name in ("alice", "bob", "carol", "erin", "gina"):
            self.register(name)
        ended = self.log_in("alice")
        self.client.call(users, "LogOut", {"refresh_token": ended})
        outdated = self.log_in("carol")
        carol = self.users["carol"]
        change = {"id": carol["id"], "old_password": PASSWORD, "new_password": NEW_PASSWORD}
        self.client.call(users, "ChangePassword", change)
        carol["password"] = NEW_PASSWORD
        self.manifest["sessions"] = {
            "good": {"alice": self.log_in("alice"), "carol": self.log_in("carol")},
            "ended": [ended, outdated],
            "lifetime_hours": 8760,
        }

    def make_products(self):
        inventory = self.support.client.INVENTORY
        self.client.ensure_product("tea")
        price = {"currency_code": "EUR", "units": "30"}
        lamp = {"id": "lamp", "name": "Lamp", "unit_price": price, "stock": "100"}
        self.answered(inventory, "CreateProduct", lamp)
        for delta in (5, -2):
            self.answered(inventory, "AdjustStock", {"id": "lamp", "delta": str(delta), "reason": f"by {delta}"})
        self.manifest["lamp_stock"] = 103

    def order(self, name, user="alice", **fields):
        request = self.support.client.order_request(self.users[user]["id"], **fields)
        del request["request_id"]
        order = self.answered(self.support.client.ORDERS, "CreateOrder", request)
        self.manifest["orders"][name] = {"id": order["id"], "user": user}
        return order["id"]

    def confirmed_order(self, name, user="alice"):
        id = self.order(name, user)
        self.await_state(id, "CONFIRMED")
        shipping = self.support.client.SHIPPING
        self.until(lambda: self.found(shipping, "GetShipment", {"id": id}), f"the shipment of {name}")
        return id

    def await_state(self, id, state):
        self.client.await_order(id, lambda order: order["state"] == f"ORDER_STATE_{state}", 30)

    def await_payment(self, id, state):
        self.until(lambda: self.payment_state(id) == f"PAYMENT_STATE_{state}", f"the payment of {id} to be {state}")

    def make_orders(self):
        client = self.client
        orders = self.support.client.ORDERS
        for name in ("confirmed", "to be cancelled", "to be shipped"):
            self.confirmed_order(name)
        shipped, delivered = self.confirmed_order("shipped"), self.confirmed_order("delivered")
        for id in (shipped, delivered):
            client.update_shipment(id, "IN_TRANSIT", "Barque", "4711")
            self.await_state(id, "SHIPPED")
        client.update_shipment(delivered, "DELIVERED")
        self.await_state(delivered, "DELIVERED")
        for id in (shipped, delivered):
            self.await_payment(id, "CAPTURED")
        cancelled = self.confirmed_order("cancelled")
        self.answered(orders, "CancelOrder", {"id": cancelled, "reason": "second thoughts"})
        self.await_state(cancelled, "CANCELLED")
        self.await_payment(cancelled, "VOIDED")
        self.await_state(self.order("too dear", units=5), "REJECTED")
        self.await_state(self.order("declined", payment_token="tok_decline"), "REJECTED")
        # Its payment is asked for again and again, and a deadline waits for it.
        pending = self.order("pending", payment_token="tok_unreachable")
        self.until(lambda: self.parked("payment", "--key", pending), "a payment that is tried again")

    def make_notifications(self):
        notifications = self.support.client.NOTIFICATIONS
        alice, erin = self.users["alice"]["id"], self.users["erin"]["id"]
        self.answered(notifications, "UpdatePreferences", {"user_id": alice, "email": False})
        read = self.client.notifications_of(alice)[0]["id"]
        self.answered(notifications, "MarkNotificationRead", {"id": read})
        endpoint = self.answered(
            notifications, "CreateWebhookEndpoint", {"user_id": erin, "url": f"http://localhost:{RECEIVER_PORT}/hook"}
        )
        rotated = self.answered(notifications, "RotateWebhookSecret", {"id": endpoint["id"]})
        # Nobody listens there.
        id = self.order("told by a webhook", "erin")
        self.await_state(id, "CONFIRMED")
        self.until(lambda: self.parked("notification", "--key", endpoint["id"]), "a webhook that is tried again")
        self.manifest["endpoints"] = {
            "told by a webhook": {
                "id": endpoint["id"],
                "user": "erin",
                "url": endpoint["url"],
                "port": RECEIVER_PORT,
                "secret": rotated["secret"],
            }
        }

    def make_parked_records(self):
        self.manifest["picky"] = self.picky.park(self.until)

    def erase_somebody(self):
        bob = self.users["bob"]["id"]
        token = self.log_in("bob")
        self.confirmed_order("of the erased", "bob")
        self.client.call(self.support.client.USERS, "DeleteUser", {"id": bob, "request_id": new_id()})
        self.manifest["sessions"]["ended"].append(token)
        tag = self.support.sealed.tag_text(bob)
        self.until(lambda: None in self.keys_of(tag), "the removal of a key")
        self.manifest["erased"] = {"name": "bob", "tag": tag}

    def keys_of(self, tag):
        records = self.read_topic("mesh.keys.v1")
        return {record["key"]: record["value"] for record in records if record["key"].startswith(f"{tag}/")}.values()

    def look_at_everything(self):
        """What is to be found again as it was."""
        get = self.support.client
        kinds = (("order", get.ORDERS, "GetOrder"), ("payment", get.PAYMENTS, "GetPayment"))
        for order in self.manifest["orders"].values():
            for kind, service, method in (*kinds, ("shipment", get.SHIPPING, "GetShipment")):
                order[kind] = self.found(service, method, {"id": order["id"]})
        self.manifest["notifications"] = {
            name: self.client.notifications_of(user["id"]) for name, user in self.users.items() if name != "bob"
        }
        self.manifest["preferences"] = self.client.call(
            get.NOTIFICATIONS, "GetPreferences", {"user_id": self.users["alice"]["id"]}
        )

    def leave_work_unread(self):
        """Stops one service after the other, and puts commands and events on the log that it has not read at the end."""
        get = self.support.client
        orders = self.manifest["orders"]
        self.cut_a_webhook_short()
        # Events that the notification service, which is dead by now, has not read.
        self.confirmed_order("not told yet")
        # An answer of the payment service that came in time, and that the order service has not read.
        paying = self.order("paid unheard", payment_token="tok_delay")
        self.until(lambda: self.found(get.PAYMENTS, "GetPayment", {"id": paying}), "the payment to begin")
        self.mesh.service("kill", "order")
        self.await_payment(paying, "AUTHORIZED")
        request = self.support.client.order_request
        for number, times in enumerate((1, 1, 2)):
            fields = request(self.users["alice"]["id"], quantity=number + 1)
            self.accepted(f"order {number}", get.ORDERS, "CreateOrder", fields, times)
        cancelled = {"id": orders["to be cancelled"]["id"], "reason": "third thoughts"}
        self.accepted("cancellation", get.ORDERS, "CancelOrder", cancelled)

        self.mesh.service("kill", "inventory")
        self.commit_without_publishing()
        for number in range(10):
            adjustment = {"id": "lamp", "delta": str(number + 1), "reason": f"number {number}"}
            self.accepted(f"adjustment {number}", get.INVENTORY, "AdjustStock", adjustment, times=1 + number % 2)
        self.manifest["lamp_stock"] += 1000 + sum(range(1, 11))

        self.mesh.service("kill", "user")
        email = f"frank-{uuid.uuid4().hex[:8]}@example.org"
        frank = {"email": email, "display_name": "Frank", "password": PASSWORD}
        id = self.accepted("registration", get.USERS, "RegisterUser", frank)
        self.manifest["registering"] = {"id": id, "email": email, "password": PASSWORD, "display_name": "Frank"}
        self.accepted("deletion", get.USERS, "DeleteUser", {"id": self.users["gina"]["id"]})

        self.mesh.service("kill", "shipping")
        sent = {"id": orders["to be shipped"]["id"], "state": "SHIPMENT_STATE_IN_TRANSIT", "carrier": "Barque"}
        self.accepted("dispatch", get.SHIPPING, "UpdateShipment", sent)
        self.mesh.service("kill", "payment")

    def cut_a_webhook_short(self):
        """Kills the notification service while a receiver thinks about what it was posted."""
        carol = self.users["carol"]["id"]
        url = f"http://localhost:{RECEIVER_PORT + 1}/hook"
        request = {"user_id": carol, "url": url}
        endpoint = self.answered(self.support.client.NOTIFICATIONS, "CreateWebhookEndpoint", request)
        with socket.create_server(("127.0.0.1", RECEIVER_PORT + 1)) as receiver:
            self.confirmed_order("told in part", "carol")
            with receiver.accept()[0]:
                self.mesh.service("kill", "notification")
        self.manifest["endpoints"]["told in part"] = {
            "id": endpoint["id"],
            "user": "carol",
            "url": url,
            "port": RECEIVER_PORT + 1,
            "secret": endpoint["secret"],
        }

    def payment_state(self, id):
        return self.client.call(self.support.client.PAYMENTS, "GetPayment", {"id": id})["state"]

    def commit_without_publishing(self):
        """Has the inventory take one command, commit it, and die before its event and its reply are published."""
        with (self.mesh.var / "log" / "crash.log").open("wb") as log:
            environment = {**self.mesh.environment(), **SETTINGS, "TRADEWIND_CRASH_AT": "batch.committed:1"}
            process = subprocess.Popen(
                self.mesh.command("inventory"), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        adjustment = {"id": "lamp", "delta": "1000", "reason": "committed"}
        self.accepted("committed adjustment", self.support.client.INVENTORY, "AdjustStock", adjustment)
        assert process.wait(timeout=60) == -9

    # ---- asking ----

    def until(self, condition, what, seconds=60):
        self.support.mesh.wait_until(condition, seconds, what)

    def found(self, service, method, request):
        import grpc

        try:
            return self.client.call(service, method, request)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
            return None

    def parked(self, service, *options):
        return json.loads(self.mesh.cli("parked", "list", service, "--json", *options))["records"]

    def read_topic(self, topic):
        records = []

        def keep(record):
            records.append(record_of(record))

        self.support.kafka.read_record(self.mesh.address("kafka"), topic, keep)
        return records

    def note_topics(self):
        """For each partition that is not empty: its end, and a digest of all that lies in it."""
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.mesh.address("kafka")})
        self.manifest["topics"] = {}
        for topic in sorted(name for name in admin.list_topics(timeout=10).topics if not name.startswith("__")):
            partitions = {}
            for record in self.read_topic(topic):
                partitions.setdefault(record["partition"], []).append(record)
            self.manifest["topics"][topic] = {
                str(number): {"end": records[-1]["offset"] + 1, "digest": digest_of(records)}
                for number, records in sorted(partitions.items())
            }


class Picky:
    """The subscriber of tests/e2e/test_parked.py, which fails for the users it is told to, with its store in the mesh's
    folder."""

    def __init__(self, support, mesh):
        self.support = support
        self.mesh = mesh
        self.folder = mesh.var / "picky"
        self.address = f"127.0.0.1:{mesh.port('gateway') + 60}"
        self.process = None

    def park(self, until):
        """Has it keep records in every state; returns their keys by state."""
        self.folder.mkdir()
        (self.folder / "log").touch()
        names = ("retrying", "dead", "dead too", "held", "held and later sent")
        keys = {name: f"{name.replace(' ', '-')}-{uuid.uuid4()}" for name in names}
        (self.folder / "fail").write_text("".join(f"user-of-{key}\n" for key in keys.values() if "held" not in key))
        self.start(PATIENT)
        self.send("OrderCreated", keys["retrying"])
        until(lambda: self.states(keys["retrying"]) == ["retrying"], "a record that is tried again")
        self.send("OrderConfirmed", keys["retrying"])
        until(lambda: self.states(keys["retrying"]) == ["retrying", "waiting"], "a record behind it")
        self.stop()

        self.start(HASTY)
        for name in ("dead", "dead too"):
            self.send("OrderCreated", keys[name])
            until(lambda key=keys[name]: self.states(key) == ["dead"], "a dead record")
            self.send("OrderConfirmed", keys[name])
            until(lambda key=keys[name]: self.states(key) == ["dead", "waiting"], "a record behind it")
        for name in ("held", "held and later sent"):
            self.send("OrderCreated", keys[name], sequence=1)
            self.send("OrderConfirmed", keys[name], sequence=3, previous=2)
            self.send("OrderCancelled", keys[name], sequence=4, previous=3)
            until(lambda key=keys[name]: self.states(key) == ["held", "held"], "records behind a gap")
        broker = self.mesh.address("kafka")
        undecodable = f"undecodable-{uuid.uuid4()}"
        self.support.kafka.send(broker, "order.events.v1", undecodable.encode() + b"-\xff", b"just text", {})
        key = f"{undecodable}-\\xff"
        until(lambda: self.states(key) == ["dead"], "an undecodable record")
        self.process.kill()
        self.process.wait()
        return {**keys, "undecodable": key, "handled": (self.folder / "log").read_text().splitlines()}

    def start(self, options):
        with (self.mesh.var / "log" / "picky.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    self.support.mesh.TREE / "build/tests/e2e/picky/picky",
                    f"--kafka.brokers={self.mesh.address('kafka')}",
                    f"--store.directory={self.folder / 'store'}",
                    f"--grpc.address={self.address}",
                    f"--metrics.address=127.0.0.1:{self.mesh.port('gateway') + 61}",
                    *options,
                ],
                stdout=log,
                stderr=log,
                env={**os.environ, "PICKY_FAIL": str(self.folder / "fail"), "PICKY_LOG": str(self.folder / "log")},
            )
        self.support.mesh.wait_until(lambda: self.list().returncode == 0, 30, "picky to answer")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0

    def list(self, *options):
        command = [self.support.mesh.BIN / "tradewind", "parked", "list", "picky", "--json", *options]
        command += [f"--kafka.brokers={self.mesh.address('kafka')}", f"--cli.services=picky={self.address}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def states(self, key):
        listed = self.list("--key", key)
        return [record["state"] for record in json.loads(listed.stdout)["records"]] if listed.returncode == 0 else None

    def send(self, event, key, sequence=None, previous=0):
        headers = self.support.kafka.cloud_event_headers(f"tradewind.order.v1.{event}", key)
        if sequence:
            headers |= {
                "ce_source": f"/tests/{key}",
                "ce_sequence": f"{1:016}-{sequence:016}",
                "ce_previous": f"{1:016}-{previous:016}",
            }
        self.support.kafka.send(self.mesh.address("kafka"), "order.events.v1", key.encode(), order_event(key), headers)


# What is made anew at each start, or belongs to a process that has ended. Kafka makes the indexes of its segments again
# after an unclean end, which this one is.
LEFT_OUT = ("*.index", "*.timeindex", "*.txnindex", "*.pid", "*.lock", "*.db-shm", "*.sqlite-shm", "*-shm")
LEFT_OUT_FOLDERS = ("log", "mail")
LEFT_OUT_FILES = ("kafka/kafka.log", "kafka/server.properties", "cli.yaml")


def pack(var, archive):
    for name in LEFT_OUT_FOLDERS:
        shutil.rmtree(var / name, ignore_errors=True)
    for name in LEFT_OUT_FILES:
        (var / name).unlink(missing_ok=True)
    for pattern in LEFT_OUT:
        for path in var.rglob(pattern):
            path.unlink()
    # Sorted by name without its number, so that what is alike lies together for xz.
    names = subprocess.run(["find", ".", "-type", "f", "-o", "-type", "d"], cwd=var, capture_output=True, text=True)
    listing = "\n".join(sorted(names.stdout.split(), key=lambda name: (Path(name).name, name)))
    owner = ["--owner=0", "--group=0", "--numeric-owner", "--mode=u+rwX,go=", "--mtime=@0"]
    command = ["tar", "-c", "--sparse", "--no-recursion", "--format=gnu", *owner, "-T", "-"]
    tar = subprocess.run(command, cwd=var, input=listing.encode(), stdout=subprocess.PIPE, check=True)
    with archive.open("wb") as output:
        subprocess.run(["xz", "-9e", "--stdout"], input=tar.stdout, stdout=output, check=True)


class Support:
    """The test support of the older commit."""

    def __init__(self, checkout):
        sys.path.insert(0, str(checkout / "tests"))
        import support.client
        import support.kafka
        import support.mesh
        import support.sealed

        self.client, self.kafka = support.client, support.kafka
        self.mesh, self.sealed = support.mesh, support.sealed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    support = Support(checkout)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as folder:
        mesh = support.mesh.Mesh(Path(folder) / "var", OFFSET, store=arguments.store, settings=SETTINGS)
        try:
            mesh.up()
            maker = Maker(support, mesh)
            maker.fill()
            mesh.service("kill", "gateway")
            mesh.kafka("kill")
        finally:
            with contextlib.suppress(AssertionError):
                mesh.down()
        arguments.folder.mkdir(parents=True, exist_ok=True)
        pack(mesh.var, arguments.folder / "var.tar.xz")
    manifest = {"commit": commit.stdout.strip(), **maker.manifest}
    (arguments.folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"make_fixture: {(arguments.folder / 'var.tar.xz').stat().st_size} bytes in {arguments.folder}")


if __name__ == "__main__":
    main()
