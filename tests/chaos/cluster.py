"""The system of the chaos run: three brokers, PostgreSQL, two instances of every service, and two subscribers.

Everyone but the brokers among themselves talks to Kafka and PostgreSQL through proxies, so that connections can be cut.
"""

import base64
import contextlib
import os
import signal
import subprocess
import sys
import threading
import urllib.request
import uuid
from pathlib import Path

from support.mesh import (
    BIN,
    KEY_HOLDERS,
    OWNERS,
    TREE,
    answers_as_healthy,
    ends_of_logs,
    json_lines,
    processes_naming,
    routes,
    samples,
    wait_until,
)

HERE = Path(__file__).parent
SUBSCRIBER_PROGRAMS = TREE / "build" / "tests" / "chaos" / "ledger"

BROKERS = (1, 2, 3)
PARTITIONS = 6
SUBSCRIBERS = ("ledger", "auditor")
SERVICES = ("gateway", *OWNERS, *SUBSCRIBERS)
# What a third instance may be started of.
SCALED = ("order", "inventory", "payment", "shipping", "ledger", "auditor", "notification")

# Below the range from which the kernel takes ports for outgoing connections. Two runs at once need 300 each.
_BASE = int(os.environ.get("TRADEWIND_CHAOS_PORTS", "26000"))
_POSTGRES = _BASE + 40
_POSTGRES_PROXY = _BASE + 41
_BROKER_HEAP = "320m"

COUNTERS = {
    "outbox rows sent again": "tradewind_outbox_resends_total",
    "repeats dropped": "tradewind_events_repeated_total",
    "version conflicts": "tradewind_commit_conflicts_total",
    "commits fenced": "tradewind_commits_fenced_total",
    "messages handled": "tradewind_events_handled_total",
    "messages parked": "tradewind_events_parked_total",
    "events held behind a gap": "tradewind_events_held_total",
}


def _run(*command, timeout=180):
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}"
    return done.stdout


def _address(service, number, offset=0):
    return f"127.0.0.1:{_BASE + 100 + offset + 10 * SERVICES.index(service) + number}"


def _name(thread):
    try:
        return thread.read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


class Instance:
    """One process of a service."""

    def __init__(self, cluster, service, number):
        self.service = service
        self.number = number
        self.name = f"{service}-{number}"
        self.address = _address(service, number)
        self.metrics_address = _address(service, number, 100)
        self._cluster = cluster
        self._process = None
        self._starts = 0

    def command(self):
        program = BIN / f"tradewind-{self.service}"
        if self.service in SUBSCRIBERS:
            program = SUBSCRIBER_PROGRAMS / self.service
        command = [
            str(program),
            f"--kafka.brokers={self._cluster.brokers}",
            f"--kafka.partitions={PARTITIONS}",
            "--kafka.replication_factor=3",
            "--kafka.min_insync_replicas=2",
            f"--grpc.address={self.address}",
            f"--metrics.address={self.metrics_address}",
            "--log.format=json",
            *self._cluster.settings.get(self.service, ()),
        ]
        if self.service in KEY_HOLDERS:
            command.append(f"--seal.key_file={self._cluster.seal_key}")
        if self.service == "gateway":
            addresses = {owner: _address(owner, self.number) for owner in OWNERS}
            return [*command, f"--gateway.services={routes(addresses)}"]
        return [*command, "--store.kind=postgres"]

    def start(self):
        self._starts += 1
        environment = {**os.environ, "TRADEWIND_STORE_POSTGRES_URL": self._cluster.postgres_url}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )

    @property
    def log(self):
        return self._cluster.var / "log" / f"{self.name}.log"

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def incarnation(self):
        """Tells the processes of this instance apart."""
        return (self.name, self._starts)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        """As an operator would; returns the exit code."""
        self._process.terminate()
        try:
            return self._process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def is_at_work(self):
        """Whether a handler of one of the two subscribers is running (see ledger/work.h)."""
        return any(_name(thread) == "at work" for thread in Path(f"/proc/{self._process.pid}/task").glob("*/comm"))

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def log_lines(self):
        return json_lines(self.log)

    def is_healthy(self):
        return answers_as_healthy(self.command())


class Counters:
    """Adds up what every process of the run counted, those that are gone included: looks at each of them twice a second
    while it is open, so what one counted in its last moments may be missing."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._last = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(0.5):
            self.look()

    def look(self):
        for instance in list(self._cluster.instances.values()):
            if not instance.running:
                continue
            incarnation = instance.incarnation
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://{instance.metrics_address}/metrics", timeout=0.3) as answer:
                    self._last[incarnation] = _sums(answer.read().decode())

    def totals(self):
        return {
            name: int(sum(counts.get(metric, 0) for counts in self._last.values()))
            for name, metric in COUNTERS.items()
        }


def _sums(page):
    sums = {}
    for metric, _, value in samples(page):
        if metric in COUNTERS.values():
            sums[metric] = sums.get(metric, 0) + value
    return sums


@contextlib.contextmanager
def running(var, services=SERVICES, settings=None):
    """A Cluster that is up, and of which nothing is left afterwards. `settings`: options of the command line, by service."""
    cluster = Cluster(var, services, settings or {})
    try:
        with cluster.logs_on_failure():
            cluster.up()
        yield cluster
    finally:
        cluster.down()
    assert processes_naming(str(cluster.var)) == []


class Cluster:
    def __init__(self, var, services, settings):
        self.var = Path(var)
        self.settings = settings
        self._services = services
        self.brokers = ",".join(f"127.0.0.1:{self._port(number, 10)}" for number in BROKERS)
        self.postgres_url = ""
        self.seal_key = self.var / "seal.key"
        self.instances = {}
        self._direct_url = ""
        self._proxy = None
        self._proxy_lock = threading.Lock()
        self._cluster_id = base64.urlsafe_b64encode(uuid.UUID(int=uuid.uuid4().int >> 1).bytes).decode()[:22]

    def up(self):
        (self.var / "log").mkdir(parents=True)
        self.seal_key.write_text(base64.b64encode(os.urandom(32)).decode())
        starting = [threading.Thread(target=self.start_broker, args=(number,)) for number in BROKERS]
        for thread in starting:
            thread.start()
        _run(TREE / "deploy/postgres/server", "start", "--dir", self.var / "postgres", "--port", _POSTGRES)
        self._direct_url = _run(TREE / "deploy/postgres/server", "url", "--dir", self.var / "postgres").strip()
        self.postgres_url = self._direct_url.replace(f":{_POSTGRES}", f":{_POSTGRES_PROXY}")
        for thread in starting:
            thread.join()
        self._start_proxies()
        for service in self._services:
            for number in (1, 2):
                self.add(service, number)
        for instance in self.instances.values():
            instance.start()
        for instance in self.instances.values():
            wait_until(instance.is_healthy, 90, f"{instance.name} to be healthy")

    def down(self):
        for instance in self.instances.values():
            if instance.running:
                instance.thaw()
                instance.kill()
        if self._proxy is not None:
            self._proxy.stdin.close()
            self._proxy.wait(timeout=20)
            self._proxy.stdout.close()
        for number in BROKERS:
            self.thaw_broker(number)
            _run(TREE / "deploy/kafka/broker", "stop", "--dir", self._broker_dir(number), "--timeout", 1)
        _run(TREE / "deploy/postgres/server", "stop", "--dir", self.var / "postgres", "--immediate")

    def add(self, service, number):
        instance = Instance(self, service, number)
        self.instances[instance.name] = instance
        return instance

    def of(self, service):
        return [instance for instance in self.instances.values() if instance.service == service]

    # ---- brokers ----

    @staticmethod
    def _port(number, offset):
        return _BASE + offset + number

    def _broker_dir(self, number):
        return self.var / f"kafka-{number}"

    def start_broker(self, number):
        voters = ",".join(f"{one}@127.0.0.1:{self._port(one, 30)}" for one in BROKERS)
        here = "127.0.0.1"
        settings = [
            f"node.id={number}",
            f"controller.quorum.voters={voters}",
            f"listeners=PLAINTEXT://{here}:{self._port(number, 20)},CLIENT://{here}:{self._port(number, 0)},"
            f"CONTROLLER://{here}:{self._port(number, 30)}",
            f"advertised.listeners=PLAINTEXT://{here}:{self._port(number, 20)},CLIENT://{here}:{self._port(number, 10)}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "default.replication.factor=3",
            "min.insync.replicas=2",
            "offsets.topic.replication.factor=3",
            # A replica that does not answer keeps acks=all waiting for so long; 30 s by default.
            "replica.lag.time.max.ms=5000",
        ]
        options = ["--port", self._port(number, 20), "--controller-port", self._port(number, 30)]
        for setting in settings:
            options += ["--set", setting]
        _run(
            TREE / "deploy/kafka/broker",
            "start",
            "--dir",
            self._broker_dir(number),
            "--heap",
            _BROKER_HEAP,
            "--cluster-id",
            self._cluster_id,
            *options,
        )

    def kill_broker(self, number):
        _run(TREE / "deploy/kafka/broker", "kill", "--dir", self._broker_dir(number))

    def freeze_broker(self, number):
        os.kill(self._broker_pid(number), signal.SIGSTOP)

    def thaw_broker(self, number):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(self._broker_pid(number), signal.SIGCONT)

    def _broker_pid(self, number):
        return int((self._broker_dir(number) / "kafka.pid").read_text())

    # ---- PostgreSQL ----

    def restart_postgres(self):
        server = TREE / "deploy/postgres/server"
        _run(server, "stop", "--dir", self.var / "postgres", "--immediate")
        _run(server, "start", "--dir", self.var / "postgres")

    def rows(self, statement):
        """What a SELECT gives, each row a list of texts."""
        printed = _run("psql", self._direct_url, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-At", "-F", "\t", "-c", statement)
        return [line.split("\t") for line in printed.splitlines()]

    # ---- connections ----

    PROXIES = (*(f"broker-{number}" for number in BROKERS), "postgres")

    def _start_proxies(self):
        ports = [f"broker-{number}={self._port(number, 10)}:{self._port(number, 0)}" for number in BROKERS]
        self._proxy = subprocess.Popen(
            [sys.executable, str(HERE / "proxy.py"), *ports, f"postgres={_POSTGRES_PROXY}:{_POSTGRES}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._proxy.stdout.readline() == "ready\n"

    def disturb(self, verb, name, seconds):
        """cut or stall; returns at once."""
        with self._proxy_lock:
            self._proxy.stdin.write(f"{verb} {name} {seconds}\n")
            self._proxy.stdin.flush()
            assert self._proxy.stdout.readline() == "ok\n"

    @contextlib.contextmanager
    def logs_on_failure(self):
        """Prints the ends of all logs when what is done within fails."""
        try:
            yield
        except BaseException:
            print(ends_of_logs(self.var / "log"))
            raise

