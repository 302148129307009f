"""A mesh of a test's own: started by deploy/up in a folder and on ports that nobody else uses."""

import base64
import contextlib
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

TREE = Path(__file__).absolute().parents[2]
BIN = TREE / "build" / "bin"

# Behind the gateway: ports of gRPC and of /metrics. Each owns the gRPC service that is called like it.
_OWNER_PORTS = {
    "user": (50052, 9465),
    "inventory": (50055, 9468),
    "payment": (50056, 9469),
    "shipping": (50057, 9470),
    "order": (50053, 9466),
    "notification": (50054, 9467),
}
OWNERS = tuple(_OWNER_PORTS)
SERVICES = (*OWNERS, "gateway")
# Those that seal or open personal data.
KEY_HOLDERS = ("user", "payment", "notification", "gateway")

_PORTS = {
    "gateway": 50051,
    "kafka": 9092,
    "kafka_controller": 9093,
    "postgres": 5433,
    "mailbox": 1025,
    **{owner: port for owner, (port, _) in _OWNER_PORTS.items()},
}
_METRICS_PORTS = {"gateway": 9464, **{owner: port for owner, (_, port) in _OWNER_PORTS.items()}}

# Offsets that keep every port out of the range from which the kernel takes ports for outgoing connections.
E2E_OFFSET = 11000
SECOND_OFFSET = 12000
CHAOS_OFFSET = 13000
POSTGRES_OFFSET = 14000


def routes(addresses):
    """What the gateway is told of the owners' addresses."""
    return ",".join(f"tradewind.{owner}.v1.{owner.capitalize()}Service={address}" for owner, address in addresses.items())


def wait_until(condition, seconds, what):
    """Asks until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def quoted(path):
    """As the scripts show a path that a person is to type."""
    return subprocess.run(
        ["bash", "-c", 'printf %q "$1"', "bash", path], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def process_is_running(pid):
    """False for a process that has ended, reaped or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def processes_naming(text):
    """Pids of running processes with `text` on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text in command and process_is_running(int(entry.name)):
            found.append((int(entry.name), command.replace("\0", " ")))
    return found


def samples(page):
    """The samples on a page of Prometheus metrics: name, name with labels, value."""
    for line in page.splitlines():
        place, _, value = line.rpartition(" ")
        if place and not line.startswith("#"):
            yield place.partition("{")[0], place, float(value)


def json_lines(log):
    """The JSON lines of a service's log; the last one may be half written."""
    lines = []
    for line in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return lines


def ends_of_logs(folder):
    """For a failed test's message."""
    parts = []
    for path in sorted(folder.glob("*.log")):
        parts.append(f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-8:]))
    return "\n".join(parts)


def answers_as_healthy(command):
    """Asks the service that was started with this command line."""
    return subprocess.run([command[0], "health", *command[1:]], capture_output=True, timeout=30, check=False).returncode == 0


@contextlib.contextmanager
def taken_down(mesh):
    """Whatever happens within, the mesh is down afterwards and none of its processes is left."""
    try:
        yield mesh
    finally:
        mesh.down()
    assert processes_naming(str(mesh.var)) == []


class Mesh:
    def __init__(self, var, offset, store="sqlite", settings=None):
        """`settings`: TRADEWIND_* variables that its services find in their environment, and those of no other mesh do."""
        # An empty path would be the current folder.
        assert str(var) not in ("", "."), "a mesh needs a folder of its own"
        self.var = Path(var)
        self._settings = settings or {}
        self.offset = offset
        self.store = store

    # ---- the whole ----

    def _options(self):
        return ["--var", str(self.var), "--port-offset", str(self.offset)]

    def up(self):
        """Starts it detached; returns what deploy/up printed."""
        done = subprocess.run(
            [TREE / "deploy/up", "--detach", "--store", self.store, *self._options()],
            env={**os.environ, **self._settings},
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"deploy/up failed:\n{done.stdout}\n{done.stderr}\n{self.last_logs()}"
        return done.stdout

    def up_in_foreground(self):
        """Returns once it is up; the process then runs until it is told to end."""
        process = subprocess.Popen(
            [TREE / "deploy/up", "--store", self.store, *self._options()],
            env={**os.environ, **self._settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C"):
                return process
        process.wait()
        raise AssertionError(f"deploy/up ended:\n{''.join(said)}\n{self.last_logs()}")

    def down(self, *options):
        done = subprocess.run(
            [TREE / "deploy/down", "--var", str(self.var), *options],
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"deploy/down failed:\n{done.stdout}\n{done.stderr}\n{self.last_logs()}"
        return done.stdout

    # ---- one process ----

    def service(self, verb, name):
        done = subprocess.run(
            [TREE / "deploy/service", verb, name, *self._options()],
            env={**os.environ, **self._settings},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"deploy/service {verb} {name}:\n{done.stdout}\n{done.stderr}\n{self.last_logs()}"
        return done.stdout

    @property
    def seal_key(self):
        """The file with the master key, which deploy/up makes."""
        return self.var / "seal.key"

    def make_seal_key(self):
        """As deploy/up does, for services that are started without it."""
        self.var.mkdir(parents=True, exist_ok=True)
        self.seal_key.write_text(base64.b64encode(os.urandom(32)).decode())

    def command(self, name):
        """The command line of a service, as a list."""
        command = [str(BIN / f"tradewind-{name}"), f"--kafka.brokers={self.address('kafka')}"]
        command += [f"--grpc.address={self.address(name)}", f"--metrics.address={self.metrics_address(name)}"]
        if name in KEY_HOLDERS:
            command.append(f"--seal.key_file={self.seal_key}")
        if name == "gateway":
            command.append(f"--gateway.services={routes({owner: self.address(owner) for owner in OWNERS})}")
        elif self.store == "postgres":
            command.append("--store.kind=postgres")
        else:
            command.append(f"--store.directory={self.var / name}")
        return command

    def environment(self):
        """In which `command` finds its database."""
        if self.store != "postgres":
            return dict(os.environ)
        return {**os.environ, "TRADEWIND_STORE_POSTGRES_URL": self.postgres("url").strip()}

    def is_healthy(self, name):
        return answers_as_healthy(self.command(name))

    def pid(self, name):
        return int((self.var / "run" / f"{name}.pid").read_text().split()[0])

    def kafka(self, verb, *options):
        """start, stop or kill the broker."""
        command = [str(TREE / "deploy/kafka/broker"), verb, "--dir", str(self.var / "kafka"), *options]
        if verb == "start":
            command += ["--port", str(self.port("kafka")), "--controller-port", str(self.port("kafka_controller"))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"broker {verb}:\n{done.stdout}\n{done.stderr}"

    def postgres(self, verb, *options):
        """start, stop, kill or url of the database; returns what it printed."""
        done = subprocess.run(
            [TREE / "deploy/postgres/server", verb, "--dir", str(self.var / "postgres"), *options],
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"server {verb}: {done.stdout}"
        return done.stdout

    # ---- where things are ----

    def port(self, name):
        return _PORTS[name] + self.offset

    def address(self, name):
        return f"127.0.0.1:{self.port(name)}"

    def metrics_address(self, name):
        return f"127.0.0.1:{_METRICS_PORTS[name] + self.offset}"

    # ---- what it says ----

    def metric(self, service, name, **labels):
        """The sum of the samples of a metric that have these labels; 0 when there is none."""
        with urllib.request.urlopen(f"http://{self.metrics_address(service)}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value
            for sample, place, value in samples(text)
            if sample == name and all(label in place for label in wanted)
        )

    def log_lines(self, name):
        return json_lines(self.var / "log" / f"{name}.log")

    def last_logs(self):
        return ends_of_logs(self.var / "log")

    def try_cli(self, *arguments, timeout=60):
        """What became of the operator's command."""
        return subprocess.run(
            [BIN / "tradewind", *arguments, "--config", str(self.var / "cli.yaml")],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def cli(self, *arguments, timeout=60):
        """Runs the operator's command; returns what it printed."""
        done = self.try_cli(*arguments, timeout=timeout)
        assert done.returncode == 0, f"tradewind {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def tail(self, topic, *options):
        """Every record on a topic, as `tradewind tail --json` shows it."""
        output = self.cli("tail", topic, "--until-end", "--json", *options)
        return [json.loads(line) for line in output.splitlines()]
