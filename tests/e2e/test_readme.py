"""The README's commands do what it says, its code is the code that is tested, and the tests it names are there."""

import os
import re
import subprocess

import pytest

from support.mesh import TREE, wait_until

README = (TREE / "README.md").read_text()


def blocks(wanted):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for language, text in fenced if language == wanted]


def commands_starting_with(*starts):
    """Commands of the shell blocks, a line each where no line goes on, that begin with one of `starts`."""
    found = []
    for block in blocks(""):
        found += [line for line in re.sub(r" \\\n *|\n {4}", " ", block).splitlines() if line.startswith(starts)]
    return found


COMMANDS = commands_starting_with("grpcurl ", "build/bin/tradewind ", "kcat ")


def test_its_commands_were_found():
    programs = {command.split()[0] for command in COMMANDS}
    assert programs == {"grpcurl", "build/bin/tradewind", "kcat"} and len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_work(mesh, command):
    command = command.replace("127.0.0.1:50051", mesh.address("gateway"))
    command = command.replace("127.0.0.1:9092", mesh.address("kafka"))
    command = command.replace("grpcurl ", os.environ["TRADEWIND_GRPCURL"] + " ", 1)
    if command.startswith("build/bin/tradewind"):
        command = command.partition("#")[0].rstrip() + f" --config {mesh.var / 'cli.yaml'}"
        if " tail " in command and "--until-end" not in command:
            # Goes on for ever otherwise; an order makes no difference to whether it can be read.
            command += " --until-end"
    def run():
        return subprocess.run(
            command, shell=True, cwd=TREE, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )

    done = run()
    if "SHIPMENT_NOT_FOUND" in done.stderr:
        # A person types more slowly than this.
        wait_until(lambda: run().returncode == 0, 10, f"{command} to work a moment later")
        done = run()
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()


def test_its_subscriber_is_the_one_that_is_tested():
    assert (TREE / "examples/loyalty/main.cpp").read_text() in blocks("cpp")


def test_the_files_and_tests_it_names_exist():
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (TREE / path).exists(), path
    sources = "".join(path.read_text() for folder in ("e2e", "chaos") for path in (TREE / "tests" / folder).glob("*.py"))
    for name in re.findall(r"`(test_\w+?)(?:_?\.\.\.)?`", README):
        assert f"def {name}" in sources, name
