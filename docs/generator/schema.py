"""What the protos say: messages with their options, fields, rules and comments, from a descriptor set with comments."""

from dataclasses import dataclass, field

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

OPTIONS = "tradewind.mesh.v1"
Type = descriptor_pb2.FieldDescriptorProto

SCALARS = {
    Type.TYPE_DOUBLE: "double",
    Type.TYPE_FLOAT: "float",
    Type.TYPE_INT64: "int64",
    Type.TYPE_UINT64: "uint64",
    Type.TYPE_INT32: "int32",
    Type.TYPE_FIXED64: "fixed64",
    Type.TYPE_FIXED32: "fixed32",
    Type.TYPE_BOOL: "bool",
    Type.TYPE_STRING: "string",
    Type.TYPE_BYTES: "bytes",
    Type.TYPE_UINT32: "uint32",
    Type.TYPE_SFIXED32: "sfixed32",
    Type.TYPE_SFIXED64: "sfixed64",
    Type.TYPE_SINT32: "sint32",
    Type.TYPE_SINT64: "sint64",
}


class SchemaError(Exception):
    """The protos do not say what the documents need. The text is for a person."""


@dataclass
class Field:
    name: str
    # A scalar's name, or the full name of a message or an enum.
    type: str
    comment: str
    # The options of the field that are set, by name; enum values by their names.
    rule: dict
    repeated: bool = False
    # Of a map: the scalar type of its keys; `type` is then that of its values.
    map_key: str = ""
    # The group of fields of which at most one is set.
    oneof: str = ""


@dataclass
class Message:
    name: str
    file: str
    comment: str
    fields: list
    # Empty for a message that does not travel by itself.
    topic: str = ""
    key: str = ""
    # What else its message option says, by name.
    rule: dict = field(default_factory=dict)

    @property
    def short_name(self):
        return self.name.rpartition(".")[2]


@dataclass
class Enum:
    name: str
    comment: str
    # Name and comment of each.
    values: list


@dataclass
class Method:
    service: str
    name: str
    # "ROUTE_COMMAND", ...; empty where the option is missing.
    route: str
    request: str
    comment: str


@dataclass
class Service:
    name: str
    comment: str
    methods: list


@dataclass
class Schema:
    # Each by full name.
    messages: dict = field(default_factory=dict)
    enums: dict = field(default_factory=dict)
    services: dict = field(default_factory=dict)

    def meaning(self, enum, value):
        """The comment of a value of an enum, such as what SENSITIVE_HASH does."""
        return dict(self.enums[enum].values)[value]


def paragraphs(comment):
    """A comment without its line breaks, but for those between paragraphs."""
    lines = [line.strip() for line in comment.strip().splitlines()]
    return "\n\n".join(" ".join(part.split("\n")) for part in "\n".join(lines).split("\n\n") if part.strip())


def set_options(options, extension):
    """What an option says, as a dictionary of the fields that are set."""
    rule = {}
    for descriptor, value in options.Extensions[extension].ListFields():
        if descriptor.enum_type is not None:
            value = descriptor.enum_type.values_by_number[value].name
        rule[descriptor.name] = value
    return rule


class Reader:
    """Walks the files of a descriptor set. Paths are those of SourceCodeInfo: field numbers of the descriptors."""

    def __init__(self, serialized):
        plain = descriptor_pb2.FileDescriptorSet.FromString(serialized)
        pool = descriptor_pool.DescriptorPool()
        for file in plain.file:
            pool.Add(file)
        # Read once more by the set's own descriptor.proto, which knows the extensions.
        files = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
        self.files = files.FromString(serialized).file
        options = ("message", "method", "field")
        self.extensions = {name: pool.FindExtensionByName(f"{OPTIONS}.{name}") for name in options}
        self.schema = Schema()

    def read(self):
        for file in self.files:
            self.file = file.name
            self.comments = {
                tuple(place.path): paragraphs(place.leading_comments or place.trailing_comments)
                for place in file.source_code_info.location
            }
            for i, message in enumerate(file.message_type):
                self.read_message(message, file.package, (4, i))
            for i, enum in enumerate(file.enum_type):
                self.read_enum(enum, file.package, (5, i))
            for i, service in enumerate(file.service):
                self.read_service(service, file.package, (6, i))
        self.check_keys()
        return self.schema

    def comment(self, path):
        return self.comments.get(path, "")

    def read_message(self, message, scope, path):
        name = f"{scope}.{message.name}"
        for i, nested in enumerate(message.nested_type):
            self.read_message(nested, name, (*path, 3, i))
        for i, enum in enumerate(message.enum_type):
            self.read_enum(enum, name, (*path, 4, i))
        rule = set_options(message.options, self.extensions["message"])
        maps = {f".{name}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
        self.schema.messages[name] = Message(
            name=name,
            file=self.file,
            comment=self.comment(path),
            fields=[self.read_field(entry, message, maps, (*path, 2, i)) for i, entry in enumerate(message.field)],
            topic=rule.pop("topic", ""),
            key=rule.pop("key", ""),
            rule=rule,
        )

    def read_field(self, entry, message, maps, path):
        in_oneof = entry.HasField("oneof_index") and not entry.proto3_optional
        read = Field(
            name=entry.name,
            type=type_name(entry),
            comment=self.comment(path),
            rule=set_options(entry.options, self.extensions["field"]),
            repeated=entry.label == Type.LABEL_REPEATED,
            oneof=message.oneof_decl[entry.oneof_index].name if in_oneof else "",
        )
        if entry.type_name in maps:
            key, value = maps[entry.type_name].field
            read.repeated, read.map_key, read.type = False, type_name(key), type_name(value)
        return read

    def read_enum(self, enum, scope, path):
        name = f"{scope}.{enum.name}"
        values = [(value.name, self.comment((*path, 2, i))) for i, value in enumerate(enum.value)]
        self.schema.enums[name] = Enum(name, self.comment(path), values)

    def read_service(self, service, scope, path):
        name = f"{scope}.{service.name}"
        methods = [
            Method(
                service=name,
                name=method.name,
                route=set_options(method.options, self.extensions["method"]).get("route", ""),
                request=method.input_type[1:],
                comment=self.comment((*path, 2, i)),
            )
            for i, method in enumerate(service.method)
        ]
        self.schema.services[name] = Service(name, self.comment(path), methods)

    def check_keys(self):
        for message in self.schema.messages.values():
            if bool(message.topic) != bool(message.key):
                missing = "key" if message.topic else "topic"
                raise SchemaError(f"{message.name}: its message option has no {missing}; add it in {message.file}")
            singular = {field.name for field in message.fields if field.type == "string" and not field.repeated}
            if message.key and message.key not in singular:
                raise SchemaError(
                    f"{message.name}: its message option names '{message.key}' as key, which is not a string field of "
                    f"it; correct it in {message.file}"
                )


def type_name(entry):
    return SCALARS.get(entry.type) or entry.type_name[1:]


def read_schema(serialized):
    """`serialized`: a FileDescriptorSet made with --include_imports --include_source_info. SchemaError where an option
    leaves something open."""
    return Reader(serialized).read()
