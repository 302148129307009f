"""What both documents say in the same words."""

import re

from generator.mesh import REPLIES_TOPIC

# Topics of the mesh itself, which belong to no domain.
OWN_TOPICS = {
    REPLIES_TOPIC: (
        "Answers to commands, on their way back to the gateway. Best effort: one that is lost is had again by "
        "repeating the `request_id`."
    ),
    "mesh.dead.v1": (
        "Announces every message that a service set aside for good, up to 1,000 a minute from one process. The message "
        "itself stays in the store of the service; `tradewind parked` shows it."
    ),
}


def first_sentence(comment):
    return re.split(r"(?<=[.!?])\s", comment, maxsplit=1)[0]


def about_topic(topic, mesh):
    """A sentence or two on what a topic carries."""
    if topic.name in OWN_TOPICS:
        return OWN_TOPICS[topic.name]
    if topic.rekeyed_by:
        return f"Events that `{topic.rekeyed_by}` takes under another key. Of no use to others."
    domain = topic.name.split(".")[0]
    services = [service for name, service in mesh.schema.services.items() if name.startswith(f"tradewind.{domain}.")]
    subject = " ".join(service.comment.partition("\n\n")[0] for service in services if service.comment)
    kind = topic.name.split(".")[1]
    return f"{kind.capitalize()} {'to' if kind == 'commands' else 'of'} the {domain} service. {subject}".strip()
