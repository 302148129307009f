"""A gRPC client that knows nothing but an address: what it may call, and with what, it learns by reflection."""

import threading
import uuid

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from support.mesh import wait_until

USERS = "tradewind.user.v1.UserService"
ORDERS = "tradewind.order.v1.OrderService"
NOTIFICATIONS = "tradewind.notification.v1.NotificationService"
INVENTORY = "tradewind.inventory.v1.InventoryService"
PAYMENTS = "tradewind.payment.v1.PaymentService"
SHIPPING = "tradewind.shipping.v1.ShippingService"

# The payment service's sandbox approves it.
APPROVED = "tok_approve"
PENDING = "ORDER_STATE_PENDING"
# More than all tests together order.
PLENTY = 10**9


class Client:
    def __init__(self, address):
        # A channel of its own for every client, and a quick way back after a server was away.
        self.channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 500),
            ],
        )
        self._database = ProtoReflectionDescriptorDatabase(self.channel)
        self._pool = descriptor_pool.DescriptorPool(self._database)
        self._methods = {}
        self._user = None
        # The pool asks the server while it looks a name up, and is not made for two threads that do.
        self._lock = threading.Lock()

    def close(self):
        self.channel.close()

    def services(self):
        return self._database.get_services()

    def _method(self, service, name):
        key = (service, name)
        with self._lock:
            if key not in self._methods:
                self._methods[key] = self._look_up(service, name)
            return self._methods[key]

    def _look_up(self, service, name):
        method = self._pool.FindServiceByName(service).FindMethodByName(name)
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        kind = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        stub = kind(
            f"/{service}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return request, stub

    def call(self, service, method, request, timeout=10, metadata=None):
        """`request` is a dict in protobuf's JSON form, and so is the answer, with the names of the schema."""
        message, stub = self._method(service, method)
        answer = stub(json_format.ParseDict(request, message()), timeout=timeout, metadata=metadata)
        return as_dict(answer)

    def await_answer(self, service, method, metadata=None):
        """Returns once the service answers this query without fields. The gateway looks every quarter of a second for one that was
        away, so that the first call after its start may be UNAVAILABLE."""

        def answer():
            try:
                return self.call(service, method, {}, metadata=metadata)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE, Problem(error)
                return None

        wait_until(answer, 20, f"an answer of {service}")

    def message(self, service, method, request):
        """The bytes of a request."""
        message, _ = self._method(service, method)
        return json_format.ParseDict(request, message()).SerializeToString()

    def stream(self, service, method, request, timeout=30):
        """An iterator over messages; `cancel()` of it ends the call."""
        message, stub = self._method(service, method)
        return stub(json_format.ParseDict(request, message()), timeout=timeout)

    # ---- the calls of a shop ----

    def register(self, email, request_id=None, **fields):
        request = {"email": email, "display_name": "Test", "password": "correct horse battery", **fields}
        return self.call(USERS, "RegisterUser", {**request, "request_id": request_id or str(uuid.uuid4())})

    def new_user(self, wait="outcome"):
        """The id of somebody who has just registered: only such can order. With `wait` "accepted" no user service has to
        be there."""
        request = {"email": f"{uuid.uuid4().hex}@example.org", "display_name": "Test", "password": "correct horse battery"}
        metadata = [("tradewind-wait", wait)]
        return self.call(USERS, "RegisterUser", {**request, "request_id": str(uuid.uuid4())}, metadata=metadata)["id"]

    def user(self):
        """The id of somebody who is registered, of whom no test counts what there is: the same for all who ask."""
        if self._user is None:
            self._user = self.new_user()
        return self._user

    def create_order(self, request, timeout=10, metadata=None):
        return self.call(ORDERS, "CreateOrder", request, timeout, metadata)

    def await_order(self, order_id, until, timeout=10):
        """The order as soon as `until(order)` is true of it; WatchOrder shows each of its states."""
        stream = self.stream(ORDERS, "WatchOrder", {"id": order_id}, timeout)
        order = None
        try:
            for message in stream:
                order = as_dict(message)
                if until(order):
                    return order
        finally:
            stream.cancel()
        raise AssertionError(f"order {order_id} can change no more, and is {order}")

    def confirmed_order(self, request, timeout=10):
        """Creates an order and returns it as it is once it is pending no more: confirmed, where all goes well."""
        order = self.create_order(request, timeout)
        return self.await_order(order["id"], lambda now: now["state"] != PENDING, timeout)

    def confirm_orders(self, user_id, count):
        """Orders of the user under so many keys that, from a dozen on, every partition has some; each has to go through.
        Returns their ids."""
        orders = [self.create_order(order_request(user_id), timeout=20)["id"] for _ in range(count)]
        for order in orders:
            assert self.await_order(order, lambda now: now["state"] != PENDING, 20)["state"] == "ORDER_STATE_CONFIRMED"
        return orders

    def create_product(self, id=None, name="Test product", price=4, stock=PLENTY, request_id=None, **fields):
        """`price` in whole EUR; without an `id` the product is given one. Returns it."""
        request = {
            "name": name,
            "unit_price": {"currency_code": "EUR", "units": str(price)},
            "stock": str(stock),
            "request_id": request_id or str(uuid.uuid4()),
            **fields,
        }
        return self.call(INVENTORY, "CreateProduct", {**request, "id": id} if id else request)

    def ensure_product(self, id, price=4, stock=PLENTY):
        """Creates the product unless there is one with this id, whatever that costs."""
        try:
            self.create_product(id, name=id.capitalize(), price=price, stock=stock)
        except grpc.RpcError as error:
            if Problem(error).reason != "PRODUCT_EXISTS":
                raise

    def update_shipment(self, id, state, carrier="", tracking_number="", request_id=None, timeout=10):
        """`state` without its prefix: "IN_TRANSIT". `id` is the order's."""
        request = {
            "id": id,
            "state": f"SHIPMENT_STATE_{state}",
            "carrier": carrier,
            "tracking_number": tracking_number,
            "request_id": request_id or str(uuid.uuid4()),
        }
        return self.call(SHIPPING, "UpdateShipment", request, timeout)

    def orders_of(self, user_id, page_size=1000):
        return self.all_pages(ORDERS, "ListOrders", "orders", {"user_id": user_id, "page_size": page_size})

    def notifications_of(self, user_id, page_size=1000):
        request = {"user_id": user_id, "page_size": page_size}
        return self.all_pages(NOTIFICATIONS, "ListNotifications", "notifications", request)

    def all_pages(self, service, method, field, request=None):
        """Everything that a List method has, in pages of 1000 where `request` says nothing else."""
        request = {"page_size": 1000, **(request or {})}
        items = []
        token = ""
        while True:
            page = self.call(service, method, {**request, "page_token": token})
            items += page[field]
            token = page["next_page_token"]
            if not token:
                return items


def as_dict(message):
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def stock_shop(address, product="tea", price=4):
    """Has a mesh that was just started sell a product: by itself the one that `order_request` orders."""
    client = Client(address)
    client.ensure_product(product, price)
    client.close()


def order_request(user_id, request_id=None, product="tea", quantity=2, units=4, payment_token=APPROVED):
    """`units` is what the customer takes the product to cost: another price than it has gets the order rejected."""
    return {
        "user_id": user_id,
        "payment_token": payment_token,
        "lines": [
            {"product_id": product, "quantity": quantity, "unit_price": {"currency_code": "EUR", "units": str(units)}}
        ],
        "request_id": request_id or str(uuid.uuid4()),
    }


def new_user_id():
    return f"user-{uuid.uuid4()}"


class Problem:
    """What a failed call told: its code, the reason a program can act on, and the fields it complains of."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        self.reason = ""
        self.metadata = {}
        self.fields = []
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info = error_details_pb2.ErrorInfo()
            bad_request = error_details_pb2.BadRequest()
            if detail.Unpack(info):
                self.reason = info.reason
                self.metadata = dict(info.metadata)
            elif detail.Unpack(bad_request):
                self.fields += [violation.field for violation in bad_request.field_violations]

    def __str__(self):
        return f"{self.code} {self.reason}: {self.message}"


def problem_of(call, *arguments, **named):
    """The problem with which a call fails; an AssertionError where it does not fail."""
    try:
        answer = call(*arguments, **named)
    except grpc.RpcError as error:
        return Problem(error)
    raise AssertionError(f"the call did not fail, it answered {answer}")


def bearer(token):
    """The metadata of a call on behalf of the token's user."""
    return [("authorization", f"Bearer {token}")]
