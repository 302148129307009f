"""What `tradewind status` says of a mesh."""

import json
import subprocess

from support.mesh import BIN, wait_until


def status(mesh, *options):
    """Exit code and output."""
    done = subprocess.run(
        [BIN / "tradewind", "status", *options, "--config", str(mesh.var / "cli.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout


def problems(mesh):
    """What is wrong, as `where: what`. Exit code and `well` say the same."""
    code, output = status(mesh, "--json")
    said = json.loads(output)
    found = [f"{problem['where']}: {problem['what']}" for problem in said.get("problems", [])]
    assert all(problem["remedy"] for problem in said.get("problems", []))
    assert (code == 0) == said["well"]
    assert code == 1 or not found
    return found


def is_well(mesh):
    return status(mesh)[0] == 0


def await_problem(mesh, words, seconds=60):
    return wait_until(lambda: [line for line in problems(mesh) if words in line], seconds, f"a problem: {words}")
