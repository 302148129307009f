"""The headers of a record, as envelope.h names them and who sends a command, the outbox and the replier write them."""

import re
from dataclasses import dataclass

from generator.mesh import AS_CALL, AS_EVENT, AS_REPLY
from generator.schema import SchemaError

RECORDS = (AS_CALL, AS_EVENT)
SEQUENCE = r"^[0-9]{16}-[0-9]{16}$"
UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

# The schema of each kind of headers in the AsyncAPI document, and what it says of itself.
KINDS = {
    AS_CALL: ("CommandHeaders", "Headers of a command whose sender waits for the answer."),
    AS_EVENT: ("EventHeaders", "Headers of what a service emits, which is a link in the chain of its source."),
    AS_REPLY: ("ReplyHeaders", "Headers of answers, which are no CloudEvents."),
}


@dataclass(frozen=True)
class Header:
    name: str
    meaning: str
    # JSON schema of its text.
    form: dict
    # On which kinds of records it always is, and on which it may be.
    always: tuple = ()
    sometimes: tuple = ()


def text(**form):
    return {"type": "string", **form}


HEADERS = (
    Header("ce_specversion", "The CloudEvents version.", text(const="1.0"), RECORDS),
    Header(
        "ce_id",
        "Unique for its source. Of a command a UUID; of an event `<group>-<partition>-<ce_sequence>`, or, where it was "
        "put under another key, what it was before.",
        text(minLength=1),
        RECORDS,
    ),
    Header("ce_type", "The full name of the message.", text(minLength=1), (*RECORDS, AS_REPLY)),
    Header(
        "ce_source",
        "Who wrote it: of a command `/tradewind/gateway/<instance>` or the like; of an event "
        "`/<group>/<partition of the task>`.",
        text(format="uri-reference", minLength=1),
        RECORDS,
    ),
    Header("ce_time", "When it was made: RFC 3339 in UTC.", text(format="date-time"), RECORDS),
    Header("ce_subject", "The message key.", text(), RECORDS),
    Header("ce_partitionkey", "The message key.", text(), RECORDS),
    Header(
        "ce_sequence",
        "Its place among the events of its source: `<epoch>-<sequence>` of 16 digits each, so that it sorts as text.",
        text(pattern=SEQUENCE),
        (AS_EVENT,),
    ),
    Header(
        "ce_previous",
        "`ce_sequence` of the event that the same source put before it into the same partition. Absent on the first.",
        text(pattern=SEQUENCE),
        sometimes=(AS_EVENT,),
    ),
    Header("content-type", "How the value is encoded.", text(const="application/protobuf"), (*RECORDS, AS_REPLY)),
    Header(
        "traceparent",
        "W3C Trace Context. Absent where the cause carried none.",
        text(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"),
        sometimes=RECORDS,
    ),
    Header(
        "tradewind-mesh",
        "The mesh it was written in: the id of its Kafka cluster, a slash, and the prefix of its topics.",
        text(pattern="^[^/]+/[^/]*$"),
        RECORDS,
    ),
    Header(
        "tradewind-reply-partition",
        "The partition of `mesh.replies.v1` that the answer goes to.",
        text(pattern="^[0-9]+$"),
        (AS_CALL,),
    ),
    Header(
        "tradewind-reply-instance", "The instance that waits for the answer.", text(minLength=1), (AS_CALL,)
    ),
    Header(
        "tradewind-correlation",
        "The number by which that instance knows the call, as text.",
        text(pattern="^[0-9]+$"),
        (AS_CALL,),
    ),
    Header("tradewind-caller", "Who called. Absent where that is not known.", text(minLength=1), sometimes=(AS_CALL,)),
    Header(
        "tradewind-method",
        "The method that was called: `/<service>/<method>`.",
        text(pattern="^/.+/.+$"),
        (AS_CALL,),
    ),
    Header(
        "tradewind-request-id",
        "The call's `request_id`, in lower case. Absent where it has none.",
        text(pattern=UUID),
        sometimes=(AS_CALL,),
    ),
)


def of(kind):
    """Those that may be on records of this kind."""
    return [header for header in HEADERS if kind in header.always + header.sometimes]


def json_schema(kind):
    return {
        "type": "object",
        "description": KINDS[kind][1],
        "required": [header.name for header in HEADERS if kind in header.always],
        "properties": {header.name: {**header.form, "description": header.meaning} for header in of(kind)},
    }


def check_against(envelope):
    """`envelope`: the text of envelope.h. SchemaError where it names other headers than this file."""
    written = set(re.findall(r'string_view k\w+Header = "([^"]+)"', envelope))
    described = {header.name for header in HEADERS}
    for name in sorted(written ^ described):
        where = "docs/generator/headers.py does not describe" if name in written else "bus/envelope.h does not have"
        raise SchemaError(f"{where} the header {name}")
