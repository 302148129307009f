"""The same front door by grpcurl, which knows nothing of the schema either."""

import json
import os
import subprocess
import uuid

from support.client import order_request


def grpcurl(mesh, *arguments, data=None):
    options = ["-plaintext"] + (["-d", json.dumps(data)] if data is not None else [])
    return subprocess.run(
        [os.environ["TRADEWIND_GRPCURL"], *options, mesh.address("gateway"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_lists_and_describes(mesh):
    listed = grpcurl(mesh, "list")
    assert listed.returncode == 0, listed.stderr
    assert "tradewind.order.v1.OrderService" in listed.stdout.split()
    described = grpcurl(mesh, "describe", "tradewind.order.v1.OrderService.CreateOrder")
    assert described.returncode == 0, described.stderr
    assert "tradewind.order.v1.CreateOrderRequest" in described.stdout


def test_places_an_order_and_reads_it(mesh, client):
    placed = grpcurl(mesh, "tradewind.order.v1.OrderService/CreateOrder", data=order_request(client.user()))
    assert placed.returncode == 0, placed.stderr
    order = json.loads(placed.stdout)
    assert order["state"] == "ORDER_STATE_PENDING"
    read = grpcurl(mesh, "tradewind.order.v1.OrderService/GetOrder", data={"id": order["id"]})
    assert json.loads(read.stdout)["lines"] == order["lines"]


def test_shows_the_details_of_an_error(mesh):
    user = {"email": f"{uuid.uuid4().hex}@example.org", "display_name": "Ada", "password": "correct horse battery"}
    first = grpcurl(mesh, "tradewind.user.v1.UserService/RegisterUser", data=user)
    assert first.returncode == 0, first.stderr
    again = grpcurl(mesh, "tradewind.user.v1.UserService/RegisterUser", data=user)
    assert again.returncode != 0
    assert "AlreadyExists" in again.stderr and "EMAIL_TAKEN" in again.stderr


def test_the_health_service_says_serving(mesh):
    health = grpcurl(mesh, "grpc.health.v1.Health/Check")
    assert health.returncode == 0, health.stderr
    assert json.loads(health.stdout) == {"status": "SERVING"}
