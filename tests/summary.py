"""Counts what tests/run left in its results folder and prints `N passed, N failed`.

A test program of GoogleTest counts with each of its cases; one that died or could not be started counts as one failure
more. Exit code 1 when something failed, when nothing ran, or, where CI=true, when something was skipped.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

# Not tests: they start and stop the broker that integration tests share. They count when they fail.
FIXTURES = {"kafka_start", "kafka_stop"}


class Counts:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []


def count_gtest(path, counts):
    """Adds the cases of one program; returns whether any failed."""
    failed_before = len(counts.failed)
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{path.stem}: {case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed.append(name)
        elif case.get("status") == "notrun" or case.find("skipped") is not None:
            counts.skipped.append(name)
        else:
            counts.passed += 1
    return len(counts.failed) > failed_before


def count_ctest(path, counts):
    """`path` is NAME.ctest.xml; the programs' own reports lie in NAME/."""
    reports = path.parent / path.name.removesuffix(".ctest.xml")
    for case in ElementTree.parse(path).iter("testcase"):
        name = case.get("name")
        status = case.get("status")
        report = reports / f"{name}.xml"
        case_failed = False
        if report.is_file():
            case_failed = count_gtest(report, counts)
        elif status == "run" and name not in FIXTURES:
            counts.passed += 1
        if status == "fail" and not case_failed:
            counts.failed.append(f"{name}: the program as a whole")
        elif status not in ("run", "fail"):
            counts.failed.append(f"{name}: {status}")


def count_pytest(path, counts):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed.append(name)
        elif case.find("skipped") is not None:
            counts.skipped.append(name)
        else:
            counts.passed += 1


def count_checks(path, counts):
    for line in path.read_text().splitlines():
        outcome, name = line.split("\t", 1)
        if outcome == "passed":
            counts.passed += 1
        elif outcome == "skipped":
            counts.skipped.append(name)
        else:
            counts.failed.append(name)


def main():
    results = Path(sys.argv[1])
    counts = Counts()
    for path in sorted(results.glob("*.ctest.xml")):
        count_ctest(path, counts)
    for path in sorted(results.glob("*.pytest.xml")):
        count_pytest(path, counts)
    count_checks(results / "checks.tsv", counts)

    for name in counts.failed:
        print(f"failed: {name}")
    for name in counts.skipped:
        print(f"skipped: {name}")
    line = f"{counts.passed} passed, {len(counts.failed)} failed"
    if counts.skipped:
        line += f", {len(counts.skipped)} skipped"
    print(line)
    strict = os.environ.get("CI") == "true"
    ran = counts.passed + len(counts.failed)
    sys.exit(1 if counts.failed or not ran or (strict and counts.skipped) else 0)


main()
