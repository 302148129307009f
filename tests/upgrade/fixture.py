"""What make_fixture.py made, as a test takes it up."""

import hashlib
import json
import lzma
import os
import pwd
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
# Of the oldest commit whose data must still be taken up, by where its services kept theirs.
E8A8E1C = {"sqlite": HERE / "e8a8e1c", "postgres": HERE / "e8a8e1c-postgres"}

# What ends by the wall clock, however long ago the fixture was made: answers to requests are kept for as long.
SETTINGS = {
    "TRADEWIND_RUNTIME_REQUEST_RETENTION": "876000h",
    "TRADEWIND_NOTIFICATION_WEBHOOK_ALLOW_HTTP": "true",
    "TRADEWIND_NOTIFICATION_WEBHOOK_ALLOW_PRIVATE": "true",
}


def manifest_of(fixture):
    return json.loads((fixture / "manifest.json").read_text())


def unpack(fixture, var):
    """Makes `var`, with nothing in it that says where it was before."""
    var.mkdir(parents=True)
    with lzma.open(fixture / "var.tar.xz") as archive, tarfile.open(fileobj=archive) as files:
        files.extractall(var, filter="data")
    data = var / "postgres" / "data"
    if data.exists():
        data.chmod(0o700)
        # PostgreSQL wants its data to be its own, and does not run as root.
        if os.geteuid() == 0:
            server = pwd.getpwnam("postgres")
            for path in [data, *data.rglob("*")]:
                os.chown(path, server.pw_uid, server.pw_gid)


def record_of(record):
    """One of confluent_kafka's, as plain data."""
    headers = [[name, (value or b"").decode("latin-1")] for name, value in record.headers() or []]
    return {
        "partition": record.partition(),
        "offset": record.offset(),
        "key": (record.key() or b"").decode("latin-1"),
        "value": None if record.value() is None else record.value().decode("latin-1"),
        "headers": headers,
    }


def digest_of(records):
    """Of one partition's records in the order of their offsets."""
    digest = hashlib.sha256()
    for record in sorted(records, key=lambda record: record["offset"]):
        digest.update(json.dumps(record, sort_keys=True).encode())
    return digest.hexdigest()


def order_event(key):
    """order_id and user_id, which every event of an order begins with."""
    user = f"user-of-{key}".encode()
    return b"\x0a" + bytes([len(key)]) + key.encode() + b"\x12" + bytes([len(user)]) + user
