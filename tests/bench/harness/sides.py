"""The two sides of a comparison: a baseline with one setting of its sweep, and Tradewind. Both have an address that
answers CreateOrder, and processes."""

import base64
import contextlib
import dataclasses
import itertools
import os
import pathlib

from .processes import BenchError, Process, free_port


# The services behind the gateway.
OWNERS = ("user", "inventory", "payment", "shipping", "order", "notification")
# Those that seal or open personal data.
KEY_HOLDERS = ("user", "payment", "notification", "gateway")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One point of the sweep over librdkafka's producer settings."""
    linger_ms: int
    in_flight: int

    def flags(self):
        return ["--linger-ms", self.linger_ms, "--in-flight", self.in_flight]

    def __str__(self):
        return f"linger {self.linger_ms} ms, {self.in_flight} in flight to the broker"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where things are."""
    root: pathlib.Path
    services: pathlib.Path  # tradewind-gateway and the others
    programs: pathlib.Path  # bench-server and the others
    work: pathlib.Path  # Stores and logs of this run; emptied at its start.
    brokers: str


class Side(contextlib.ExitStack):
    """Processes that belong together, ended together, the last started first."""

    _numbers = itertools.count(1)
    # What bench-load has to do for this side before it measures.
    load_flags = ()

    def __init__(self, places, name):
        super().__init__()
        number = next(Side._numbers)
        self._places = places
        self._folder = places.work / f"{number:02}-{name}"
        # Topics of its own: no side reads what another left.
        self.prefix = f"b{number}."
        self.address = f"127.0.0.1:{free_port()}"
        self.processes = {}

    def _start(self, name, command):
        process = Process(name, command, self._folder)
        self.callback(process.stop)
        self.processes[name] = process

    def check(self):
        for process in self.processes.values():
            process.check()


class Baseline(Side):
    """bench-server, and behind it bench-consumer when calls wait for their outcome."""

    def __init__(self, places, answer, setting):
        super().__init__(places, f"baseline-{answer}")
        common = ["--brokers", places.brokers, "--prefix", self.prefix, *setting.flags()]
        self._start("bench-server",
                    [places.programs / "bench-server", "--address", self.address, "--answer", answer, *common])
        if answer == "outcome":
            self._start("bench-consumer",
                        [places.programs / "bench-consumer", "--database", self._folder / "state.db", *common])


class Tradewind(Side):
    """The gateway and the named services, each with its own ports and store, as deploy/up starts them otherwise. Only
    the passwords of those who order are hashed cheaply: registrations are no part of what is measured."""

    load_flags = ("--users",)

    def __init__(self, places, services):
        super().__init__(places, "tradewind")
        addresses = {name: f"127.0.0.1:{free_port()}" for name in OWNERS}
        self._folder.mkdir(parents=True, exist_ok=True)
        self._seal_key.write_text(base64.b64encode(os.urandom(32)).decode())
        for name in services:
            self._start(f"tradewind-{name}",
                        [self._binary(name), *self._common(), *self._keys(name), f"--grpc.address={addresses[name]}",
                         f"--store.directory={self._folder / 'store'}"])
        routes = ",".join(f"tradewind.{name}.v1.{name.capitalize()}Service={address}"
                          for name, address in addresses.items())
        self._start("tradewind-gateway", [self._binary("gateway"), *self._common(), *self._keys("gateway"),
                                          f"--grpc.address={self.address}",
                                          "--gateway.hash_memory=64KiB", "--gateway.hash_passes=1",
                                          f"--gateway.services={routes}"])

    def _binary(self, name):
        path = self._places.services / f"tradewind-{name}"
        if not path.exists():
            raise BenchError(f"{path} is missing: build it, or name another folder in BIN")
        return path

    def _common(self):
        return [f"--kafka.brokers={self._places.brokers}", f"--kafka.topic_prefix={self.prefix}", "--metrics.address="]

    def _keys(self, name):
        return [f"--seal.key_file={self._seal_key}"] if name in KEY_HOLDERS else []

    @property
    def _seal_key(self):
        return self._folder / "seal.key"
