"""Mail and webhooks, with foreign counterparts: aiosmtpd takes the mails, standardwebhooks verifies what is posted.

The mesh of this file has a mail server that asks for STARTTLS and a login, and may call addresses on this machine. What
the usual mesh does, which has the mailbox and may not, is tested with that.
"""

import base64
import email
import email.policy
import json
import threading
import uuid

import grpc
import pytest
from confluent_kafka import TopicPartition
from standardwebhooks import Webhook, WebhookVerificationError

from support.client import NOTIFICATIONS, ORDERS, USERS, Client, Problem, order_request, stock_shop
from support.disk import files_with
from support.kafka import consume_with_headers, delete_up_to
from support.mesh import SECOND_OFFSET, Mesh, taken_down, wait_until
from support.receivers import LOGIN, MailServer, Receiver
from support.status import await_problem, is_well

DELIVERIES = "notification.deliveries.v1"
IN_APP, EMAIL, WEBHOOK = (f"NOTIFICATION_CHANNEL_{name}" for name in ("IN_APP", "EMAIL", "WEBHOOK"))


def identifier(headers):
    return headers["webhook-id"]


def verify(secret, headers, body):
    return Webhook(secret).verify(body, headers)


@pytest.fixture(scope="module")
def receiver(tls):
    receiver = Receiver(tls)
    yield receiver
    receiver.stop()


@pytest.fixture(scope="module")
def mail_server(tls):
    server = MailServer(2525 + SECOND_OFFSET, tls)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def told(tmp_path_factory, certificate, mail_server):
    """A mesh that reaches the two."""
    settings = {
        "SMTP_URL": f"smtp://127.0.0.1:{2525 + SECOND_OFFSET}",
        "SMTP_TLS": "required",
        "SMTP_USER": LOGIN[0].decode(),
        "SMTP_PASSWORD": LOGIN[1].decode(),
        "SMTP_CA_FILE": str(certificate / "cert.pem"),
        "MAIL_FROM": "shop@example.org",
        "WEBHOOK_CA_FILE": str(certificate / "cert.pem"),
        "WEBHOOK_ALLOW_PRIVATE": "true",
        "WEBHOOK_TIMEOUT": "20s",
    }
    settings = {f"TRADEWIND_NOTIFICATION_{name}": value for name, value in settings.items()}
    with taken_down(Mesh(tmp_path_factory.mktemp("told"), SECOND_OFFSET, settings=settings)) as mesh:
        mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh


@pytest.fixture
def shop(told):
    client = Client(told.address("gateway"))
    yield client
    client.close()


def create_endpoint(client, user_id, url):
    request = {"user_id": user_id, "url": url, "request_id": str(uuid.uuid4())}
    return client.call(NOTIFICATIONS, "CreateWebhookEndpoint", request)


def list_endpoints(client, user_id):
    return client.call(NOTIFICATIONS, "ListWebhookEndpoints", {"user_id": user_id})["webhook_endpoints"]


def notifications(client, user_id, channel):
    """Oldest first."""
    request = {"user_id": user_id, "channel": channel}
    return client.all_pages(NOTIFICATIONS, "ListNotifications", "notifications", request)[::-1]


def states(client, user_id, channel):
    return [one["delivery_state"].removeprefix("DELIVERY_STATE_") for one in notifications(client, user_id, channel)]


def register(client, **fields):
    return client.register(f"{uuid.uuid4().hex}@example.org", **fields)


def shopper(client):
    """Somebody who has registered and has been told so: what comes now is of orders."""
    user = client.new_user()
    wait_until(lambda: notifications(client, user, IN_APP), 15, "the welcome")
    return user


def told_of_orders(client, user_id):
    return [one for one in notifications(client, user_id, IN_APP) if one["kind"] != "NOTIFICATION_KIND_WELCOME"]


# ---- webhooks -------------------------------------------------------------------------------------------------------


def test_the_reference_library_verifies_what_is_posted(shop, receiver):
    user, path = shopper(shop), f"/{uuid.uuid4()}"
    endpoint = create_endpoint(shop, user, receiver.url(path))
    order = shop.confirmed_order(order_request(user))
    wait_until(lambda: receiver.at(path), 10, "a webhook")
    headers, body = receiver.at(path)[0]
    posted = verify(endpoint["secret"], headers, body)
    assert posted["type"] == "order.confirmed"
    assert posted["data"]["user_id"] == user and posted["data"]["event"]["order_id"] == order["id"]
    with pytest.raises(WebhookVerificationError):
        verify(endpoint["secret"], headers, body + b" ")

    wait_until(lambda: states(shop, user, WEBHOOK) == ["DELIVERED"], 10, "the delivery to be recorded")
    kept = notifications(shop, user, WEBHOOK)[0]
    assert kept["id"] == identifier(headers) == posted["data"]["notification_id"]
    assert kept["endpoint_id"] == endpoint["id"]
    assert len(receiver.at(path)) == 1


def test_both_secrets_are_valid_during_a_rotation(told, shop, receiver):
    user, path = shopper(shop), f"/{uuid.uuid4()}"
    endpoint = create_endpoint(shop, user, receiver.url(path))
    rotation = {"id": endpoint["id"], "request_id": str(uuid.uuid4())}
    rotated = shop.call(NOTIFICATIONS, "RotateWebhookSecret", rotation)
    assert rotated["secret"] != endpoint["secret"]
    # The same answer to the same request.
    assert shop.call(NOTIFICATIONS, "RotateWebhookSecret", rotation) == rotated
    shop.confirmed_order(order_request(user))
    wait_until(lambda: receiver.at(path), 10, "a webhook")
    headers, body = receiver.at(path)[0]
    for secret in (endpoint["secret"], rotated["secret"]):
        verify(secret, headers, body)

    listed = list_endpoints(shop, user)
    assert [one["id"] for one in listed] == [endpoint["id"]] and "whsec_" not in str(listed)
    assert "whsec_" not in (told.var / "log" / "notification.log").read_text()
    # Neither on a topic nor in a store nor in a log, while the endpoint itself is in all of them.
    secrets = [one["secret"].removeprefix("whsec_") for one in (endpoint, rotated)]
    assert all(len(base64.b64decode(secret)) == 32 for secret in secrets)
    places = {place.partition("/")[0] for place in files_with(told, [endpoint["id"].encode()])}
    assert {"kafka", "notification"} <= places
    words = [form for secret in secrets for form in (secret.encode(), base64.b64decode(secret))]
    assert files_with(told, words) == []


def test_a_receiver_that_errs_gets_each_once_it_recovers_in_order_with_the_same_id(shop, receiver):
    user, path, other = shopper(shop), f"/{uuid.uuid4()}", f"/{uuid.uuid4()}"
    create_endpoint(shop, user, receiver.url(path))
    create_endpoint(shop, user, receiver.url(other))
    ill = threading.Event()
    ill.set()
    receiver.answer = lambda posted, count: 500 if posted == path and ill.is_set() else 200
    told_in_app = []
    for _ in range(3):
        order = shop.confirmed_order(order_request(user))
        shop.call(ORDERS, "CancelOrder", {"id": order["id"]})
        # One order after the other: between the events of two there is no order.
        wanted = len(told_in_app) + 2
        wait_until(lambda: len(told_of_orders(shop, user)) == wanted, 10, "both to be told")
        told_in_app = told_of_orders(shop, user)
    # The other endpoint does not wait for it.
    wait_until(lambda: len(receiver.at(other)) == 6, 10, "the other endpoint")
    wait_until(lambda: len(receiver.at(path)) >= 3, 10, "some attempts")
    failed = receiver.at(path)
    assert len({identifier(headers) for headers, _ in failed}) == 1 and len({body for _, body in failed}) == 1
    ill.clear()
    before = len(receiver.at(path))
    wait_until(lambda: len(receiver.at(path)) >= before + 6, 60, "all that waits")
    receiver.answer = lambda posted, count: 204
    arrived = [json.loads(body) for _, body in receiver.at(path)[before:]]
    assert [one["data"]["event_id"] for one in arrived] == [one["event_id"] for one in told_in_app]
    assert identifier(receiver.at(path)[before][0]) == identifier(failed[0][0])
    wait_until(lambda: states(shop, user, WEBHOOK) == ["DELIVERED"] * 12, 10, "the deliveries to be recorded")
    assert len(receiver.at(path)) == before + 6


def test_a_receiver_that_is_gone_is_asked_no_more(shop, receiver):
    user, path = shopper(shop), f"/{uuid.uuid4()}"
    endpoint = create_endpoint(shop, user, receiver.url(path))
    receiver.answer = lambda posted, count: 410 if posted == path else 204
    shop.confirmed_order(order_request(user))
    wait_until(lambda: states(shop, user, WEBHOOK) == ["FAILED"], 10, "the failure to be recorded")
    assert list_endpoints(shop, user)[0]["state"] == "WEBHOOK_ENDPOINT_STATE_DISABLED"
    shop.confirmed_order(order_request(user))
    wait_until(lambda: len(told_of_orders(shop, user)) == 2, 10, "the second to be told")
    assert len(receiver.at(path)) == 1 == len(notifications(shop, user, WEBHOOK))
    shop.call(NOTIFICATIONS, "DeleteWebhookEndpoint", {"id": endpoint["id"]})
    assert list_endpoints(shop, user) == []
    receiver.answer = lambda posted, count: 204


def test_redirects_are_not_followed_and_a_long_answer_does_no_harm(shop, receiver):
    user, path = shopper(shop), f"/{uuid.uuid4()}"
    create_endpoint(shop, user, receiver.url(path))
    receiver.answer = lambda posted, count: 302 if posted == path and count == 0 else 204
    shop.confirmed_order(order_request(user))
    wait_until(lambda: states(shop, user, WEBHOOK) == ["DELIVERED"], 10, "the delivery")
    assert len(receiver.at(path)) == 2
    receiver.answer = lambda posted, count: 204


def test_a_delivery_cut_short_by_a_crash_is_repeated_with_the_same_id(told, shop, receiver):
    user, path = shopper(shop), f"/{uuid.uuid4()}"
    create_endpoint(shop, user, receiver.url(path))
    go_on = threading.Event()

    def slow(posted, count):
        if posted == path and count == 0:
            go_on.wait(30)
        return 204

    receiver.answer = slow
    shop.confirmed_order(order_request(user))
    wait_until(lambda: receiver.at(path), 10, "the first attempt")
    told.service("kill", "notification")
    told.service("start", "notification")
    wait_until(lambda: len(receiver.at(path)) == 2, 30, "the second attempt")
    go_on.set()
    assert len({(identifier(headers), body) for headers, body in receiver.at(path)}) == 1
    wait_until(lambda: states(shop, user, WEBHOOK) == ["DELIVERED"], 10, "the delivery to be recorded")
    receiver.answer = lambda posted, count: 204


def test_webhooks_under_way_whose_records_are_gone_are_given_up(told, shop, receiver):
    user, paths = shopper(shop), [f"/{uuid.uuid4()}" for _ in range(2)]
    endpoints = {create_endpoint(shop, user, receiver.url(path))["id"]: path for path in paths}
    go_on = threading.Event()

    def slow(posted, count):
        if posted in paths and count == 0:
            go_on.wait(60)
        return 204

    receiver.answer = slow
    # The webhooks of the first order are under way while those of the second wait behind them.
    shop.confirmed_order(order_request(user))
    wait_until(lambda: states(shop, user, EMAIL) == ["DELIVERED"] * 2, 15, "the mail of the first")
    shop.confirmed_order(order_request(user))
    wait_until(lambda: states(shop, user, WEBHOOK) == ["PENDING"] * 4, 15, "the second")
    wait_until(lambda: all(receiver.at(path) for path in paths), 10, "the first attempts")
    told.service("kill", "notification")
    go_on.set()
    gone, given_up = {}, {}
    for endpoint in endpoints:
        first = next(one for one in consume_with_headers(told.address("kafka"), DELIVERIES) if one["key"] == endpoint)
        partition = first["partition"]
        gone[partition] = max(gone.get(partition, 0), first["offset"] + 1)
        given_up[partition] = given_up.get(partition, 0) + 1
    delete_up_to(told.address("kafka"), [TopicPartition(DELIVERIES, *place) for place in gone.items()])

    told.service("start", "notification")
    await_problem(told, f"notification.effects: {len(gone)} of its tasks stopped: records of their partition are gone")
    for partition, effects in given_up.items():
        said = told.cli("partition", "accept-loss", f"{DELIVERIES}/{partition}", "--yes")
        some = "1 effect" if effects == 1 else f"{effects} effects"
        assert f"Going on gives up {some} that had begun and not ended" in said, said
        assert said.count("done; it goes on") == 1
    # Sooner than in a minute.
    told.service("stop", "notification")
    told.service("start", "notification")
    shop.await_answer(NOTIFICATIONS, "ListNotifications")
    shop.confirmed_order(order_request(user))
    wait_until(lambda: all(len(receiver.at(path)) == 3 for path in paths), 20, "the others")
    wait_until(lambda: states(shop, user, WEBHOOK) == ["PENDING"] * 2 + ["DELIVERED"] * 4, 20, "them to be recorded")
    # None of what was given up was posted again.
    assert [len(receiver.at(path)) for path in paths] == [3, 3]
    assert all(len({identifier(headers) for headers, _ in receiver.at(path)}) == 3 for path in paths)
    wait_until(lambda: is_well(told), 60, "the problem to go")
    receiver.answer = lambda posted, count: 204


def test_ten_endpoints_are_kept_for_a_user(shop, receiver):
    user = shopper(shop)
    for number in range(10):
        create_endpoint(shop, user, receiver.url(f"/{number}"))
    with pytest.raises(grpc.RpcError) as refused:
        create_endpoint(shop, user, receiver.url("/10"))
    assert Problem(refused.value).reason == "TOO_MANY_ENDPOINTS"
    assert [one["url"] for one in list_endpoints(shop, user)] == [receiver.url(f"/{number}") for number in range(10)]


def test_private_addresses_are_refused(client, receiver):
    user = shopper(client)
    for url in ("https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/", "http://example.org/", "https://u:p@x.org/"):
        with pytest.raises(grpc.RpcError) as refused:
            create_endpoint(client, user, url)
        assert Problem(refused.value).fields == ["url"], url
    # A name says what it stands for only when it is called.
    path = f"/{uuid.uuid4()}"
    create_endpoint(client, user, receiver.url(path))
    client.confirmed_order(order_request(user))
    wait_until(lambda: states(client, user, WEBHOOK) == ["FAILED"], 15, "the refusal to be recorded")
    assert "private" in notifications(client, user, WEBHOOK)[0]["delivery_detail"]
    assert receiver.at(path) == []


# ---- mail -----------------------------------------------------------------------------------------------------------


def test_a_mail_goes_over_tls_in_the_language_of_the_user(shop, mail_server):
    user = register(shop, display_name="小明\r\nBcc: eve@example.org", locale="zh-CN")
    order = shop.confirmed_order(order_request(user["id"]))
    wait_until(lambda: len(mail_server.to(user["email"])) == 2, 15, "two mails")
    by_id = {mail["message-id"]: mail for mail in mail_server.to(user["email"])}
    wait_until(lambda: states(shop, user["id"], EMAIL) == ["DELIVERED"] * 2, 10, "the deliveries to be recorded")
    welcome, confirmed = notifications(shop, user["id"], EMAIL)
    mail = by_id[f"<{confirmed['id']}@example.org>"]
    assert mail["subject"] == confirmed["subject"] == "您的订单已确认"
    assert mail.get_content().strip() == confirmed["body"] and order["id"][-8:] in confirmed["body"]
    assert "bcc" not in by_id[f"<{welcome['id']}@example.org>"]
    assert all(over_tls for _, _, over_tls in mail_server.mails)


def test_a_mail_that_may_yet_be_taken_is_repeated_and_one_that_may_not_holds_back_none(told, shop, mail_server):
    address = f"{uuid.uuid4().hex}@example.org"
    # The first mail is deferred twice, then refused for good.
    mail_server.answers[address] = [f"451 <{address}> later", f"450 {address} later", f"550 5.1.1 <{address}> unknown"]
    user = shop.register(address)
    shop.confirmed_order(order_request(user["id"]))
    wait_until(lambda: len(mail_server.to(user["email"])) == 1, 20, "the mail behind it")
    wait_until(lambda: sorted(states(shop, user["id"], EMAIL)) == ["DELIVERED", "FAILED"], 10, "both to be recorded")
    failed = [one for one in notifications(shop, user["id"], EMAIL) if one["delivery_state"] == "DELIVERY_STATE_FAILED"]
    assert failed[0]["delivery_detail"] == "550 5.1.1 <[address]> unknown"
    assert files_with(told, [address.encode(), address.partition("@")[0].encode()]) == []


def test_preferences_and_reading(shop, mail_server):
    user = register(shop)
    wait_until(lambda: states(shop, user["id"], EMAIL) == ["DELIVERED"], 15, "the welcome")
    preferences = shop.call(NOTIFICATIONS, "GetPreferences", {"user_id": user["id"]})
    assert preferences["email"] and preferences["webhook"]
    changed = shop.call(NOTIFICATIONS, "UpdatePreferences", {"user_id": user["id"], "email": False})
    assert not changed["email"] and changed["webhook"]
    assert shop.call(NOTIFICATIONS, "GetPreferences", {"user_id": user["id"]}) == changed
    shop.confirmed_order(order_request(user["id"]))
    wait_until(lambda: len(notifications(shop, user["id"], IN_APP)) == 2, 10, "it to be told in the app")
    assert len(notifications(shop, user["id"], EMAIL)) == 1

    newest = notifications(shop, user["id"], IN_APP)[-1]
    assert not newest["read"]
    for _ in range(2):
        assert shop.call(NOTIFICATIONS, "MarkNotificationRead", {"id": newest["id"]})["read"]
    assert notifications(shop, user["id"], IN_APP)[-1]["read"]
    with pytest.raises(grpc.RpcError) as refused:
        shop.call(NOTIFICATIONS, "MarkNotificationRead", {"id": str(uuid.uuid4())})
    assert Problem(refused.value).reason == "NOTIFICATION_NOT_FOUND"


def test_mails_of_the_usual_mesh_can_be_seen_in_a_folder(mesh, client):
    user = register(client, display_name="Ada")
    folder = mesh.var / "mail"

    def mails():
        found = []
        for path in sorted(folder.glob("*.eml")):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if user["email"] in mail["to"]:
                found.append(mail)
        return found

    wait_until(mails, 15, "the mail")
    assert [mail["subject"] for mail in mails()] == ["Welcome, Ada"]
    assert mails()[0]["x-envelope-to"] == f"<{user['email']}>"
    wait_until(lambda: states(client, user["id"], EMAIL) == ["DELIVERED"], 10, "the delivery to be recorded")


# ---- personal data --------------------------------------------------------------------------------------------------


def test_a_name_is_shown_where_it_belongs_and_is_nowhere_in_the_clear(told, shop, mail_server, receiver):
    path, name = f"/{uuid.uuid4()}", f'Ada "{uuid.uuid4()}" \\'
    user = register(shop, display_name=name)
    endpoint = create_endpoint(shop, user["id"], receiver.url(path))
    welcome = f"Welcome, {name}"
    wait_until(lambda: mail_server.to(user["email"]), 15, "a mail")
    assert mail_server.to(user["email"])[0]["subject"] == welcome
    wait_until(lambda: notifications(shop, user["id"], IN_APP), 15, "the welcome")
    (listed,) = notifications(shop, user["id"], IN_APP)
    stream = shop.stream(NOTIFICATIONS, "WatchNotifications", {"user_id": user["id"]})
    watched = next(stream)
    stream.cancel()
    read = shop.call(NOTIFICATIONS, "MarkNotificationRead", {"id": listed["id"]})
    assert listed["subject"] == watched.subject == read["subject"] == welcome
    assert user["email"] in listed["body"] and watched.body == read["body"] == listed["body"]

    shop.confirmed_order(order_request(user["id"]))
    wait_until(lambda: receiver.at(path), 10, "a webhook")
    verify(endpoint["secret"], *receiver.at(path)[0])
    assert files_with(told, [user["id"].encode()])
    assert files_with(told, [name.split('"')[1].encode(), user["email"].encode()]) == []


def handled_by(mesh):
    return mesh.metric("notification", "tradewind_events_handled_total", group="notification")


def test_a_deleted_user_is_forgotten(told, shop, receiver, mail_server):
    path, name = f"/{uuid.uuid4()}", f"Ada {uuid.uuid4()}"
    user = register(shop, display_name=name)
    create_endpoint(shop, user["id"], receiver.url(path))
    order = shop.confirmed_order(order_request(user["id"]))
    wait_until(lambda: states(shop, user["id"], EMAIL) == ["DELIVERED"] * 2, 15, "two mails")
    wait_until(lambda: states(shop, user["id"], WEBHOOK) == ["DELIVERED"], 15, "a webhook")
    shop.call(USERS, "DeleteUser", {"id": user["id"]})
    wait_until(lambda: list_endpoints(shop, user["id"]) == [], 15, "the endpoint to go")
    # The key goes a moment before or after that.
    wait_until(lambda: name not in str(notifications(shop, user["id"], IN_APP)), 15, "the name to become unreadable")
    told_in_app = notifications(shop, user["id"], IN_APP)
    assert sorted(one["subject"] for one in told_in_app) == ["Welcome, [erased]", "Your order is confirmed"]
    for method, request, reason in (
        ("UpdatePreferences", {"user_id": user["id"], "email": True}, "USER_NOT_FOUND"),
        ("CreateWebhookEndpoint", {"user_id": user["id"], "url": receiver.url(path)}, "SUBJECT_ERASED"),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            shop.call(NOTIFICATIONS, method, request)
        assert Problem(refused.value).reason == reason, method

    # Orders go on, and nothing is told of them.
    handled = handled_by(told)
    shop.update_shipment(order["id"], "IN_TRANSIT")
    wait_until(lambda: handled_by(told) > handled, 15, "the shipment to be seen")
    assert notifications(shop, user["id"], IN_APP) == told_in_app
    assert len(mail_server.to(user["email"])) == 2 and len(receiver.at(path)) == 1
