"""A payment provider behind HTTPS: a fake one that acts once on each Idempotency-Key, and tells by callbacks, signed by
the reference library of Standard Webhooks, what it did not answer at once."""

import base64
import datetime
import json
import os
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from standardwebhooks import Webhook

from support.client import PAYMENTS, PENDING, Client, order_request, stock_shop
from support.https import HttpsServer
from support.mesh import SECOND_OFFSET, Mesh, taken_down, wait_until

# Long beside what anything else here takes, short for a test that waits for it.
ASK_AGAIN = 6
CALLBACKS = f"http://127.0.0.1:{8570 + SECOND_OFFSET}/v1/callbacks"
KEY = "key-of-this-shop"
OLD_SECRET, NEW_SECRET = (f"whsec_{base64.b64encode(os.urandom(32)).decode()}" for _ in range(2))
UNDECIDED = (202, None)


def declined(reason):
    return 200, {"result": "declined", "reason": reason}


class Provider:
    """Does what it is asked for, unless `rules` has a function for the order's payment token: it is given the request and
    how often it came before, and may return another answer, or None for the usual one."""

    def __init__(self, context):
        self.rules = {}
        # Every request, in order: headers, body.
        self.requests = []
        # Idempotency-Key of each thing it did, in order.
        self.acts = []
        self._tokens = {}
        self._lock = threading.Lock()
        self._server = HttpsServer(context, self._handle)
        self.url = self._server.url
        self.stop = self._server.stop

    def _handle(self, path, headers, body):
        assert path == "/pay/v1/operations"
        request = json.loads(body)
        with self._lock:
            count = len(self.asked(request["operation_id"]))
            self.requests.append((headers, request))
            token = self._tokens.setdefault(request["order_id"], request.get("payment_token"))
            status, answer = self.rules.get(token, lambda *_: None)(request, count) or self.act(request["operation_id"])
        return status, json.dumps(answer).encode()

    def act(self, operation_id):
        if operation_id not in self.acts:
            self.acts.append(operation_id)
        return 200, {"result": "done", "reference": f"ref/{operation_id}"}

    def asked(self, operation_id):
        return [(headers, body) for headers, body in list(self.requests) if body["operation_id"] == operation_id]


def result_of(order_id, operation="authorize", result="done", **fields):
    """What a callback says."""
    about = {"order_id": order_id, "operation_id": f"{order_id}/{operation}", "result": result}
    return {**about, "reference": f"ref/{order_id}", **fields}


def tell(payload, secret=NEW_SECRET, age=0, altered=b""):
    """Posts a callback; returns status and body of the answer."""
    identifier, body = f"msg_{uuid.uuid4()}", json.dumps(payload)
    time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    headers = {
        "content-type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(int(time.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, time, body),
    }
    request = urllib.request.Request(CALLBACKS, body.encode() + altered, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def provider(tls):
    provider = Provider(tls)
    yield provider
    provider.stop()


@pytest.fixture(scope="module")
def paying(tmp_path_factory, certificate, provider):
    """A mesh that has its money moved by that provider."""
    settings = {
        "TRADEWIND_PAYMENT_PROVIDER": "http",
        "TRADEWIND_PAYMENT_HTTP_URL": provider.url("/pay/"),
        "TRADEWIND_PAYMENT_HTTP_KEY": KEY,
        "TRADEWIND_PAYMENT_HTTP_CA_FILE": str(certificate / "cert.pem"),
        "TRADEWIND_PAYMENT_CALLBACK_ADDRESS": f"127.0.0.1:{8570 + SECOND_OFFSET}",
        "TRADEWIND_PAYMENT_CALLBACK_SECRETS": f"{NEW_SECRET} {OLD_SECRET}",
        "TRADEWIND_PAYMENT_ASK_AGAIN": f"{ASK_AGAIN}s",
    }
    with taken_down(Mesh(tmp_path_factory.mktemp("paying"), SECOND_OFFSET, settings=settings)) as mesh:
        mesh.up()
        stock_shop(mesh.address("gateway"))
        yield mesh


@pytest.fixture
def shop(paying):
    client = Client(paying.address("gateway"))
    yield client
    client.close()


def order_with(shop, provider, rule=None):
    """An order whose payment goes by that rule."""
    token = f"tok_{uuid.uuid4()}"
    if rule:
        provider.rules[token] = rule
    return shop.create_order(order_request(shop.new_user(), payment_token=token))["id"]


def undecided_order(shop, provider):
    """An order of which the provider was asked once, and will not decide by itself."""
    order_id = order_with(shop, provider, lambda request, count: UNDECIDED)
    wait_until(lambda: provider.asked(f"{order_id}/authorize"), 10, "the provider to be asked")
    return order_id


def payment_of(shop, order_id):
    return shop.call(PAYMENTS, "GetPayment", {"id": order_id})


def decided(shop, order_id, timeout=10):
    """The state of the order once it is pending no more."""
    order = shop.await_order(order_id, lambda now: now["state"] != PENDING, timeout)
    return order["state"].removeprefix("ORDER_STATE_")


def await_payment(shop, order_id, state, seconds=10):
    wait_until(
        lambda: payment_of(shop, order_id)["state"] == f"PAYMENT_STATE_{state}", seconds, f"the payment to be {state}"
    )


def test_an_order_is_authorized_and_captured_once_each(shop, provider):
    order_id = order_with(shop, provider)
    assert decided(shop, order_id) == "CONFIRMED"
    shop.update_shipment(order_id, "IN_TRANSIT")
    await_payment(shop, order_id, "CAPTURED")
    shop.update_shipment(order_id, "DELIVERED")
    shop.await_order(order_id, lambda now: now["state"] == "ORDER_STATE_DELIVERED")
    assert [act for act in provider.acts if act.startswith(order_id)] == [f"{order_id}/authorize", f"{order_id}/capture"]

    [(headers, authorize)] = provider.asked(f"{order_id}/authorize")
    assert headers["idempotency-key"] == f"{order_id}/authorize" and headers["authorization"] == f"Bearer {KEY}"
    assert authorize["operation"] == "authorize" and authorize["payment_token"].startswith("tok_")
    assert authorize["amount"] == {"currency_code": "EUR", "units": 8, "nanos": 0}
    [(_, capture)] = provider.asked(f"{order_id}/capture")
    assert capture["operation"] == "capture" and capture["reference"] == f"ref/{order_id}/authorize"
    assert "payment_token" not in capture


def test_what_the_provider_declines_is_rejected(shop, provider):
    order_id = order_with(shop, provider, lambda request, count: declined("no money left"))
    assert decided(shop, order_id) == "REJECTED"
    assert payment_of(shop, order_id)["decline_reason"] == "no money left"


def test_a_callback_brings_the_answer_and_is_taken_once(paying, shop, provider):
    order_id = undecided_order(shop, provider)
    assert tell(result_of(order_id)) == (200, "{}")
    # It was committed before it was answered.
    payment = payment_of(shop, order_id)
    assert payment["state"] == "PAYMENT_STATE_AUTHORIZED" and payment["provider_reference"] == f"ref/{order_id}"
    assert decided(shop, order_id) == "CONFIRMED"
    # Nobody has asked again in between.
    assert len(provider.asked(f"{order_id}/authorize")) == 1

    for repeat in (result_of(order_id), result_of(order_id, result="declined", reason="changed my mind")):
        assert tell(repeat) == (200, "{}")
    assert payment_of(shop, order_id) == payment
    authorized = [one for one in paying.tail("payment.events.v1") if "PaymentAuthorized" in json.dumps(one)]
    assert len([one for one in authorized if order_id in json.dumps(one)]) == 1


def test_a_callback_can_decline(shop, provider):
    order_id = undecided_order(shop, provider)
    assert tell(result_of(order_id, result="declined", reason="no money left")) == (200, "{}")
    assert decided(shop, order_id) == "REJECTED"


def test_only_what_is_signed_by_a_secret_and_recent_is_taken(shop, provider):
    order_id = undecided_order(shop, provider)
    before = payment_of(shop, order_id)
    stranger = f"whsec_{base64.b64encode(os.urandom(32)).decode()}"
    for status, said in (
        tell(result_of(order_id), secret=stranger),
        tell(result_of(order_id), age=360),
        tell(result_of(order_id), age=-360),
        tell(result_of(order_id), altered=b" "),
    ):
        assert status == 401 and "webhook-" in json.loads(said)["error"]
    assert payment_of(shop, order_id) == before and before["state"] == "PAYMENT_STATE_AUTHORIZING"
    # During a rotation both secrets are good.
    other = undecided_order(shop, provider)
    assert tell(result_of(order_id), secret=OLD_SECRET)[0] == 200
    assert tell(result_of(other), secret=NEW_SECRET)[0] == 200
    assert decided(shop, order_id) == decided(shop, other) == "CONFIRMED"


def test_a_callback_about_something_else_changes_nothing(shop, provider):
    order_id, other = undecided_order(shop, provider), undecided_order(shop, provider)
    before = [payment_of(shop, one) for one in (order_id, other)]
    # An operation of another payment, and ones that nobody asked for.
    for operation_id in (f"{other}/authorize", f"{order_id}/refund/1", "nonsense"):
        assert tell({**result_of(order_id), "operation_id": operation_id}) == (200, "{}")
    status, said = tell(result_of(str(uuid.uuid4())))
    assert status == 404 and "payment" in json.loads(said)["error"]
    for wrong, field in (({"result": "maybe"}, "result"), ({"order_id": ""}, "order_id"), ({"reference": ""}, "reference")):
        status, said = tell({**result_of(order_id), **wrong})
        assert status == 400 and field in json.loads(said)["error"]
    assert [payment_of(shop, one) for one in (order_id, other)] == before


def test_a_provider_that_errs_is_asked_with_the_same_key_until_it_answers(shop, provider):
    order_id = order_with(shop, provider, lambda request, count: (500, {}) if count < 3 else None)
    assert decided(shop, order_id, 30) == "CONFIRMED"
    asked = provider.asked(f"{order_id}/authorize")
    assert len(asked) == 4 and {headers["idempotency-key"] for headers, _ in asked} == {f"{order_id}/authorize"}
    assert len({json.dumps(body) for _, body in asked}) == 1
    assert provider.acts.count(f"{order_id}/authorize") == 1


def test_where_a_callback_is_lost_the_provider_is_asked_again(shop, provider):
    order_id = order_with(shop, provider, lambda request, count: UNDECIDED if count == 0 else None)
    assert decided(shop, order_id, ASK_AGAIN + 10) == "CONFIRMED"
    assert len(provider.asked(f"{order_id}/authorize")) == 2


def test_a_capture_that_a_callback_declines_stays_as_it_is(shop, provider):
    settled = threading.Event()

    def rule(request, count):
        return None if request["operation"] == "authorize" or settled.is_set() else UNDECIDED

    order_id = order_with(shop, provider, rule)
    assert decided(shop, order_id) == "CONFIRMED"
    shop.update_shipment(order_id, "IN_TRANSIT")
    wait_until(lambda: provider.asked(f"{order_id}/capture"), 10, "the provider to be asked")
    before = payment_of(shop, order_id)
    assert before["pending"] == "PAYMENT_OPERATION_CAPTURE"
    assert tell(result_of(order_id, "capture", "declined", reason="limit")) == (200, "{}")
    assert payment_of(shop, order_id) == before
    # It holds back nothing: settled with the provider, the capture is done when it is asked for again.
    settled.set()
    await_payment(shop, order_id, "CAPTURED", ASK_AGAIN + 10)


def test_callbacks_end_and_begin_with_the_service(paying, shop, provider):
    order_id = undecided_order(shop, provider)
    paying.service("stop", "payment")
    with pytest.raises(urllib.error.URLError):
        tell(result_of(order_id))
    assert [line["message"] for line in paying.log_lines("payment")][-1] == "stopped"
    paying.service("start", "payment")
    assert tell(result_of(order_id)) == (200, "{}")
    assert decided(shop, order_id) == "CONFIRMED"


def test_neither_keys_nor_tokens_are_in_the_logs(paying, provider):
    log = (paying.var / "log" / "payment.log").read_text()
    assert "the provider's callbacks are taken" in log
    for secret in (KEY, OLD_SECRET, NEW_SECRET, *provider.rules):
        assert secret not in log
