"""The options of a field in words."""

from generator.schema import OPTIONS

ENUMS = {"format": f"{OPTIONS}.Format", "sensitive": f"{OPTIONS}.Sensitive"}
HASH = "SENSITIVE_HASH"
SEAL = "SENSITIVE_SEAL"


def span(least, most, unit):
    if least and most:
        return f"{least} to {most}{unit}"
    return f"at least {least}{unit}" if least else f"at most {most}{unit}"


def words(entry, schema):
    """What the gateway checks and does, a phrase each. Defaults that hold for every field are left out."""
    rule = dict(entry.rule)
    said = []
    if rule.pop("required", False):
        said.append("required")
    lengths = rule.pop("min_length", 0), rule.pop("max_length", 0)
    if any(lengths):
        said.append(span(*lengths, " bytes" if entry.type == "bytes" else " characters"))
    if "max_items" in rule:
        said.append(f"at most {rule.pop('max_items')} elements")
    least, most = rule.pop("minimum", None), rule.pop("maximum", None)
    if least is not None and most is not None:
        said.append(f"{least} to {most}")
    elif least is not None or most is not None:
        said.append(f"at least {least}" if most is None else f"at most {most}")
    if rule.pop("generated", False):
        said.append("filled in by the gateway; callers leave it empty")
    if rule.pop("generated_unless_given", False):
        said.append("filled in by the gateway where the caller left it empty")
    if "fingerprint_of" in rule:
        said.append(f"filled in by the gateway: a keyed hash of `{rule.pop('fingerprint_of')}`; callers leave it empty")
    if rule.pop("generated_secret", False):
        said.append("filled in by the gateway: the base64 of 32 bytes; callers leave it empty")
    for name, enum in ENUMS.items():
        if name in rule:
            said.append(valued(name, rule.pop(name), enum, schema))
    # An option that is newer than this file.
    said += [f"{name}: {value}" for name, value in sorted(rule.items())]
    return said


def valued(name, value, enum, schema):
    meaning = schema.meaning(enum, value).rstrip(".")
    shown = value.removeprefix(f"{name.upper()}_")
    return f"{name} {shown}: {meaning}" if meaning else f"{name} {shown}"
