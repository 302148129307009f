"""What lies in the SQLite store of a service, changed by hand while the service does not run."""

import contextlib
import sqlite3


@contextlib.contextmanager
def store_of(mesh, service):
    """The store of the service, which does not run meanwhile."""
    mesh.service("stop", service)
    try:
        with contextlib.closing(sqlite3.connect(mesh.var / service / f"{service}.db")) as store:
            yield store
            store.commit()
    finally:
        mesh.service("start", service)


def field(number, content):
    """A field of a protobuf message, of up to 127 bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def kept_record(topic, key, headers):
    """As mesh.v1.KeptRecord, without a value."""
    return (
        field(1, topic.encode())
        + field(5, key.encode())
        + b"".join(
            field(7, field(1, name.encode()) + field(2, value.encode()))
            for name, value in headers.items()
        )
    )


def replace_aggregate(store, kind, key, value):
    """Puts other bytes into the place of an aggregate; returns what stood there."""
    where = "WHERE key = ? AND kind = (SELECT id FROM kind WHERE name = ?)"
    ((before,),) = store.execute(f"SELECT value FROM aggregate {where}", (key.encode(), kind)).fetchall()
    store.execute(f"UPDATE aggregate SET value = ? {where}", (value, key.encode(), kind))
    return before
