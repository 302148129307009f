"""A dictionary as YAML that people can read and diff."""

import yaml

HEAD = "# Made by docs/generate from the protos and from what the services declare; change those instead.\n"
WIDTH = 120


class Dumper(yaml.SafeDumper):
    """Block style for texts of several lines, and no anchors: two equal parts are not one part."""

    def ignore_aliases(self, data):
        return True


def represent_text(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, represent_text)


def to_yaml(document):
    return HEAD + yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=WIDTH)
