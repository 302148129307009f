"""The generator on protos small enough to see what must come out."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from generator import asyncapi, events_page, headers, json_schema, rules
from generator.mesh import AS_CALL, AS_EVENT, Mesh
from generator.schema import SchemaError, read_schema
from generator.yaml_text import to_yaml

TREE = Path(__file__).resolve().parents[2]

HEAD = """
syntax = "proto3";
package tradewind.shop.v1;
import "google/protobuf/timestamp.proto";
import "google/type/money.proto";
import "tradewind/mesh/v1/envelope.proto";
import "tradewind/mesh/v1/options.proto";
"""

SHOP = """
// Things to buy.
service ShopService {
  // Buys one.
  rpc Buy(BuyRequest) returns (Thing) { option (tradewind.mesh.v1.method) = {route: ROUTE_COMMAND}; }
  rpc Look(LookRequest) returns (Thing) { option (tradewind.mesh.v1.method) = {route: ROUTE_QUERY}; }
}
message Thing { string id = 1; }
message LookRequest { string id = 1; }
message BuyRequest {
  option (tradewind.mesh.v1.message) = { topic: "shop.commands.v1" key: "id" };
  string id = 1 [(tradewind.mesh.v1.field) = {generated: true}];
  string password = 2 [(tradewind.mesh.v1.field) = {
    required: true min_length: 8 max_length: 200 sensitive: SENSITIVE_HASH }];
  // How many,
  // of one sort.
  //
  // Or of several.
  int32 pieces = 3 [(tradewind.mesh.v1.field) = {minimum: 1 maximum: 9}];
  int64 cents = 4;
  repeated Line lines = 5 [(tradewind.mesh.v1.field) = {required: true max_items: 7}];
  map<string, Size> sizes = 6;
  oneof payment {
    string token = 7 [(tradewind.mesh.v1.field) = {sensitive: SENSITIVE_REDACT}];
    google.type.Money cash = 8;
  }
  google.protobuf.Timestamp time = 9;
  optional bool gift = 10;
}
message Line { string product = 1; Line next = 2; }
// How large.
enum Size {
  SIZE_UNSPECIFIED = 0;
  // Up to here | or there.
  SIZE_SMALL = 1;
}
// Something was bought. Nothing is said of when.
message Bought {
  option (tradewind.mesh.v1.message) = { topic: "shop.events.v1" key: "id" };
  string id = 1;
}
"""

SHOP_GROUP = {
    "name": "shop",
    "reads": ["tradewind.shop.v1.BuyRequest"],
    "rekeyed": [],
    "emits": ["tradewind.shop.v1.Bought"],
}
POINTS_GROUP = {
    "name": "points",
    "reads": ["tradewind.shop.v1.Bought"],
    "rekeyed": ["tradewind.shop.v1.Bought"],
    "emits": [],
}
GROUPS = [SHOP_GROUP, POINTS_GROUP]


def schema_of(folder, text):
    (folder / "shop.proto").write_text(HEAD + text)
    out = folder / "shop.binpb"
    imports = [f"-I{place}" for place in (folder, TREE / "proto", TREE / "third_party/googleapis")]
    command = ["protoc", *imports, "--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
    subprocess.run([*command, "shop.proto"], check=True)
    return read_schema(out.read_bytes())


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    return schema_of(tmp_path_factory.mktemp("shop"), SHOP)


@pytest.fixture
def mesh(schema):
    return Mesh(schema, GROUPS)


@pytest.fixture
def document(mesh):
    # As a reader of the file has it.
    return yaml.safe_load(to_yaml(asyncapi.document(mesh, "1.2.3")))


def fields_of(schema, message):
    return {entry.name: entry for entry in schema.messages[f"tradewind.shop.v1.{message}"].fields}


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "missing"), [('topic: "shop.events.v1"', "key"), ('key: "id"', "topic")]
)
def test_half_a_message_option_is_refused(tmp_path, option, missing):
    text = "message Half { option (tradewind.mesh.v1.message) = { %s }; string id = 1; }" % option
    with pytest.raises(SchemaError, match=f"tradewind.shop.v1.Half: .* no {missing}.*shop.proto"):
        schema_of(tmp_path, text)


@pytest.mark.parametrize("field", ["int32 id = 1;", "repeated string id = 1;", "string other = 1;"])
def test_a_key_that_is_no_single_string_is_refused(tmp_path, field):
    option = 'option (tradewind.mesh.v1.message) = { topic: "shop.events.v1" key: "id" };'
    with pytest.raises(SchemaError, match="names 'id' as key"):
        schema_of(tmp_path, "message Wrong { %s %s }" % (option, field))


@pytest.mark.parametrize("direction", ["reads", "emits"])
@pytest.mark.parametrize("name", ["tradewind.shop.v1.Gone", "tradewind.shop.v1.Thing"])
def test_what_a_service_declares_must_have_a_topic(schema, direction, name):
    group = {**SHOP_GROUP, direction: [name]}
    with pytest.raises(SchemaError, match=f"group shop names {name}"):
        Mesh(schema, [group])


def test_a_command_without_a_topic_is_refused(tmp_path):
    text = SHOP.replace('option (tradewind.mesh.v1.message) = { topic: "shop.commands.v1" key: "id" };', "")
    with pytest.raises(SchemaError, match="ShopService.Buy names tradewind.shop.v1.BuyRequest"):
        Mesh(schema_of(tmp_path, text), [])


def test_a_message_without_comment_or_writer_is_told_of(tmp_path):
    text = SHOP.replace("// Something was bought. Nothing is said of when.", "")
    mesh = Mesh(schema_of(tmp_path, text), [{**SHOP_GROUP, "emits": []}])
    assert [message.name for message in mesh.without_comment()] == ["tradewind.shop.v1.Bought"]
    assert [message.name for message in mesh.without_writer()] == ["tradewind.shop.v1.Bought"]


def test_nothing_is_told_of_a_mesh_that_is_whole(mesh):
    assert mesh.without_comment() == [] and mesh.without_writer() == []


# ---- headers --------------------------------------------------------------------------------------------------------


def test_the_headers_are_those_of_the_envelope():
    envelope = (TREE / "common/tradewind/bus/envelope.h").read_text()
    headers.check_against(envelope)
    with pytest.raises(SchemaError, match="does not describe the header ce_new"):
        headers.check_against(envelope + 'inline constexpr std::string_view kNewHeader = "ce_new";')
    with pytest.raises(SchemaError, match="does not have the header ce_time"):
        headers.check_against(envelope.replace('"ce_time"', '"ce_type"'))


def test_the_event_in_the_readme_has_the_headers_of_events():
    readme = (TREE / "README.md").read_text()
    shown = dict(re.findall(r"^    ((?:ce_|content-|traceparent|tradewind-)\S*): (\S+)$", readme, re.MULTILINE))
    described = headers.json_schema(AS_EVENT)
    assert set(described["required"]) <= set(shown) <= set(described["properties"])
    for name, text in shown.items():
        form = described["properties"][name]
        assert text == form.get("const", text) and re.search(form.get("pattern", ""), text), name


def test_only_commands_say_where_their_answer_goes():
    assert "tradewind-correlation" in headers.json_schema(AS_CALL)["required"]
    assert "tradewind-correlation" not in headers.json_schema(AS_EVENT)["properties"]
    assert "ce_sequence" not in headers.json_schema(AS_CALL)["properties"]


# ---- who writes and reads -------------------------------------------------------------------------------------------


def test_writers_and_readers_are_what_was_declared(mesh):
    found = {
        (topic.name, flow.message.short_name): (list(flow.writers), flow.readers)
        for topic in mesh.topics.values()
        for flow in topic.flows.values()
    }
    assert found == {
        ("mesh.dead.v1", "EventDied"): (["points", "shop"], []),
        # Only who takes commands of the gateway answers.
        ("mesh.replies.v1", "ReplyBatch"): (["shop"], ["gateway"]),
        ("points.rekeyed.v1", "Bought"): (["points"], ["points"]),
        ("shop.commands.v1", "BuyRequest"): (["gateway"], ["shop"]),
        ("shop.events.v1", "Bought"): (["shop"], ["points"]),
    }


def test_a_service_sends_the_commands_of_its_direct_methods_itself(tmp_path):
    text = SHOP.replace("ROUTE_COMMAND", "ROUTE_DIRECT")
    mesh = Mesh(schema_of(tmp_path, text), GROUPS)
    assert mesh.topics["shop.commands.v1"].flows["tradewind.shop.v1.BuyRequest"].writers == {"shop": AS_CALL}
    assert mesh.topics["mesh.replies.v1"].flows["tradewind.mesh.v1.ReplyBatch"].readers == ["shop"]
    assert "reply" in asyncapi.operations(mesh)["shop.sends.shop.commands.v1"]
    assert mesh.without_comment() == []


def test_operations_are_one_for_each_direction(document):
    operations = document["operations"]
    assert list(operations) == [
        "gateway.receives.mesh.replies.v1",
        "gateway.sends.shop.commands.v1",
        "points.receives.points.rekeyed.v1",
        "points.receives.shop.events.v1",
        "points.sends.mesh.dead.v1",
        "points.sends.points.rekeyed.v1",
        "shop.receives.shop.commands.v1",
        "shop.sends.mesh.dead.v1",
        "shop.sends.mesh.replies.v1",
        "shop.sends.shop.events.v1",
    ]
    assert operations["points.receives.shop.events.v1"]["bindings"]["kafka"]["groupId"]["const"] == "points"
    assert operations["gateway.sends.shop.commands.v1"]["reply"]["channel"] == {"$ref": "#/channels/mesh.replies.v1"}


def test_a_command_that_a_service_emits_too_may_have_either_headers(schema):
    both = Mesh(schema, [{**SHOP_GROUP, "emits": ["tradewind.shop.v1.BuyRequest"]}])
    forms = asyncapi.message("tradewind.shop.v1.BuyRequest", both)["headers"]["anyOf"]
    assert [form["$ref"].rpartition("/")[2] for form in forms] == ["CommandHeaders", "EventHeaders"]


# ---- messages -------------------------------------------------------------------------------------------------------


def test_a_message_says_what_its_comment_says_and_a_request_what_its_method_says(document):
    messages = document["components"]["messages"]
    assert messages["tradewind.shop.v1.Bought"]["summary"] == "Something was bought."
    assert messages["tradewind.shop.v1.Bought"]["description"] == "Something was bought. Nothing is said of when."
    assert messages["tradewind.shop.v1.BuyRequest"]["description"] == "Buys one."
    assert "`id`" in messages["tradewind.shop.v1.Bought"]["bindings"]["kafka"]["key"]["description"]


def test_the_payload_is_the_json_of_what_is_on_the_log(document):
    buy = document["components"]["schemas"]["tradewind.shop.v1.BuyRequest"]
    fields = buy["properties"]
    assert buy["required"] == ["id", "password", "lines"]
    # The hash, to which the rules of what it is made from do not apply.
    assert fields["password"]["pattern"] == json_schema.ARGON2 and "maxLength" not in fields["password"]
    assert fields["password"]["x-sensitive"] == "HASH" and fields["token"]["x-sensitive"] == "REDACT"
    assert (fields["pieces"]["type"], fields["pieces"]["minimum"], fields["pieces"]["maximum"]) == ("integer", 1, 9)
    assert fields["pieces"]["description"].startswith("How many, of one sort.\n\nOr of several.")
    assert fields["cents"] == {"type": "string", "format": "int64"}
    assert (fields["lines"]["minItems"], fields["lines"]["maxItems"]) == (1, 7)
    assert fields["lines"]["items"] == {"$ref": "#/components/schemas/tradewind.shop.v1.Line"}
    assert fields["sizes"]["additionalProperties"] == {"$ref": "#/components/schemas/tradewind.shop.v1.Size"}
    assert fields["time"] == {"type": "string", "format": "date-time"}
    assert "At most one of `token`, `cash`." in buy["description"] and "gift" not in buy["description"]


def test_every_type_inside_a_message_is_described_and_no_other(document):
    names = set(document["components"]["schemas"])
    assert {"tradewind.shop.v1.Line", "tradewind.shop.v1.Size", "google.type.Money"} <= names
    assert not {"tradewind.shop.v1.LookRequest", "google.protobuf.Timestamp"} & names


def test_every_reference_leads_somewhere(document):
    for reference in re.findall(r"\$ref: '?#/([^'\n]+)", yaml.safe_dump(document)):
        place = document
        for part in reference.split("/"):
            place = place[part]


def test_rules_are_said_in_words(schema):
    fields = fields_of(schema, "BuyRequest")
    assert rules.words(fields["pieces"], schema) == ["1 to 9"]
    assert rules.words(fields["lines"], schema) == ["required", "at most 7 elements"]
    required, length, sensitive = rules.words(fields["password"], schema)
    assert (required, length) == ("required", "8 to 200 characters") and "Argon2id" in sensitive
    newer = replace(fields["pieces"], rule={"newer": 5})
    assert rules.words(newer, schema) == ["newer: 5"]


# ---- the page -------------------------------------------------------------------------------------------------------


def dead_links(page):
    anchors = {events_page.anchor(heading) for heading in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    return set(re.findall(r"\]\(#([^)]+)\)", page)) - anchors


def test_links_lead_to_headings(mesh):
    assert dead_links(events_page.page(mesh)) == set()
    assert dead_links((TREE / "docs/events.md").read_text()) == set()


def test_a_table_keeps_its_columns_whatever_a_comment_holds(mesh):
    page = events_page.page(mesh)
    assert "Up to here \\| or there." in page and "How many, of one sort.<br>Or of several." in page
    for block in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_the_order_of_services_changes_nothing(schema):
    one, other = Mesh(schema, GROUPS), Mesh(schema, GROUPS[::-1])
    assert to_yaml(asyncapi.document(one, "1")) == to_yaml(asyncapi.document(other, "1"))
    assert events_page.page(one) == events_page.page(other)
