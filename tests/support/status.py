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
    said = []

    def is_said():
        said[:] = problems(mesh)
        return [line for line in said if words in line]

    try:
        return wait_until(is_said, seconds, f"a problem: {words}")
    except AssertionError as missing:
        raise AssertionError(f"{missing}; the problems were {said}") from missing
