"""JSON schemas of messages by the proto3 JSON mapping, with field names as the protos have them.

They describe what is on the log, where a field that is hashed is its hash and one that is generated is there.
"""

from generator import rules

STRING = {"type": "string"}
NUMBER = {"type": "number"}
WIDE = {
    "int64": "int64",
    "sint64": "int64",
    "sfixed64": "int64",
    "uint64": "uint64",
    "fixed64": "uint64",
}
NARROW = {
    "int32": "int32",
    "sint32": "int32",
    "sfixed32": "int32",
    "uint32": "uint32",
    "fixed32": "uint32",
}

SCALARS = {
    "bool": {"type": "boolean"},
    "string": STRING,
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "double": {**NUMBER, "format": "double"},
    "float": {**NUMBER, "format": "float"},
    **{name: {"type": "integer", "format": form} for name, form in NARROW.items()},
    # As text, since a number in JSON has 53 bits.
    **{name: {"type": "string", "format": form} for name, form in WIDE.items()},
}

# Types whose JSON is not the object of their fields.
WELL_KNOWN = {
    "google.protobuf.Any": {
        "type": "object",
        "required": ["@type"],
        "properties": {"@type": STRING},
        "description": "A message together with its type.",
    },
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$"},
    "google.protobuf.FieldMask": STRING,
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Value": {},
    **{
        f"google.protobuf.{name}Value": SCALARS[name.lower()]
        for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
    },
}

# Rules after which a field is there.
PRESENT = ("required", "generated", "generated_unless_given")
ARGON2 = r"^\$argon2id\$"
FORMATS = {"FORMAT_UUID": {"format": "uuid"}, "FORMAT_EMAIL": {"format": "email"}}


def reference(name):
    return {"$ref": f"#/components/schemas/{name}"}


def of_type(name):
    if name in SCALARS:
        return dict(SCALARS[name])
    return dict(WELL_KNOWN[name]) if name in WELL_KNOWN else reference(name)


def limits(entry):
    """What the rules of a field say of one value of it on the log."""
    rule = entry.rule
    if rule.get("sensitive") == rules.HASH:
        return {"pattern": ARGON2}
    # The rules are for what was sealed.
    if rule.get("sensitive") == rules.SEAL:
        return {}
    said = dict(FORMATS.get(rule.get("format"), {}))
    if entry.type == "string":
        lengths = (("minLength", "min_length"), ("maxLength", "max_length"))
        said.update({key: rule[name] for key, name in lengths if name in rule})
        if rule.get("required") and not entry.repeated:
            said.setdefault("minLength", 1)
    if entry.type in NARROW:
        said.update({name: rule[name] for name in ("minimum", "maximum") if name in rule})
    return said


def of_field(entry, schema):
    said = of_type(entry.type)
    # Beside a $ref, draft 7 of JSON schema reads nothing.
    said = {"allOf": [said]} if "$ref" in said and not (entry.repeated or entry.map_key) else said
    said.update(limits(entry))
    if entry.map_key:
        said = {"type": "object", "additionalProperties": said}
    elif entry.repeated:
        least = {"minItems": 1} if entry.rule.get("required") else {}
        most = {"maxItems": entry.rule["max_items"]} if "max_items" in entry.rule else {}
        said = {"type": "array", **least, **most, "items": said}
    description = " ".join(filter(None, (entry.comment, sentence(rules.words(entry, schema)))))
    if description:
        said["description"] = description
    if "sensitive" in entry.rule:
        said["x-sensitive"] = entry.rule["sensitive"].removeprefix("SENSITIVE_")
    return said


def sentence(phrases):
    """Phrases as a sentence for the end of a description."""
    joined = "; ".join(phrases)
    return joined[:1].upper() + joined[1:] + "." if joined else ""


def first_paragraph(comment):
    return comment.partition("\n\n")[0]


def of_message(message, schema):
    required = [entry.name for entry in message.fields if any(entry.rule.get(name) for name in PRESENT)]
    # Others' comments go on for pages.
    comment = message.comment if message.name.startswith("tradewind.") else first_paragraph(message.comment)
    said = {"type": "object", "title": message.name}
    if comment:
        said["description"] = comment
    if required:
        said["required"] = required
    said["properties"] = {entry.name: of_field(entry, schema) for entry in message.fields}
    for oneof in dict.fromkeys(entry.oneof for entry in message.fields if entry.oneof):
        names = [f"`{entry.name}`" for entry in message.fields if entry.oneof == oneof]
        said["description"] = f"{said.get('description', '')}\n\nAt most one of {', '.join(names)}.".strip()
    said["x-protobuf-message"] = message.name
    said["x-protobuf-file"] = message.file
    return said


def of_enum(enum):
    meanings = [f"- `{name}`: {comment}" for name, comment in enum.values if comment]
    description = "\n\n".join(filter(None, (enum.comment, "\n".join(meanings))))
    said = {"type": "string", "title": enum.name, "enum": [name for name, _ in enum.values]}
    return {**said, "description": description} if description else said


def schemas(names, schema):
    """Of messages and enums, by full name."""
    found = {}
    for name in sorted(names):
        if name in WELL_KNOWN:
            continue
        enum = schema.enums.get(name)
        found[name] = of_enum(enum) if enum else of_message(schema.messages[name], schema)
    return found
