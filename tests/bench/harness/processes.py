"""Starts, watches and ends the processes of a measurement. Everything started is ended by its pid, whatever happens."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class BenchError(Exception):
    """Something a measurement needs did not work; the text says what."""


def free_port():
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of a process so far."""
    # The name in the second field may hold spaces and brackets.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_bytes(pid):
    """Resident memory of a process."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


class Process:
    """One program running in the background, its output in a file."""

    def __init__(self, name, command, folder, environment=None):
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{name}.log"
        with open(self.log, "wb") as log:
            self._popen = subprocess.Popen(
                [str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                cwd=folder, env={**os.environ, **(environment or {})})
        self.pid = self._popen.pid

    def check(self):
        """Raises BenchError, with the end of the output, when the process has ended."""
        code = self._popen.poll()
        if code is not None:
            raise BenchError(f"{self.name} ended with {code}: {self.last_words()}")

    def last_words(self):
        lines = self.log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"]
        try:
            return json.loads(lines[-1])["message"]
        except (ValueError, KeyError, TypeError):
            return lines[-1]

    def stop(self):
        if self._popen.poll() is not None:
            return
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(20)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Sampler:
    """Memory and CPU of some processes while a `with` block runs."""

    def __init__(self, pids):
        self._pids = pids
        self._stop = threading.Event()
        self.peak_rss = {name: 0 for name in pids}

    def __enter__(self):
        self._begin = time.monotonic()
        self._cpu = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._begin
        self.cpu = {name: cpu_seconds(pid) - self._cpu[name] for name, pid in self._pids.items()}

    def _watch(self):
        while True:
            for name, pid in self._pids.items():
                try:
                    self.peak_rss[name] = max(self.peak_rss[name], rss_bytes(pid))
                except OSError:
                    pass  # It ended; whoever needs it will say so.
            if self._stop.wait(0.1):
                return


class Broker:
    """The Kafka of this run: its own folder, empty at the start."""

    def __init__(self, script, folder, port):
        self._script = script
        self._folder = folder
        self._port = port
        self.address = f"127.0.0.1:{port}"

    def __enter__(self):
        start = subprocess.Popen(self._command("start", "--port", str(self._port), "--fresh"), stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        try:
            output, _ = start.communicate()
        except BaseException:
            # Told to end: a start cut short would leave a broker behind, and it takes seconds only.
            start.wait()
            self.__exit__()
            raise
        if start.returncode != 0:
            raise BenchError(f"Kafka does not start: {output.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(self._command("stop"), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    @property
    def pid(self):
        return int((self._folder / "kafka.pid").read_text())

    def _command(self, verb, *more):
        return [str(self._script), verb, "--dir", str(self._folder), *more]
