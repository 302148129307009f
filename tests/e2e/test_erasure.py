"""Personal data: shown to whoever may ask for it, nowhere in the clear on a disk, and unreadable once it is erased."""

import base64
import re
import uuid

import grpc
import pytest

from support.client import ORDERS, USERS, Client, order_request, problem_of, stock_shop
from support.disk import files_with
from support.kafka import read_record
from support.mesh import wait_until
from support.sealed import open_value, tag_text, unwrap

PASSWORD = "correct horse battery"


def new_person():
    """An address and a name that stand nowhere else."""
    return {"email": f"Ada.{uuid.uuid4().hex}@Example.org", "display_name": f"Countess {uuid.uuid4().hex}"}


def distinctive(*people):
    """What gives these people away wherever it is found, in lower case."""
    return [re.search("[0-9a-f]{32}", value)[0] for person in people for value in person.values()]


def register(client, person, **fields):
    return client.register(password=PASSWORD, **person, **fields)


def delete(client, user_id, request_id=None):
    return client.call(USERS, "DeleteUser", {"id": user_id, "request_id": request_id or str(uuid.uuid4())})


def log_in(client, email):
    return client.call(USERS, "LogIn", {"email": email, "password": PASSWORD})


# ---- what a client sees ---------------------------------------------------------------------------------------------


def test_who_may_ask_sees_it_in_the_clear(client):
    first, second = new_person(), new_person()
    user = register(client, first)
    changed = client.call(USERS, "UpdateUser", {"id": user["id"], **second, "update_mask": "email,displayName"})
    listed = client.call(USERS, "ListUsers", {"email": f" {second['email'].upper()}"})["users"]
    password = {"id": user["id"], "old_password": PASSWORD, "new_password": PASSWORD}
    shown = [changed, client.call(USERS, "GetUser", {"id": user["id"]}), *listed]
    shown.append(client.call(USERS, "ChangePassword", password))
    assert {key: user[key] for key in first} == first
    assert [{key: seen[key] for key in second} for seen in shown] == [second] * 4
    assert log_in(client, second["email"].lower())["user_id"] == user["id"]
    assert client.call(USERS, "ListUsers", {"email": first["email"]})["users"] == []


def test_an_address_that_is_taken_is_not_told(client):
    person = new_person()
    register(client, person)
    problem = problem_of(register, client, {**new_person(), "email": person["email"].upper()})
    assert (problem.code, problem.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN")
    assert distinctive(person)[0] not in f"{problem} {problem.metadata}".lower()


def test_a_registration_is_repeated_safely(client):
    person, request_id = new_person(), str(uuid.uuid4())
    assert register(client, person, request_id=request_id) == register(client, person, request_id=request_id)


def test_a_deleted_user_is_gone_and_the_address_free(client):
    person = new_person()
    user = register(client, person)
    order = client.confirmed_order(order_request(user["id"]))
    session = log_in(client, person["email"])
    delete(client, user["id"])

    problem = problem_of(client.call, USERS, "GetUser", {"id": user["id"]})
    assert (problem.code, problem.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    assert client.call(USERS, "ListUsers", {"email": person["email"]})["users"] == []
    assert problem_of(log_in, client, person["email"]).reason == "WRONG_CREDENTIALS"
    refresh = {"refresh_token": session["refresh_token"]}
    assert problem_of(client.call, USERS, "RefreshSession", refresh).reason == "SESSION_ENDED"
    # Orders stay, under the id.
    assert client.call(ORDERS, "GetOrder", {"id": order["id"]})["user_id"] == user["id"]

    again = register(client, person)
    assert again["id"] != user["id"] and again["email"] == person["email"]
    assert log_in(client, person["email"])["user_id"] == again["id"]


def test_a_deletion_is_repeated_safely(client):
    user, request_id = register(client, new_person()), str(uuid.uuid4())
    assert delete(client, user["id"], request_id) == delete(client, user["id"], request_id) == {}
    assert problem_of(delete, client, user["id"]).code == grpc.StatusCode.NOT_FOUND


# ---- what is on the disk --------------------------------------------------------------------------------------------


def compressed_batches(mesh):
    """Files of Kafka's in which a search would overlook something."""
    found = []
    for path in (mesh.var / "kafka" / "data").rglob("*.log"):
        data, at = path.read_bytes(), 0
        # Of a batch: its length without the first 12 bytes at 8, and at 21 its attributes with the kind of compression.
        while at + 61 <= len(data):
            found += [path] * (int.from_bytes(data[at + 21 : at + 23], "big") & 7 != 0)
            at += 12 + int.from_bytes(data[at + 8 : at + 12], "big")
    return found


def mails_with(mesh, word):
    return [path for path in (mesh.var / "mail").glob("*.eml") if word.encode() in path.read_bytes().lower()]


def records_of(mesh, topic):
    records = []
    read_record(mesh.address("kafka"), topic, lambda record: records.append(record))
    return records


def keys_of(mesh, user_id):
    """The newest value of each of the user's records on the log of keys; None is a record marked for removal."""
    tag = tag_text(user_id)
    newest = {record.key().decode(errors="replace"): record.value() for record in records_of(mesh, "mesh.keys.v1")}
    return {name: value for name, value in newest.items() if name.partition("/")[0] == tag}


def sealed_values(record):
    return re.findall(rb"sealed:1:([\w-]{22}):[\w-]+;", record.value())


def user_events(mesh, user_id):
    """By type, without its package."""
    events = [record for record in records_of(mesh, "user.events.v1") if record.key() == user_id.encode()]
    return {dict(record.headers())["ce_type"].decode().rpartition(".")[2]: record for record in events}


@pytest.fixture
def shop(second_mesh):
    second_mesh.up()
    stock_shop(second_mesh.address("gateway"))
    client = Client(second_mesh.address("gateway"))
    yield client
    client.close()


def test_it_lies_nowhere_in_the_clear_and_is_unreadable_once_erased(second_mesh, shop):
    first, second = new_person(), new_person()
    words = distinctive(first, second)
    user = register(shop, first)
    shop.confirmed_order(order_request(user["id"]))
    wait_until(lambda: len(mails_with(second_mesh, words[0])) == 2, 20, "two mails")
    shop.call(USERS, "UpdateUser", {"id": user["id"], **second, "update_mask": "email,displayName"})
    shop.confirmed_order(order_request(user["id"]))
    wait_until(lambda: mails_with(second_mesh, words[2]), 20, "a mail to the new address")
    log_in(shop, second["email"])
    shop.call(USERS, "ListUsers", {"email": second["email"]})

    # The search finds what there is to be found.
    places = {place.partition("/")[0] for place in files_with(second_mesh, [user["id"].encode()])}
    assert {"kafka", "user", "order", "notification"} <= places
    assert compressed_batches(second_mesh) == []
    assert files_with(second_mesh, [word.encode() for word in words]) == []
    (key,) = keys_of(second_mesh, user["id"]).items()
    assert key[0].startswith(f"{tag_text(user['id'])}/") and key[1]

    delete(shop, user["id"])
    wait_until(lambda: keys_of(second_mesh, user["id"]).get(key[0], key[1]) is None, 20, "the removal of the key")
    # That it was erased stays on record, and nothing else of it.
    erased = {name for name, value in keys_of(second_mesh, user["id"]).items() if value is not None}
    assert erased == {tag_text(user["id"])}
    events = user_events(second_mesh, user["id"])
    assert set(events) == {"UserRegistered", "UserUpdated", "UserDeleted"}
    for kind in ("UserRegistered", "UserUpdated"):
        assert sealed_values(events[kind]) == [tag_text(user["id"]).encode()] * 2, kind
    assert sealed_values(events["UserDeleted"]) == []

    # The address comes again, as somebody else's, who is not erased, not even for a service that reads it all anew.
    again = register(shop, second)
    for name in ("user", "gateway"):
        second_mesh.service("kill", name)
        second_mesh.service("start", name)
    assert shop.call(USERS, "GetUser", {"id": again["id"]})["email"] == second["email"]
    assert files_with(second_mesh, [word.encode() for word in words]) == []


def test_a_foreign_program_with_the_master_key_reads_what_is_sealed(mesh, client):
    person = new_person()
    user = register(client, person)
    master = base64.b64decode(mesh.seal_key.read_text())
    (wrapped,) = keys_of(mesh, user["id"]).values()
    key = unwrap(master, user["id"], wrapped)
    event = user_events(mesh, user["id"])["UserRegistered"].value()
    values = [value.decode() for value in re.findall(rb"sealed:1:[\w-]+:[\w-]+;", event)]
    assert [open_value(key, user["id"], value) for value in values] == list(person.values())
