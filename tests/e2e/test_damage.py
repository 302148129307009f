"""Rows of a service's store that cannot be read: each costs its own key. The process runs, everything else goes on, `tradewind
parked` shows and skips what was set aside, and `tradewind status` names the rest."""

import json

from support.client import ORDERS
from support.mesh import wait_until
from support.status import await_problem, is_well, status
from support.stores import replace_aggregate, store_of

KIND = "tradewind.order.v1.Order"
DAMAGED = b"\xff\xff\xff"


def partition_of(mesh, order):
    return mesh.tail("order.commands.v1", "--key", order)[0]["partition"]


def add_damaged_rows(store, key, partition):
    """An outbox row without a batch, an event that is held back, the first record of the key's queue, and a timer."""
    store.execute("""UPDATE task SET emit_sequence = emit_sequence + 1 WHERE "group" = 'order' AND partition = 0""")
    store.execute(
        """INSERT INTO outbox ("group", partition, sequence, epoch, batch)
           SELECT "group", partition, emit_sequence, epoch, x'' FROM task WHERE "group" = 'order' AND partition = 0"""
    )
    for state, queued, source in ((2, 0, "/inventory/0"), (3, 1, "")):
        store.execute(
            """INSERT INTO kept ("group", partition, state, key, source, type, reason, record, queued, attempts, due_ms)
               VALUES ('order', ?, ?, ?, ?, '', 'failed', ?, ?, 1, 1)""",
            (partition, state, key.encode(), source, DAMAGED, queued),
        )
    store.execute(
        """INSERT INTO timer ("group", partition, key, name, due_ms, record) VALUES ('order', ?, ?, 'damaged', 1, ?)""",
        (partition, key.encode(), DAMAGED),
    )


def parked(mesh):
    return json.loads(mesh.cli("parked", "list", "order", "--json", "--limit", "1000"))["records"]


def of_this_test(records, keys):
    """Those under these keys, and of the outbox."""
    return [record for record in records if record["key"] in keys or record["key"].startswith("outbox/0/")]


def one_of(records, **wanted):
    """The one that has these fields."""
    (found,) = [record for record in records if wanted.items() <= record.items()]
    return found


def cancel(client, order):
    """Without waiting for the outcome."""
    client.call(ORDERS, "CancelOrder", {"id": order}, metadata=[("tradewind-wait", "accepted")])


def await_cancelled(client, order):
    client.await_order(order, lambda now: now["state"] == "ORDER_STATE_CANCELLED", 20)


def counted(mesh):
    """The dead, the parked and the held records, as `status` counts them."""
    (group,) = [group for group in json.loads(status(mesh, "--json")[1])["groups"] if group["name"] == "order"]
    return [group[state] for state in ("dead", "parked", "held")]


def count(records):
    states = [record["state"] for record in records]
    return [states.count("dead"), states.count("retrying") + states.count("waiting"), states.count("held")]


def test_damaged_rows_cost_their_own_keys(mesh, client):
    user = client.new_user()
    keys = blocked, unreadable = client.confirm_orders(user, 2)
    partition = partition_of(mesh, blocked)
    with store_of(mesh, "order") as store:
        add_damaged_rows(store, blocked, partition)
        whole = replace_aggregate(store, KIND, unreadable, DAMAGED)
    process = mesh.pid("order")
    client.await_answer(ORDERS, "ListOrders")
    for order in keys:
        cancel(client, order)
    client.confirm_orders(user, 24)

    # The row of the outbox, the command for the order that cannot be read; the queue of the other order with the command that
    # waits in it; the event that is held back.
    wait_until(lambda: count(of_this_test(parked(mesh), keys)) == [2, 2, 1], 20, "all five to be set aside")
    wait_until(lambda: counted(mesh) == count(parked(mesh)), 20, "them to be counted")
    records = of_this_test(parked(mesh), keys)
    (of_outbox,) = [record for record in records if record["key"].startswith("outbox/0/")]
    command = one_of(records, key=unreadable)
    first, behind, of_chain = (one_of(records, key=blocked, state=state) for state in ("retrying", "waiting", "held"))
    assert "a row of the outbox cannot be read" in of_outbox["reason"] and of_outbox["state"] == "dead"
    assert "does not parse" in command["reason"] and command["state"] == "dead" and command["holds_key"]
    assert behind["type"].endswith(".CancelOrderRequest")
    assert client.call(ORDERS, "GetOrder", {"id": blocked})["state"] == "ORDER_STATE_CONFIRMED"
    await_problem(mesh, "order: 1 timers are due and cannot be read")
    assert mesh.metric("order", "tradewind_unreadable_timers", group="order") == 1
    assert unreadable not in {order["id"] for order in client.orders_of(user)}
    await_problem(mesh, f"order: since the service started, queries have met a {KIND} that does not parse")

    for record in (of_outbox, first, of_chain):
        mesh.cli("parked", "skip", "order", "--id", str(record["id"]))
    await_cancelled(client, blocked)
    wait_until(lambda: of_this_test(parked(mesh), keys) == [command], 20, "nothing else to be parked")
    assert mesh.pid("order") == process

    # From a copy in which they are whole.
    with store_of(mesh, "order") as store:
        replace_aggregate(store, KIND, unreadable, whole)
        store.execute("DELETE FROM timer WHERE name = 'damaged'")
    mesh.cli("parked", "retry", "order", "--id", str(command["id"]))
    client.await_answer(ORDERS, "ListOrders")
    await_cancelled(client, unreadable)
    wait_until(lambda: is_well(mesh), 60, "the problems to go")
