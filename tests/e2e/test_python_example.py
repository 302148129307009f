"""examples/python/subscribe.py against records that are no events of Tradewind's. Needs no Kafka."""

import importlib
import sys
from pathlib import Path

import pytest

from support.mesh import TREE

CONFIRMED = "tradewind.order.v1.OrderConfirmed"


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(TREE / "examples/python"))
    module = importlib.import_module("subscribe")
    folder = module.generate(Path(TREE / "proto"))
    yield module
    folder.cleanup()
    sys.path.remove(str(TREE / "examples/python"))


class Message:
    """A record as confluent-kafka hands it out."""

    def __init__(self, headers, key, value, partition=0):
        self._headers, self._key, self._value, self._partition = headers, key, value, partition

    def headers(self):
        return self._headers

    def key(self):
        return self._key

    def value(self):
        return self._value

    def topic(self):
        return "order.events.v1"

    def partition(self):
        return self._partition

    def offset(self):
        return 7


def sequence(number, epoch=1_700_000_000_000):
    return f"{epoch:016}-{number:016}".encode()


class Subscriber:
    def __init__(self, example, capsys):
        self._example, self._capsys = example, capsys
        self._confirmed = importlib.import_module("tradewind.order.v1.events_pb2").OrderConfirmed
        self._seen = example.Seen()
        self._count = 0

    def good(self, **changes):
        """Headers, key and value of a confirmed order; `changes` name headers, `_` standing for what they have there."""
        self._count += 1
        order = self._confirmed(order_id=f"o{self._count}", user_id="u")
        headers = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_type": CONFIRMED.encode(), "ce_source": b"/order/0"}
        headers |= {"ce_time": b"2026-01-31T09:05:07Z", "content-type": b"application/protobuf"}
        headers |= {"ce_sequence": sequence(self._count)}
        headers |= {name.replace("content_type", "content-type"): value for name, value in changes.items()}
        return list(headers.items()), order.order_id.encode(), order.SerializeToString()

    def without(self, name):
        headers, key, value = self.good()
        return [pair for pair in headers if pair[0] != name], key, value

    def take(self, headers, key, value, partition=0):
        """What was printed: as handled, and as trouble."""
        self._example.take(Message(headers, key, value, partition), self._seen, self._confirmed)
        return self._capsys.readouterr()

    def takes_on(self):
        """A good event of another key is handled."""
        headers, key, value = self.good(ce_source=b"/order/9")
        assert self.take(headers, key, value).out == f"order {key.decode()} of u: 0 \n"


@pytest.fixture
def subscriber(example, capsys):
    return Subscriber(example, capsys)


def test_takes_a_good_event(subscriber):
    said = subscriber.take(*subscriber.good())
    assert said.out == "order o1 of u: 0 \n" and said.err == ""


def damaged(subscriber):
    """Records, by what is wrong with each."""
    headers, key, value = subscriber.good()
    yield "no value", (headers, key, None)
    yield "an empty value", (headers, key, b"")
    yield "a body that does not parse", (headers, key, b"\xff\xff\xff")
    yield "another key", (headers, b"o99", value)
    yield "no key", (headers, None, value)
    yield "a key that is not UTF-8", (headers, b"\xff", value)
    yield "no headers", (None, key, value)
    yield "no headers at all", ([], key, value)
    for name in ("ce_specversion", "ce_id", "ce_type", "ce_source"):
        yield f"no {name}", subscriber.without(name)
        yield f"no value of {name}", subscriber.good(**{name: None})
        yield f"an empty {name}", subscriber.good(**{name: b""})
        yield f"{name} not UTF-8", subscriber.good(**{name: b"\xff\xfe"})
    for name in ("ce_id", "ce_type", "ce_sequence", "tradewind-mesh"):
        headers, key, value = subscriber.good()
        yield f"{name} twice", (headers + [(name, b"x"), (name, b"x")], key, value)
    yield "another version of CloudEvents", subscriber.good(ce_specversion=b"0.3")
    yield "a time that is none", subscriber.good(ce_time=b"yesterday")
    yield "a sequence after 2100", subscriber.good(ce_sequence=sequence(1, 9_999_999_999_999_999))
    json = b'{"specversion": "1.0", "type": "' + CONFIRMED.encode() + b'", "id": "1", "source": "/order/0"}'
    yield "structured mode", ([("content-type", b"application/cloudevents+json; charset=utf-8")], b"o1", json)
    yield "batch mode", ([("content-type", b"application/cloudevents-batch+json")], b"o1", b"[" + json + b"]")
    yield "JSON in binary mode", ([*subscriber.good(content_type=b"application/json")[0]], b"o1", json)


def test_passes_over_what_is_no_event(subscriber):
    for what, record in damaged(subscriber):
        said = subscriber.take(*record)
        assert said.out == "", what
        assert said.err.startswith("order.events.v1-0@7 is no event: ") and len(said.err.splitlines()) == 1, what
        subscriber.takes_on()


def test_names_binary_mode_to_who_used_another(subscriber):
    assert "binary mode" in subscriber.take([("content-type", b"application/cloudevents+json")], b"o1", b"{}").err


@pytest.mark.parametrize("value", [None, b"", b"42", b"0000-1", sequence(1) + b"0", "\u0661".encode() * 33])
def test_takes_events_of_other_producers_as_they_come(subscriber, value):
    for _ in range(2):
        assert subscriber.take(*subscriber.good(ce_sequence=value)).out.startswith("order ")
    assert subscriber.take(*subscriber.without("ce_sequence")).out.startswith("order ")


@pytest.mark.parametrize("name", ["x-trace", "traceparent", "ce_time", "ce_partitionkey", "ce_extra", "content-type"])
def test_takes_events_with_headers_without_a_value(subscriber, name):
    headers, key, value = subscriber.good(**{name: None})
    assert subscriber.take(headers, key, value).out == f"order {key.decode()} of u: 0 \n"


def test_takes_events_with_foreign_headers_of_any_bytes(subscriber):
    headers, key, value = subscriber.good()
    said = subscriber.take([*headers, ("x", b"\xff"), ("x", b"\xfe"), ("", b"")], key, value)
    assert said.out.startswith("order ") and said.err == ""


def test_tells_repeats_apart_for_each_source_and_partition(subscriber):
    headers, key, value = subscriber.good()
    assert subscriber.take(headers, key, value).out
    assert not subscriber.take(headers, key, value).out
    assert subscriber.take(headers, key, value, partition=1).out
    older, *rest = subscriber.good(ce_sequence=sequence(0))
    assert not subscriber.take(older, *rest).out
    other, *rest = subscriber.good(ce_source=b"/order/1", ce_sequence=sequence(0))
    assert subscriber.take(other, *rest).out


def test_counts_events_of_every_type_of_a_source(subscriber):
    headers, key, value = subscriber.good(ce_type=b"tradewind.order.v1.OrderCreated")
    assert subscriber.take(headers, key, value) == ("", "")
    following = subscriber.good(ce_previous=dict(headers)["ce_sequence"])
    assert subscriber.take(*following).err == ""


def test_names_a_gap_and_goes_on(subscriber):
    subscriber.take(*subscriber.good(ce_sequence=sequence(1)))
    said = subscriber.take(*subscriber.good(ce_sequence=sequence(9), ce_previous=sequence(8)))
    assert said.out.startswith("order ") and "comes after a gap" in said.err


def test_is_not_silenced_by_a_record_of_another_mesh(subscriber):
    theirs = {"tradewind-mesh": b"another", "ce_sequence": sequence(10**9)}
    subscriber.take(*subscriber.good(**theirs))
    for _ in range(3):
        assert subscriber.take(*subscriber.good(**{"tradewind-mesh": b"ours"})).out.startswith("order ")


def test_bounds_what_it_remembers(subscriber, example, monkeypatch):
    monkeypatch.setattr(example.Seen, "MOST_SOURCES", 3)
    records = [subscriber.good(ce_source=f"/order/{number}".encode()) for number in range(4)]
    for record in records:
        assert subscriber.take(*record).out
    assert not subscriber.take(*records[3]).out
    assert subscriber.take(*records[0]).out
