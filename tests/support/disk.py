"""What lies on a mesh's disk, and disks that are full."""

import contextlib
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

from support.mesh import wait_until


def files_with(mesh, words):
    """Every file under var/ that holds one of the words (bytes, in lower case), in whatever case it holds them: stores,
    logs, and Kafka's data. Mails are left out, since that folder stands for the mailbox of who they are for."""
    found = []
    for path in mesh.var.rglob("*"):
        # Kafka and the stores remove files of their own meanwhile.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and mesh.var / "mail" not in path.parents:
                content = path.read_bytes().lower()
                found += [f"{path.relative_to(mesh.var)}: {word}" for word in words if word.lower() in content]
    return found


class SmallDisk:
    """A disk with a few megabytes of room, for one service of a mesh to keep its store on. It lies in a namespace of its own, where
    nobody else sees it and with which it goes: mounting it needs root, or user namespaces that anybody may make.

    Its service is the one of that name in the mesh, which is stopped before and started again after, with all that it has
    kept meanwhile.
    """

    # Mounts the disk, brings the store there, runs the service, and brings the store back once it has ended.
    _SCRIPT = """
        mount -t tmpfs -o size="$SIZE" none "$DISK" && cp -a "$STORE/." "$DISK" || exit 9
        "$@"
        code=$?
        cp -a "$DISK/." "$STORE" && exit $code
    """

    def __init__(self, mesh, service, room=24 << 20):
        self._mesh, self._service, self._room = mesh, service, room
        self._home = mesh.var / service
        self._mount = mesh.var / f"{service}.small"

    def __enter__(self):
        self._mesh.service("stop", self._service)
        self._truncate_logs()
        self._mount.mkdir(exist_ok=True)
        size = str(self._room + sum(path.stat().st_size for path in self._home.iterdir()))
        command = [word for word in self._mesh.command(self._service) if not word.startswith("--store.directory=")]
        private = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
        log = (self._mesh.var / "log" / f"{self._service}.log").open("ab")
        self._shell = subprocess.Popen(
            [*private, "sh", "-c", self._SCRIPT, "sh", *command, f"--store.directory={self._mount}"],
            env={**self._mesh.environment(), "STORE": self._home, "DISK": self._mount, "SIZE": size},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()
        try:
            wait_until(lambda: self._mesh.is_healthy(self._service), 30, f"tradewind-{self._service} on a small disk")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _end(self):
        self.free()
        for pid in self._children():
            os.kill(pid, signal.SIGTERM)
        self._shell.wait(timeout=60)
        self._mesh.service("start", self._service)

    def _truncate_logs(self):
        # SQLite writes into a write-ahead log from its start again: one that has grown takes writes although the disk is full.
        for path in self._home.glob("*.db"):
            with contextlib.closing(sqlite3.connect(path)) as store:
                store.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _children(self):
        pid = self._shell.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _filler(self):
        # As the service sees it: the disk is mounted in its namespace alone.
        (pid,) = self._children()
        return Path(f"/proc/{pid}/root{self._mount}/filler")

    def fill(self):
        """Leaves no room at all."""
        with self._filler().open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"\0" * 4096)

    def free(self):
        for _ in self._children():
            self._filler().unlink(missing_ok=True)
