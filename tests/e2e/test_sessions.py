"""Accounts that are logged in to: tokens, how they end, and that no password is anywhere in the clear."""

import base64
import json
import threading
import uuid

import grpc
import pytest

from support.client import ORDERS, USERS, Problem, bearer, order_request, problem_of
from support.disk import files_with
from support.kafka import consume_with_headers, header_map

PASSWORD = "correct horse battery"


@pytest.fixture
def user(client):
    return client.register(f"{uuid.uuid4().hex}@example.org", password=PASSWORD)


def log_in(client, user, password=PASSWORD):
    return client.call(USERS, "LogIn", {"email": user["email"], "password": password})


def test_logging_in_gives_a_token_for_the_user(client, user):
    session = log_in(client, user)
    assert session["user_id"] == user["id"]
    payload = session["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["sub"], claims["iss"]) == (user["id"], "tradewind")
    assert claims["exp"] - claims["iat"] == 15 * 60
    # However the address is written.
    assert client.call(USERS, "LogIn", {"email": user["email"].upper(), "password": PASSWORD})["user_id"] == user["id"]


@pytest.mark.parametrize("email, password", [(None, "wrong password"), ("nobody@example.org", PASSWORD)])
def test_wrong_credentials_tell_nothing_else(client, user, email, password):
    problem = problem_of(client.call, USERS, "LogIn", {"email": email or user["email"], "password": password})
    assert (problem.code, problem.reason) == (grpc.StatusCode.UNAUTHENTICATED, "WRONG_CREDENTIALS")
    assert problem.message == "there is no account with this address and password"


def test_a_call_with_a_token_carries_its_caller_to_the_log(mesh, client, user):
    token = log_in(client, user)["access_token"]
    order = client.create_order(order_request(user["id"]), metadata=bearer(token))
    anonymous = client.create_order(order_request(user["id"]))
    callers = {
        record["key"]: header_map(record).get("tradewind-caller", "")
        for record in consume_with_headers(mesh.address("kafka"), "order.commands.v1")
    }
    assert callers[order["id"]] == user["id"]
    assert callers[anonymous["id"]] == ""
    assert client.call(ORDERS, "GetOrder", {"id": order["id"]}, metadata=bearer(token))["id"] == order["id"]


@pytest.mark.parametrize("authorization", ["Bearer nonsense", "Basic YTpi", "Bearer a.b.c"])
def test_a_token_that_is_none_is_refused(client, authorization):
    for method, request in (("ListOrders", {}), ("CreateOrder", order_request(client.new_user()))):
        problem = problem_of(client.call, ORDERS, method, request, metadata=[("authorization", authorization)])
        assert (problem.code, problem.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


def test_a_changed_token_is_refused(client, user):
    header, payload, signature = log_in(client, user)["access_token"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["sub"] = "somebody else"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    problem = problem_of(client.call, ORDERS, "ListOrders", {}, metadata=bearer(f"{header}.{forged}.{signature}"))
    assert problem.reason == "TOKEN_INVALID"


def test_a_session_is_refreshed_until_it_ends(client, user):
    session = log_in(client, user)
    refreshed = client.call(USERS, "RefreshSession", {"refresh_token": session["refresh_token"]})
    assert refreshed["user_id"] == user["id"]
    client.call(ORDERS, "ListOrders", {}, metadata=bearer(refreshed["access_token"]))

    client.call(USERS, "LogOut", {"refresh_token": session["refresh_token"]})
    problem = problem_of(client.call, USERS, "RefreshSession", {"refresh_token": session["refresh_token"]})
    assert (problem.code, problem.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED")
    # Twice is no error.
    client.call(USERS, "LogOut", {"refresh_token": session["refresh_token"]})


@pytest.mark.parametrize("token", ["nonsense", "a.b", ".", f"{uuid.uuid4()}.secret"])
def test_a_made_up_refresh_token_is_good_for_nothing(client, token):
    assert problem_of(client.call, USERS, "RefreshSession", {"refresh_token": token}).reason == "SESSION_ENDED"


def test_a_session_outlives_the_service(mesh, client, user):
    session = log_in(client, user)
    mesh.service("kill", "user")
    mesh.service("start", "user")
    assert client.call(USERS, "RefreshSession", {"refresh_token": session["refresh_token"]})["user_id"] == user["id"]
    # Signed with the same key as before.
    client.call(ORDERS, "ListOrders", {}, metadata=bearer(session["access_token"]))


def test_changing_the_password_ends_every_session_of_the_old_one(client, user):
    sessions = [log_in(client, user) for _ in range(2)]
    new = "another horse battery"
    change = {"id": user["id"], "old_password": PASSWORD, "new_password": new}
    assert client.call(USERS, "ChangePassword", change)["id"] == user["id"]
    for session in sessions:
        problem = problem_of(client.call, USERS, "RefreshSession", {"refresh_token": session["refresh_token"]})
        assert problem.reason == "SESSION_ENDED"
    assert problem_of(log_in, client, user).reason == "WRONG_CREDENTIALS"
    assert log_in(client, user, new)["user_id"] == user["id"]
    assert problem_of(client.call, USERS, "ChangePassword", change).reason == "WRONG_CREDENTIALS"
    short = {"id": user["id"], "old_password": new, "new_password": "short"}
    assert problem_of(client.call, USERS, "ChangePassword", short).fields == ["new_password"]


def test_of_changes_at_once_one_takes_effect(client, user):
    passwords = [f"new password {index}" for index in range(4)]
    changed = []
    gate = threading.Barrier(len(passwords))

    def change(password):
        gate.wait()
        try:
            request = {"id": user["id"], "old_password": PASSWORD, "new_password": password}
            client.call(USERS, "ChangePassword", request)
            changed.append(password)
        except grpc.RpcError as error:
            assert Problem(error).reason == "WRONG_CREDENTIALS", Problem(error)

    threads = [threading.Thread(target=change, args=(password,)) for password in passwords]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(changed) == 1
    assert log_in(client, user, changed[0])["user_id"] == user["id"]


def test_an_account_is_changed_as_its_mask_says(client, user):
    moved = f"{uuid.uuid4().hex}@example.org"
    request = {"id": user["id"], "email": moved, "display_name": "Countess", "update_mask": "email"}
    changed = client.call(USERS, "UpdateUser", request)
    assert (changed["email"], changed["display_name"]) == (moved, user["display_name"])
    assert client.call(USERS, "LogIn", {"email": moved, "password": PASSWORD})["user_id"] == user["id"]
    assert problem_of(log_in, client, user).reason == "WRONG_CREDENTIALS"
    # The old address is free again.
    client.register(user["email"])
    problem = problem_of(client.call, USERS, "UpdateUser", {**request, "update_mask": "id"})
    assert problem.fields == ["update_mask"]


def test_no_password_is_anywhere_in_the_clear(mesh, client):
    first, second = f"first secret {uuid.uuid4()}", f"second secret {uuid.uuid4()}"
    user = client.register(f"{uuid.uuid4().hex}@example.org", password=first)
    log_in(client, user, first)
    client.call(USERS, "ChangePassword", {"id": user["id"], "old_password": first, "new_password": second})
    log_in(client, user, second)
    problem_of(log_in, client, user, first)
    assert files_with(mesh, [first.encode(), second.encode()]) == []
