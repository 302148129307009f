"""Who writes and who reads which message on which topic: the protos joined with what the services declare."""

from dataclasses import dataclass, field

from generator.schema import OPTIONS, SchemaError

GATEWAY = "gateway"
REPLIES_TOPIC = "mesh.replies.v1"
REPLY = f"{OPTIONS}.ReplyBatch"
DEAD = f"{OPTIONS}.EventDied"

# How a record is written, which decides on its headers; see headers.py. A command of who waits for the answer is
# AS_CALL; one that a handler emits is AS_EVENT, like all that goes through an outbox.
AS_CALL = "call"
AS_EVENT = "event"
AS_REPLY = "reply"


@dataclass
class Flow:
    """One message type on one topic. Writers and readers are consumer groups, or the gateway."""

    message: object
    # The field that is the key; empty where there is none, or it is no field.
    key: str
    # The method that makes such a message of a call; none for an event.
    method: object = None
    # By name, how each writes it.
    writers: dict = field(default_factory=dict)
    readers: list = field(default_factory=list)

    @property
    def comment(self):
        """A request that has none is told of by its method."""
        return self.message.comment or (self.method.comment if self.method else "")

    def add_writer(self, name, how):
        self.writers.setdefault(name, how)

    def add_reader(self, name):
        if name not in self.readers:
            self.readers.append(name)

    def callers(self):
        return {name for name, how in self.writers.items() if how == AS_CALL}


@dataclass
class Topic:
    name: str
    # By full name of the message.
    flows: dict = field(default_factory=dict)
    # The group whose messages are put under another key here; empty for every other topic.
    rekeyed_by: str = ""

    def names(self, of):
        """The writers or the readers of any message on it, sorted."""
        return sorted({name for flow in self.flows.values() for name in getattr(flow, of)})


class Mesh:
    """`groups`: what `tradewind-<service> --print-topology` lists, of all services."""

    def __init__(self, schema, groups):
        self.schema = schema
        self.topics = {}
        for message in schema.messages.values():
            if message.topic:
                self.topic(message.topic).flows[message.name] = Flow(message, message.key)
        self.add_gateway()
        for group in sorted(groups, key=lambda group: group["name"]):
            self.add_group(group)
        self.add_direct()
        self.add_runtime(groups)
        self.topics = dict(sorted(self.topics.items()))

    def topic(self, name):
        return self.topics.setdefault(name, Topic(name))

    def flow(self, type_name, who):
        message = self.schema.messages.get(type_name)
        if message is None or not message.topic:
            raise SchemaError(
                f"{who} names {type_name}, which no proto puts on a topic; give it a message option, or build again"
            )
        return self.topics[message.topic].flows[type_name]

    def add_gateway(self):
        for service in self.schema.services.values():
            for method in service.methods:
                if method.route == "ROUTE_COMMAND":
                    flow = self.flow(method.request, f"method {method.service}.{method.name}")
                    flow.add_writer(GATEWAY, AS_CALL)
                    flow.method = method

    def add_group(self, group):
        name = group["name"]
        for type_name in group["reads"]:
            self.flow(type_name, f"group {name}").add_reader(name)
        for type_name in group["emits"]:
            self.flow(type_name, f"group {name}").add_writer(name, AS_EVENT)
        for type_name in group["rekeyed"]:
            topic = self.topic(f"{name}.rekeyed.v1")
            topic.rekeyed_by = name
            flow = Flow(self.schema.messages[type_name], key="")
            flow.add_writer(name, AS_EVENT)
            flow.add_reader(name)
            topic.flows[type_name] = flow

    def add_direct(self):
        """Commands that a service sends by itself for its direct methods. No handler emits them, so no service declares
        them; that it is their owner who does is the contract of ROUTE_DIRECT."""
        for service in self.schema.services.values():
            direct = {method.request: method for method in service.methods if method.route == "ROUTE_DIRECT"}
            owner = service.name.split(".")[1]
            commands = self.topics.get(f"{owner}.commands.v1")
            for name, flow in commands.flows.items() if direct and commands else []:
                if not flow.writers:
                    flow.add_writer(owner, AS_CALL)
                    flow.method = direct.get(name)

    def add_runtime(self, groups):
        """What no handler declares because the runtime does it for every group: answers, and notices of the dead."""
        replies = Flow(self.schema.messages[REPLY], key="")
        calls = [flow for flow in self.flows() if flow.callers()]
        for name in sorted({name for flow in calls for name in flow.readers}):
            replies.add_writer(name, AS_REPLY)
        for name in sorted({name for flow in calls for name in flow.callers()}):
            replies.add_reader(name)
        self.topic(REPLIES_TOPIC).flows[REPLY] = replies
        for name in sorted(group["name"] for group in groups):
            self.flow(DEAD, f"group {name}").add_writer(name, AS_EVENT)

    def flows(self):
        return [flow for topic in self.topics.values() for flow in topic.flows.values()]

    def travelling(self):
        """Full names of the messages that are on a topic by themselves."""
        return {flow.message.name for flow in self.flows()}

    def parts(self):
        """Full names of the messages and enums inside those, sorted."""
        found = set()
        waiting = sorted(self.travelling())
        while waiting:
            message = self.schema.messages.get(waiting.pop())
            for entry in message.fields if message else []:
                if "." in entry.type and entry.type not in found:
                    found.add(entry.type)
                    waiting.append(entry.type)
        return sorted(found - self.travelling())

    def without_comment(self):
        return list({flow.message.name: flow.message for flow in self.flows() if not flow.comment}.values())

    def without_writer(self):
        return [flow.message for flow in self.flows() if not flow.writers]
