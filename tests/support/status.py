"""What `tradewind status` says of a mesh."""

import json

from support.mesh import wait_until


def status(mesh, *options):
    """Exit code and output."""
    done = mesh.try_cli("status", *options)
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
