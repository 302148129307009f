"""The AsyncAPI 3.0 document of the mesh, as a dictionary."""

from generator import headers, json_schema
from generator.mesh import AS_CALL, GATEWAY, REPLIES_TOPIC, REPLY
from generator.texts import about_topic, first_sentence

KAFKA_BINDING = {"bindingVersion": "0.5.0"}

DESCRIPTION = """\
What travels between the services of a Tradewind mesh, made from the protos and from what the services declare. The
same for people: `docs/events.md`.

On the wire a value is the binary protobuf of its message (`x-protobuf-message`, in `proto/`); the payload schemas here
show its proto3 JSON mapping with the field names of the proto, which is how `tradewind tail --json` prints it. Fields
that have their default value may be left out of it. Headers are CloudEvents 1.0 in Kafka's binary mode.

Messages with the same key stay in order. The partition of a key is the one that Java clients choose
(`murmur2_random`)."""

SERVER_DESCRIPTION = """\
Kafka as `deploy/up` starts it; setting `kafka.brokers` names others. Where setting `kafka.topic_prefix` is not empty,
it goes before every address and consumer group here."""


def document(mesh, version):
    kinds = sorted({how for flow in mesh.flows() for how in flow.writers.values()} | {headers.AS_EVENT})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tradewind",
            "version": version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/protobuf",
        "servers": {"local": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": SERVER_DESCRIPTION}},
        "channels": {topic.name: channel(topic, mesh) for topic in mesh.topics.values()},
        "operations": operations(mesh),
        "components": {
            "messages": {name: message(name, mesh) for name in sorted(mesh.travelling())},
            "schemas": {
                **{headers.KINDS[kind][0]: headers.json_schema(kind) for kind in kinds},
                **json_schema.schemas(mesh.travelling() | set(mesh.parts()), mesh.schema),
            },
        },
    }


def channel(topic, mesh):
    return {
        "address": topic.name,
        "description": about_topic(topic, mesh),
        "messages": {
            flow.message.name: {"$ref": f"#/components/messages/{flow.message.name}"} for flow in by_name(topic.flows)
        },
        "bindings": {"kafka": {"topic": topic.name, **KAFKA_BINDING}},
    }


def by_name(flows):
    return [flows[name] for name in sorted(flows)]


def message(name, mesh):
    flows = [topic.flows[name] for topic in mesh.topics.values() if name in topic.flows]
    # On a topic of a group's own a message is what it was on its first one, but for the key.
    flow = next((flow for flow in flows if flow.key), flows[0])
    kinds = sorted({how for flow in flows for how in flow.writers.values()}) or [headers.AS_EVENT]
    forms = [json_schema.reference(headers.KINDS[kind][0]) for kind in kinds]
    said = {"name": name, "title": flow.message.short_name}
    if flow.comment:
        said["summary"] = first_sentence(flow.comment)
        said["description"] = flow.comment
    said["contentType"] = "application/protobuf"
    said["headers"] = forms[0] if len(forms) == 1 else {"anyOf": forms}
    said["payload"] = json_schema.reference(name)
    if AS_CALL in kinds:
        said["correlationId"] = {"location": "$message.header#/tradewind-correlation"}
    if flow.key:
        key = {"type": "string", "description": f"The value of the field `{flow.key}`."}
        said["bindings"] = {"kafka": {"key": key, **KAFKA_BINDING}}
    # Options that are newer than this generator.
    said.update({f"x-{name}": str(value) for name, value in sorted(flow.message.rule.items())})
    return said


def operations(mesh):
    """One for each topic, direction, and consumer group or gateway."""
    found = {}
    for topic in mesh.topics.values():
        for action, side, verb in (("send", "writers", "sends"), ("receive", "readers", "receives")):
            for name in topic.names(side):
                flows = [flow for flow in by_name(topic.flows) if name in getattr(flow, side)]
                found[f"{name}.{verb}.{topic.name}"] = operation(name, action, topic, flows)
    return dict(sorted(found.items()))


def operation(name, action, topic, flows):
    described = {
        "action": action,
        "channel": channel_reference(topic.name),
        "tags": [{"name": name}],
        "messages": [message_reference(topic.name, flow.message.name) for flow in flows],
    }
    if action == "receive" and name != GATEWAY:
        described["bindings"] = {"kafka": {"groupId": {"type": "string", "const": name}, **KAFKA_BINDING}}
    if action == "send" and any(name in flow.callers() for flow in flows):
        described["reply"] = {
            "channel": channel_reference(REPLIES_TOPIC),
            "messages": [message_reference(REPLIES_TOPIC, REPLY)],
        }
    return described


def channel_reference(topic):
    return {"$ref": f"#/channels/{topic}"}


def message_reference(topic, name):
    return {"$ref": f"#/channels/{topic}/messages/{name}"}
