"""Writes asyncapi.yaml and events.md. Called by docs/generate, which gathers what they are made from."""

import argparse
import json
import sys
from pathlib import Path

from generator import asyncapi, events_page, headers
from generator.mesh import Mesh
from generator.schema import SchemaError, read_schema
from generator.yaml_text import to_yaml

def main():
    parser = argparse.ArgumentParser(prog="docs/generate", description=__doc__)
    parser.add_argument("--descriptors", type=Path, required=True, help="descriptor set with imports and comments")
    parser.add_argument("--envelope", type=Path, required=True, help="bus/envelope.h")
    parser.add_argument("--version", required=True, help="of the system")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("topology", type=Path, nargs="+", help="what a service printed for --print-topology")
    arguments = parser.parse_args()
    try:
        headers.check_against(arguments.envelope.read_text())
        groups = [group for path in arguments.topology for group in json.loads(path.read_text())["groups"]]
        mesh = Mesh(read_schema(arguments.descriptors.read_bytes()), groups)
    except SchemaError as error:
        sys.exit(f"docs/generate: {error}")
    (arguments.out / "asyncapi.yaml").write_text(to_yaml(asyncapi.document(mesh, arguments.version)))
    (arguments.out / "events.md").write_text(events_page.page(mesh))
    sys.exit(report(mesh))


def report(mesh):
    """Says what the documents lack. A message that travels must be told of; who writes it may be somebody outside."""
    for message in mesh.without_writer():
        print(f"docs/generate: note: no service declares that it emits {message.name}", file=sys.stderr)
    for message in mesh.without_comment():
        print(f"docs/generate: {message.name} has no comment; write one in {message.file}", file=sys.stderr)
    return 1 if mesh.without_comment() else 0


main()
