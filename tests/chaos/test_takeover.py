"""How long a task stands still when its owner dies, leaves, comes or is frozen; and that meanwhile the others do not. Then, on
the same cluster, that a dead broker is told of.

Each partition has a client of its own that cancels one order again and again: cancelling twice changes nothing, and each
answer shows that the partition's task is at work.
"""

import subprocess
import threading
import time
import urllib.request
import uuid
from dataclasses import dataclass

import grpc
import pytest

from checker import take
from cluster import BROKERS, PARTITIONS, running
from evidence import Messages, read_events
from support.client import ORDERS, Client, order_request
from support.mesh import BIN, samples, wait_until

SESSION_TIMEOUT = 6
# On top of the session timeout, until the coordinator has told the survivor and that one has taken over.
TAKEOVER_LIMIT = 6
# Between a task's owners when both are there to hand it over.
MOVE_LIMIT = 4
FREEZE_SECONDS = 9
TOPIC = "order.events.v1"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running(tmp_path_factory.mktemp("takeover") / "cluster", services=("gateway", "order")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def order_of(cluster):
    """One order for each partition."""
    client = Client(cluster.instances["gateway-1"].address)
    user = client.new_user(wait="accepted")
    for _ in range(20 * PARTITIONS):
        client.create_order(order_request(user))
    client.close()
    found = {event.partition: event.key for event in read_events(cluster, TOPIC, Messages())}
    assert sorted(found) == list(range(PARTITIONS))
    return found


@dataclass
class Answer:
    begin: float
    end: float


class Probes:
    """Calls each partition without a pause while it is open."""

    def __init__(self, cluster, order_of):
        self._client = Client(cluster.instances["gateway-1"].address)
        self._stop = threading.Event()
        self.answers = {partition: [] for partition in order_of}
        self._threads = [threading.Thread(target=self._run, args=one) for one in order_of.items()]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_until(lambda: all(self.answers.values()), 30, "an answer from each partition")
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _run(self, partition, order):
        request_id = str(uuid.uuid4())
        while not self._stop.is_set():
            begin = time.monotonic()
            try:
                request = {"id": order, "reason": "probe", "request_id": request_id}
                self._client.call(ORDERS, "CancelOrder", request, timeout=1)
            except grpc.RpcError:
                continue
            request_id = str(uuid.uuid4())
            self.answers[partition].append(Answer(begin, time.monotonic()))
            # A hundred a second is fine enough for what is measured in tenths.
            self._stop.wait(0.01)

    def wait_for_all(self, since):
        """Until every partition has answered a call that was begun after `since`."""
        wait_until(
            lambda: all(answers[-1].begin > since for answers in self.answers.values()),
            SESSION_TIMEOUT + TAKEOVER_LIMIT + 20,
            "every partition to answer again",
        )

    def standstill(self, partition, since):
        """The longest time without an answer that did not end before `since`, in seconds."""
        ends = [answer.end for answer in self.answers[partition]]
        return max(later - earlier for earlier, later in zip(ends, ends[1:]) if later > since)


def share_of(instance):
    """The partitions that the instance has, by its log."""

    def numbers(line):
        return {int(number) for number in line["partitions"].split()}

    share = set()
    for line in instance.log_lines():
        if line["message"] == "partitions assigned":
            share |= numbers(line)
        elif line["message"] in ("partitions revoked", "partitions lost"):
            share -= numbers(line)
    return share


@pytest.fixture
def balanced(cluster, order_of):
    """Both instances run, and each has half of the tasks."""
    for instance in cluster.of("order"):
        if not instance.running:
            instance.log.write_text("")
            instance.start()
    half = PARTITIONS // 2
    wait_until(
        lambda: [len(share_of(instance)) for instance in cluster.of("order")] == [half, half], 60, "half of the tasks each"
    )
    return cluster.instances["order-1"], cluster.instances["order-2"]


def standstills(cluster, order_of, strike):
    """Of every partition, from a moment before `strike` until all are at work again."""
    with Probes(cluster, order_of) as probes:
        begin = time.monotonic()
        strike()
        probes.wait_for_all(since=time.monotonic())
    return {partition: probes.standstill(partition, begin) for partition in order_of}


def split(what, stood_still, moving):
    """Prints the measurement; returns the times of the tasks that moved, and of the others."""
    moved = [seconds for partition, seconds in stood_still.items() if partition in moving]
    others = [seconds for partition, seconds in stood_still.items() if partition not in moving]
    print(f"\n{what}: tasks that moved stood still for {min(moved):.2f} to {max(moved):.2f} s, others for {max(others):.2f} s")
    return moved, others


def test_a_death_delays_only_its_own_tasks(cluster, order_of, balanced):
    _, victim = balanced
    moving = share_of(victim)
    moved, others = split("SIGKILL", standstills(cluster, order_of, victim.kill), moving)
    assert max(moved) < SESSION_TIMEOUT + TAKEOVER_LIMIT
    assert max(others) < min(moved) / 2


def test_a_clean_leave_moves_tasks_without_waiting_for_a_timeout(cluster, order_of, balanced):
    _, leaver = balanced
    moving = share_of(leaver)
    moved, _ = split("SIGTERM", standstills(cluster, order_of, leaver.stop), moving)
    assert max(moved) < MOVE_LIMIT


def test_a_join_moves_tasks_without_waiting_for_a_timeout(cluster, order_of, balanced):
    stayer, joiner = balanced
    joiner.stop()

    def join():
        joiner.log.write_text("")
        joiner.start()
        wait_until(lambda: len(share_of(joiner)) == PARTITIONS // 2, 60, "half of the tasks to move")

    stood_still = standstills(cluster, order_of, join)
    moved, _ = split("join", stood_still, share_of(joiner))
    assert max(moved) < MOVE_LIMIT
    # Who hands over a part keeps the rest.
    assert [line for line in stayer.log_lines() if line["message"] == "partitions lost"] == []


def test_a_process_that_wakes_up_beside_its_successor_does_no_harm(cluster, order_of, balanced):
    _, sleeper = balanced
    moving = share_of(sleeper)

    def freeze():
        sleeper.freeze()
        time.sleep(FREEZE_SECONDS)
        sleeper.thaw()

    moved, others = split("SIGSTOP", standstills(cluster, order_of, freeze), moving)
    assert max(moved) < SESSION_TIMEOUT + TAKEOVER_LIMIT
    assert max(others) < min(moved) / 2

    wrong = []
    events = take(TOPIC, read_events(cluster, TOPIC, Messages()), wrong)
    assert wrong == []
    cancelled = [event.key for event in events if event.type == "OrderCancelled"]
    assert sorted(cancelled) == sorted(order_of.values())
    # Neither waits for the other for ever: both have their share again.
    wait_until(lambda: len(share_of(sleeper)) == PARTITIONS // 2, 60, "the sleeper to have its share again")


def status_of_order(cluster):
    """What `tradewind status` says of the service, told of one broker only."""
    order = cluster.instances["order-1"]
    command = [
        BIN / "tradewind",
        "status",
        f"--kafka.brokers={cluster.brokers.split(',')[0]}",
        f"--cli.services=order={order.address}",
        f"--cli.groups=order={order.metrics_address}",
        f"--cli.pages=order={order.metrics_address}",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def brokers_away(cluster):
    with urllib.request.urlopen(f"http://{cluster.instances['order-1'].metrics_address}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    return next(value for metric, _, value in samples(page) if metric == "tradewind_kafka_brokers_away")


def test_a_dead_broker_that_no_setting_names_is_told_of(cluster):
    wait_until(lambda: status_of_order(cluster)[0] == 0, 60, "a status without a problem")
    assert brokers_away(cluster) == 0
    dead = BROKERS[-1]
    cluster.kill_broker(dead)
    try:
        wait_until(lambda: brokers_away(cluster) == 1, 60, "the metric")
        code, said = status_of_order(cluster)
    finally:
        cluster.start_broker(dead)
    assert code == 1
    assert f"the cluster misses those with the node ids {dead}; start it again" in said
    wait_until(lambda: status_of_order(cluster)[0] == 0, 60, "the problem to go")
    wait_until(lambda: brokers_away(cluster) == 0, 60, "the metric to go")
