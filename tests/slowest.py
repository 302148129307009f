"""Prints the slowest tests that tests/run left in its results folder, and the slowest steps of the builds.

    slowest.py RESULTS BUILD...

RESULTS is build/test-results, each BUILD a folder with a .ninja_log. A test's time is what it took by the clock; so is a
step's, which depends on what else was running.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

COUNT = 10
# Outputs of a step that are listed for their time as a file, not as something that was compiled or linked.
NO_STEPS = (".ninja_deps", "build.ninja")


def tests_of(results):
    """(seconds, name) of each test case; of each program where it left no report of its cases."""
    tests = []
    for path in sorted(results.glob("*.ctest.xml")):
        kind = path.name.removesuffix(".ctest.xml")
        for program in ElementTree.parse(path).iter("testcase"):
            report = results / kind / f"{program.get('name')}.xml"
            if report.is_file():
                tests += [
                    (seconds(case), f"{kind}: {program.get('name')}: {case.get('classname')}.{case.get('name')}")
                    for case in ElementTree.parse(report).iter("testcase")
                ]
            else:
                tests.append((seconds(program), f"{kind}: {program.get('name')}"))
    for path in sorted(results.glob("*.pytest.xml")):
        kind = path.name.removesuffix(".pytest.xml")
        for case in ElementTree.parse(path).iter("testcase"):
            tests.append((seconds(case), f"{kind}: {case.get('classname')}.{case.get('name')}"))
    return tests


def seconds(case):
    return float(case.get("time") or 0)


def steps_of(build):
    """(seconds, name) of each step that ninja took last in the folder `build`."""
    log = build / ".ninja_log"
    if not log.is_file():
        return []
    # A step with several outputs is a line for each, and an output that was made again has a newer line.
    steps = {}
    for line in log.read_text().splitlines():
        fields = line.split("\t")
        if len(fields) != 5 or fields[3].endswith(NO_STEPS):
            continue
        start, end, _, output, command = fields
        steps[output] = (int(start), int(end), command)
    taken = {}
    for output, step in steps.items():
        taken.setdefault(step, output)
    return [((end - start) / 1000, f"{build.name}/{output}") for (start, end, _), output in taken.items()]


def print_slowest(title, entries):
    if entries:
        print(f"the slowest {title}:")
    for taken, name in sorted(entries, key=lambda entry: (-entry[0], entry[1]))[:COUNT]:
        print(f"{taken:8.1f} s  {name}")


def main(arguments):
    results, *builds = map(Path, arguments)
    print_slowest("tests", tests_of(results))
    print_slowest("build steps", [step for build in builds for step in steps_of(build)])


if __name__ == "__main__":
    main(sys.argv[1:])
