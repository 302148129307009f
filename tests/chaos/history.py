"""What a chaos run left behind, as plain data: what the checker judges, wherever it came from."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Call:
    """One call as the client saw it, begun and ended at times of one clock, in seconds."""

    method: str
    request: dict
    begin: float
    end: float
    # The resource, or {"error": <code>} where the service refused; nothing where the outcome stayed unknown.
    answer: dict | None
    # Why there is no answer.
    problem: str = ""
    # Asked only to have it accepted, and never repeated: what becomes of it is for the services alone.
    once: bool = False
    # Of such a call, once the gateway said that the command is on the log.
    accepted_id: str = ""


@dataclass(slots=True)
class Event:
    """A record on a topic of events. Sequences are compared as text; empty where there is none."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str
    # Without its package.
    type: str
    source: str
    sequence: str
    previous: str
    # The payload, in protobuf's JSON form with the names of the schema.
    fields: dict


@dataclass(slots=True)
class Command:
    """A record on a topic of commands that a client asked for."""

    topic: str
    partition: int
    offset: int
    key: str
    request_id: str


@dataclass(slots=True)
class Kept:
    """A record that a group has set aside."""

    group: str
    key: str
    # That of a timer ends in auditor.REMINDER.
    event_id: str
    dead: bool


@dataclass(slots=True)
class Entry:
    """An event, or the message of a timer, that the auditor has handled."""

    event_id: str
    # When, in microseconds since 1970.
    time_us: int


# How a gap ends: the missing event comes late; it is given up and what is behind it taken; it is given up together with
# the first event behind it.
CLOSED, GIVEN_UP, SKIPPED = "closed late", "given up", "skipped"


@dataclass(slots=True)
class Gap:
    """A source outside the mesh, one of whose events was missing. Where that one came after the gap was given up, it came
    too late."""

    source: str
    partition: int
    end: str
    # Ids of the missing event and of the first behind it.
    missing: str
    first_held: str
    # From when on everything behind it was held, until it was to end; in microseconds since 1970.
    held_from_us: int
    held_until_us: int = 0


@dataclass(slots=True)
class Ask:
    """An operator asked a service to retry or to skip a record that it had set aside."""

    group: str
    # "retry" or "skip".
    action: str
    key: str
    event_id: str
    # Of the record, as the operator saw it: "dead", "retrying", or "waiting" behind another one of its key.
    state: str
    # In microseconds since 1970.
    begin_us: int
    end_us: int = 0
    # Of how many records it was noted, None where there was no answer.
    count: int | None = None


@dataclass
class History:
    calls: list[Call] = field(default_factory=list)
    # By topic, each partition in the order of its offsets.
    events: dict[str, list[Event]] = field(default_factory=dict)
    # Of all topics, each partition in the order of its offsets.
    commands: list[Command] = field(default_factory=list)
    # What the services would answer a repeat with, by request_id; in the form of Call.answer.
    replies: dict[str, dict] = field(default_factory=dict)
    # What the services list.
    orders: list[dict] = field(default_factory=list)
    users: list[dict] = field(default_factory=list)
    notifications: list[dict] = field(default_factory=list)
    # What inventory, payment and shipping keep: products by their ids, the others by the order's.
    products: dict[str, dict] = field(default_factory=dict)
    reservations: dict[str, dict] = field(default_factory=dict)
    payments: dict[str, dict] = field(default_factory=dict)
    shipments: dict[str, dict] = field(default_factory=dict)
    # Orders for which the order service still has a means of payment.
    means_of_payment: list[str] = field(default_factory=list)
    # Group and key of each timer that is still set.
    timers: list[tuple[str, str]] = field(default_factory=list)
    # What the auditor handled, by key, in its order.
    journals: dict[str, list[Entry]] = field(default_factory=dict)
    # Balance and number of bookings of the ledger's accounts.
    accounts: dict[str, tuple[int, int]] = field(default_factory=dict)
    # What the ledger has moved for each order that is confirmed and not cancelled.
    charges: dict[str, int] = field(default_factory=dict)
    # In the order in which they were set aside.
    kept: list[Kept] = field(default_factory=list)
    # The gaps that were made, and what an operator asked for meanwhile.
    gaps: list[Gap] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
