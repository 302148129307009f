"""Effects: at least once, with the same idempotency key each time; exactly once where nobody dies."""

import os
import signal
import subprocess
import threading

import pytest

from support.client import order_request
from support.mesh import TREE, wait_until

ORDER_COUNT = 40


class Mailer:
    def __init__(self, mesh, folder):
        self.mesh = mesh
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        self.output = folder / "output"
        self.process = None

    def start(self, **environment):
        starts = self.output.read_text().count('"ready"') if self.output.exists() else 0
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    TREE / "build/examples/bin/tradewind-mailer",
                    f"--kafka.brokers={self.mesh.address('kafka')}",
                    f"--store.directory={self.folder / 'store'}",
                ],
                env={**os.environ, "MAILER_LOG": str(self.log), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: self.output.read_text().count('"ready"') > starts, 20, "the mailer to be ready")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0, self.output.read_text()

    def sent(self, orders):
        """(order, idempotency key, attempt) of every mail about these orders."""
        lines = [tuple(line.split(" ")) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line[0] in orders]


@pytest.fixture
def mailer(mesh, tmp_path_factory):
    # One folder over all tests: Kafka knows the group by its store.
    folder = tmp_path_factory.getbasetemp() / "mailer"
    folder.mkdir(exist_ok=True)
    mailer = Mailer(mesh, folder)
    yield mailer
    if mailer.process.poll() is None:
        mailer.process.kill()
        mailer.process.wait()


def place_orders(client, count=ORDER_COUNT):
    user = client.new_user()
    return {client.create_order(order_request(user, quantity=number + 1))["id"] for number in range(count)}


def wait_for_all(mailer, orders):
    wait_until(lambda: {line[0] for line in mailer.sent(orders)} == orders, 30, "every mail")


def test_an_effect_is_run_once_for_each_event(mailer, client):
    mailer.start()
    orders = place_orders(client)
    wait_for_all(mailer, orders)
    mailer.stop()
    sent = mailer.sent(orders)
    assert len(sent) == ORDER_COUNT
    assert {attempt for _, _, attempt in sent} == {"1"}


def test_stopping_in_order_repeats_nothing(mailer, client):
    mailer.start()
    orders = set()
    placing = threading.Thread(target=lambda: orders.update(place_orders(client, 3 * ORDER_COUNT)))
    placing.start()
    wait_until(lambda: placing.is_alive(), 10, "orders to come")
    for _ in range(3):
        before = len(mailer.log.read_text().splitlines())
        wait_until(lambda: len(mailer.log.read_text().splitlines()) > before or not placing.is_alive(), 30, "a mail")
        mailer.stop()
        mailer.start()
    placing.join()
    wait_for_all(mailer, orders)
    mailer.stop()
    assert len(mailer.sent(orders)) == len(orders) == 3 * ORDER_COUNT


@pytest.mark.parametrize("point", ["effect.added", "effect.finished"])
def test_an_effect_cut_short_by_a_crash_is_run_again_under_the_same_key(mailer, client, point):
    mailer.start(TRADEWIND_CRASH_AT=f"{point}:10")
    orders = place_orders(client)
    assert mailer.process.wait(timeout=30) == -signal.SIGKILL
    assert f"crash point {point}" in mailer.output.read_text()
    mailer.start()
    wait_for_all(mailer, orders)
    mailer.stop()
    sent = mailer.sent(orders)
    key_of = {}
    for order, key, _ in sent:
        assert key_of.setdefault(order, key) == key
    assert len(set(key_of.values())) == ORDER_COUNT
