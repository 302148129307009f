"""docs/events.md: the same as the AsyncAPI document, for people."""

import re

from generator import headers, rules
from generator.mesh import REPLY
from generator.schema import SCALARS
from generator.texts import about_topic

INTRODUCTION = """\
# Commands and events

Made by `docs/generate` from the protos and from what the services declare; [asyncapi.yaml](asyncapi.yaml) says the same
to programs. Change the comments and options in [proto/](../proto/tradewind) instead of this page.

A value is the binary protobuf of its message; [headers](#headers) say which. Messages with the same key on one topic
stay in order, as long as whoever writes them uses the partitioner of Java clients (`murmur2_random` in librdkafka and
kcat). Names of topics are without `kafka.topic_prefix`. Writers and readers are the gateway and the consumer
groups; a group `<service>.effects` does things outside the mesh. Anyone else may read, and a service's watch streams
follow its own events.
"""

RULES_NOTE = """\
Rules are what the gateway checks and does before a command reaches Kafka. Without a rule of its own a text has at most
1024 characters and a list at most 1000 elements. Amounts of money are checked by the rules of `google.type.Money`.
"""


def page(mesh):
    parts = [INTRODUCTION, topics_table(mesh), RULES_NOTE]
    parts += [topic_section(topic, mesh) for topic in mesh.topics.values()]
    parts += [headers_section(), parts_section(mesh)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def anchor(heading):
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link(text, heading):
    return f"[{text}](#{anchor(heading)})"


def cell(text):
    return text.replace("|", "\\|").replace("\n\n", "<br>").replace("\n", " ")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)


def sections(*texts):
    return "\n\n".join(text for text in texts if text)


def named(names):
    return ", ".join(f"`{name}`" for name in sorted(names)) or "no service"


def short(name):
    return name.rpartition(".")[2]


def topics_table(mesh):
    rows = [
        [
            link(f"`{topic.name}`", topic.name),
            ", ".join(link(short(name), name) for name in sorted(topic.flows)),
            named(topic.names("writers")),
            named(topic.names("readers")),
        ]
        for topic in mesh.topics.values()
    ]
    return table(["topic", "carries", "written by", "read by"], rows)


def topic_section(topic, mesh):
    lines = [f"## {topic.name}", about_topic(topic, mesh)]
    if topic.rekeyed_by:
        lines.append("Carries " + ", ".join(link(short(name), name) for name in sorted(topic.flows)) + ".")
        return "\n\n".join(lines)
    keys = sorted({flow.key for flow in topic.flows.values() if flow.key})
    if keys:
        which = ", as each message says" if len(keys) > 1 else ""
        lines.append(f"Key: {' or '.join(f'`{key}`' for key in keys)}{which}.")
    lines += [message_section(topic.flows[name], mesh) for name in sorted(topic.flows)]
    return "\n\n".join(lines)


def message_section(flow, mesh):
    message = flow.message
    facts = [f"Key: {f'`{flow.key}`' if flow.key else key_of_reply(message)}."]
    facts.append(f"Written by {named(flow.writers)}{call_of(flow)}, read by {named(flow.readers)}.")
    facts += [f"Option `{name}`: {value}." for name, value in sorted(message.rule.items())]
    facts.append(f"Declared in {source(message)}.")
    return sections(f"### {message.name}", flow.comment, " ".join(facts), fields_table(message, mesh))


def key_of_reply(message):
    return "none, the command's `tradewind-reply-partition` says where it goes" if message.name == REPLY else "none"


def call_of(flow):
    return f" for a call of `{short(flow.method.service)}.{flow.method.name}`" if flow.method else ""


def source(message):
    # Others' protos lie elsewhere.
    ours = message.file.startswith("tradewind/")
    return f"[{message.file}](../proto/{message.file})" if ours else f"`{message.file}`"


def fields_table(message, mesh):
    rows = [
        [f"`{entry.name}`", type_text(entry, mesh), entry.comment, "; ".join(rules_of(entry, mesh))]
        for entry in message.fields
    ]
    # A column that says nothing is left out.
    head = ["field", "type", "meaning", "rules"]
    kept = [i for i in range(len(head)) if i < 2 or any(row[i] for row in rows)]
    return table([head[i] for i in kept], [[row[i] for i in kept] for row in rows]) if rows else ""


def rules_of(entry, mesh):
    said = rules.words(entry, mesh.schema)
    return [f"one of `{entry.oneof}`", *said] if entry.oneof else said


def type_text(entry, mesh):
    text = entry.type
    if entry.type not in SCALARS.values():
        shown = entry.type if not entry.type.startswith("tradewind.") else short(entry.type)
        described = entry.type in mesh.parts() and not entry.type.startswith("google.protobuf.")
        text = link(shown, entry.type) if described or entry.type in mesh.travelling() else shown
    if entry.map_key:
        return f"map of {entry.map_key} to {text}"
    return f"list of {text}" if entry.repeated else text


def headers_section():
    kinds = {
        headers.AS_CALL: "commands that wait for an answer",
        headers.AS_EVENT: "what services emit",
        headers.AS_REPLY: "answers",
    }
    rows = []
    for header in headers.HEADERS:
        on = [kinds[kind] for kind in header.always] + [f"{kinds[kind]}, not always" for kind in header.sometimes]
        rows.append([f"`{header.name}`", header.meaning, form_text(header.form), "; ".join(on)])
    return "## Headers\n\n" + table(["header", "meaning", "form", "on"], rows)


def form_text(form):
    if "const" in form:
        return f"`{form['const']}`"
    return f"`{form['pattern']}`" if "pattern" in form else form.get("format", "text")


def parts_section(mesh):
    """Messages and enums that are fields of the above; well-known types need no words."""
    found = ["## Types inside them"]
    for name in mesh.parts():
        if name.startswith("google.protobuf."):
            continue
        enum = mesh.schema.enums.get(name)
        found.append(enum_section(enum) if enum else part_section(mesh.schema.messages[name], mesh))
    return sections(*found)


def part_section(message, mesh):
    # Others' comments go on for pages.
    ours = message.name.startswith("tradewind.")
    comment = message.comment if ours else message.comment.partition("\n\n")[0]
    return sections(f"### {message.name}", comment, fields_table(message, mesh))


def enum_section(enum):
    rows = [[f"`{name}`", comment] for name, comment in enum.values]
    with_comments = any(comment for _, comment in rows)
    shown = table(["value", "meaning"], rows) if with_comments else table(["value"], [row[:1] for row in rows])
    return sections(f"### {enum.name}", enum.comment, shown)
