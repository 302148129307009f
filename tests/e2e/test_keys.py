"""The log of keys, mesh.keys.v1, whatever somebody else writes to it; and who has a key on it."""

import os
import subprocess
import uuid

import grpc
import pytest

from support.client import NOTIFICATIONS, USERS, Client, Problem, order_request, problem_of
from support.kafka import read_record, send
from support.mesh import TREE, wait_until
from support.sealed import tag_text
from support.status import is_well, problems

TOPIC = "mesh.keys.v1"
# Those that read it.
READERS = ("user", "gateway", "payment", "notification")


def newest(mesh):
    """The newest value of each record; None is one marked for removal. By time: what a stranger writes may lie on another
    partition than what the mesh does, and partitions are read in no order."""
    records = []
    read_record(mesh.address("kafka"), TOPIC, lambda record: records.append(record))
    records.sort(key=lambda record: record.timestamp()[1])
    return {record.key(): record.value() for record in records}


def keys_of(mesh, user_id):
    """Those that compaction keeps."""
    tag = tag_text(user_id).encode()
    return {name: value for name, value in newest(mesh).items() if name.startswith(tag) and value is not None}


def write(mesh, key, value):
    send(mesh.address("kafka"), TOPIC, key, value, {})


def restart(mesh, *names):
    for name in names:
        mesh.service("kill", name)
        mesh.service("start", name)
    for name in names:
        wait_until(lambda: mesh.is_healthy(name), 60, f"{name} to be healthy")


def name_of(client, user_id):
    return client.call(USERS, "GetUser", {"id": user_id})["display_name"]


def run(command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)


# ---- foreign records ------------------------------------------------------------------------------------------------


def test_foreign_records_stop_nothing(mesh, client):
    before = client.new_user()
    tag = tag_text("somebody").encode()
    skipped = mesh.metric("user", "tradewind_keys_records_skipped_total")
    foreign = [
        (b"junk", b"x"),
        (b"junk", None),
        (b"\xff\x00\x01", b"x"),
        (b"k" * 300_000, b""),
        (b"k", b"v" * 900_000),
        (tag, b"x"),
        (tag, None),
        (tag + b"/0123456789abcdef", os.urandom(40)),
        (tag + b"/0123456789abcdef", os.urandom(72)),
        (tag + b"/0123456789ABCDEF", b"x"),
    ]
    for key, value in foreign:
        write(mesh, key, value)
    wait_until(lambda: mesh.metric("user", "tradewind_keys_records_skipped_total") >= skipped + 9, 20, "them to be read")
    line = [line for line in mesh.log_lines("user") if line["message"] == "passed over a record of the log of keys"][-1]
    assert line["topic"] == TOPIC and {"partition", "offset"} <= line.keys()

    restart(mesh, *READERS)
    assert name_of(client, before) == "Test"
    after = client.new_user()
    assert client.confirmed_order(order_request(after))["state"] == "ORDER_STATE_CONFIRMED"
    assert name_of(client, after) == "Test"


def test_a_forged_erasure_counts_for_nothing(mesh, client):
    user = client.new_user()
    for value in (b"2026-01-01T00:00:00Z", b"2026-01-01T00:00:00Z 1:" + b"A" * 43, b"", b"x"):
        write(mesh, tag_text(user).encode(), value)
    restart(mesh, "user", "gateway")
    assert name_of(client, user) == "Test"
    assert client.confirmed_order(order_request(user))["state"] == "ORDER_STATE_CONFIRMED"


def test_a_key_that_somebody_removes_is_written_again(mesh, client):
    user = client.new_user()
    (key,) = keys_of(mesh, user)
    restored = mesh.metric("user", "tradewind_keys_restored_total")
    for value in (None, os.urandom(72)):
        write(mesh, key, value)
        wait_until(lambda: newest(mesh).get(key) not in (None, value), 20, "the key to be back")
    assert mesh.metric("user", "tradewind_keys_restored_total") > restored
    assert any("took a record away" in line["message"] for line in mesh.log_lines("user"))
    assert mesh.metric("user", "tradewind_keys_taken_away_seconds") > 0
    assert any("somebody has taken users' keys away from mesh.keys.v1" in line for line in problems(mesh))
    # Ends the alarm too, which would go on for ten minutes.
    restart(mesh, *READERS)
    assert name_of(client, user) == "Test"
    wait_until(lambda: is_well(mesh), 60, "the problem to go")


def test_erasures_of_before_count_until_they_are_signed(second_mesh):
    second_mesh.up()
    client = Client(second_mesh.address("gateway"))
    user = client.new_user()
    # As a mesh that an earlier version began.
    second_mesh.down()
    (second_mesh.var / "seal.signed").unlink()
    second_mesh.up()
    write(second_mesh, tag_text(user).encode(), b"2026-11-29T23:43:00+00:00")
    wait_until(lambda: name_of(client, user) == "[erased]", 20, "the erasure")

    command = [TREE / "build/bin/tradewind", "keys", "sign-erasures", "--config", second_mesh.var / "cli.yaml"]
    told = run(command)
    assert told.returncode == 1 and "1 erasure on the log of keys is not signed" in told.stdout
    assert "nothing was done" in told.stdout
    signed = run([*command, "--yes"])
    assert signed.returncode == 0 and "1 signed" in signed.stdout, signed.stderr
    assert run(command).returncode == 0
    (second_mesh.var / "seal.signed").touch()
    restart(second_mesh, "user", "gateway")
    assert name_of(client, user) == "[erased]"

    # Another master key is refused, whatever there is.
    key = second_mesh.seal_key.read_text()
    second_mesh.seal_key.write_text("B" * 42 + "A")
    second_mesh.service("kill", "user")
    log = len(second_mesh.log_lines("user"))
    with pytest.raises(AssertionError):
        second_mesh.service("start", "user")
    assert "give every process of the mesh the same seal.key_file" in str(second_mesh.log_lines("user")[log:])
    second_mesh.seal_key.write_text(key)
    second_mesh.service("start", "user")
    client.close()


# ---- who has a key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["tok_approve", ""])
def test_nobody_orders_nothing_and_gets_no_key(mesh, client, token):
    nobody = str(uuid.uuid4())
    problem = problem_of(client.create_order, order_request(nobody, payment_token=token))
    assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    endpoint = {"user_id": nobody, "url": "https://example.org/"}
    assert problem_of(client.call, NOTIFICATIONS, "CreateWebhookEndpoint", endpoint).code == grpc.StatusCode.NOT_FOUND
    change = {"id": nobody, "display_name": "x", "update_mask": "displayName"}
    assert problem_of(client.call, USERS, "UpdateUser", change).reason == "USER_NOT_FOUND"
    assert client.orders_of(nobody) == [] and keys_of(mesh, nobody) == {}


@pytest.mark.parametrize("token", ["tok_approve", ""])
def test_who_was_erased_orders_nothing(mesh, client, token):
    user = client.new_user()
    client.call(USERS, "DeleteUser", {"id": user})
    wait_until(lambda: tag_text(user).encode() in keys_of(mesh, user), 20, "the erasure")

    def refused():
        try:
            client.create_order(order_request(user, payment_token=token))
        except grpc.RpcError as error:
            return Problem(error).reason
        return None

    wait_until(lambda: refused() == "SUBJECT_ERASED", 10, "the gateway to know")


def test_a_refused_registration_leaves_no_key(mesh, client):
    email, request_id = f"{uuid.uuid4().hex}@example.org", str(uuid.uuid4())
    user = client.register(email)
    wait_until(lambda: len(keys_of(mesh, user["id"])) == 1, 10, "the key of the account")
    before = {name for name, value in newest(mesh).items() if value is not None}
    for _ in range(2):
        # The second is answered as the first was.
        assert problem_of(client.register, email, request_id).reason == "EMAIL_TAKEN"
        wait_until(lambda: {name for name, value in newest(mesh).items() if value} <= before, 10, "the key to be gone")


def test_a_refused_registration_that_nobody_awaits_leaves_no_key(mesh, client):
    person = {"email": f"{uuid.uuid4().hex}@example.org", "display_name": "Test", "password": "correct horse battery"}
    before = {name for name, value in newest(mesh).items() if value is not None}
    user = client.call(USERS, "RegisterUser", person)
    accepted = client.call(USERS, "RegisterUser", person, metadata=[("tradewind-wait", "accepted")])
    # Some of them end before their key is made, some before the answer is there.
    for timeout in (0.05, 0.1, 0.2, 0.3, 0.4, 0.6):
        problem_of(client.call, USERS, "RegisterUser", person, timeout)
    wait_until(lambda: not keys_of(mesh, accepted["id"]), 10, "the key to be gone")
    tag = tag_text(accepted["id"]).encode()
    assert any(name.startswith(tag) for name in newest(mesh)), "it had a key"
    kept = before | keys_of(mesh, user["id"]).keys()
    wait_until(lambda: {name for name, value in newest(mesh).items() if value} <= kept, 10, "the others to be gone")
    assert len(kept) == len(before) + 1 and name_of(client, user["id"]) == "Test"


def test_a_secret_is_sealed_for_the_user(mesh, client):
    user = client.new_user()
    endpoint = client.call(NOTIFICATIONS, "CreateWebhookEndpoint", {"user_id": user, "url": "https://example.org/"})
    rotated = client.call(NOTIFICATIONS, "RotateWebhookSecret", {"id": endpoint["id"]})
    assert all(one["secret"].startswith("whsec_") and "sealed" not in one["secret"] for one in (endpoint, rotated))
    assert keys_of(mesh, endpoint["id"]) == {}
