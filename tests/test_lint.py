"""tests/lint chooses the sources that clang-tidy looks at by what a branch has changed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent
SCRIPTS = ("tests/lint", "tests/support/python.sh", "deploy/lib/common.sh")
LANDED = {
    "common/tradewind/bus/a.h": "",
    "common/tradewind/bus/a.cpp": '#include "tradewind/bus/a.h"\n',
    "common/tradewind/bus/a_test.cpp": '#include "tradewind/bus/a.h"\n',
    "common/tradewind/store/b.cpp": "",
    "common/tradewind/rpc/c.cpp": "",
    "services/order/order.h": "",
    "services/order/order.cpp": '#include "services/order/order.h"\n',
    "services/order/main.cpp": '#include "services/order/order.h"\n',
    "services/user/user.cpp": "",
    "docs/text.md": "",
}
# Of them, those in the folders where a fault costs most.
USUAL = ["common/tradewind/bus/a.cpp", "common/tradewind/store/b.cpp"]


class Repository:
    def __init__(self, folder):
        self.folder = folder

    def git(self, *words):
        settings = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "protocol.file.allow=always")
        subprocess.run(["git", *settings, *words], cwd=self.folder, check=True, capture_output=True)

    def write(self, files):
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def commit(self, files):
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a change")

    def clone(self, folder, *options):
        subprocess.run(["git", "clone", "-q", *options, f"file://{self.folder}", folder], check=True, capture_output=True)
        return Repository(folder)

    def chosen(self, **variables):
        """What tests/lint looks at there."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_TIDY")}
        command = [self.folder / "tests/lint", "chosen"]
        return subprocess.run(
            command, env={**kept, **variables}, check=True, capture_output=True, text=True
        ).stdout.splitlines()


@pytest.fixture(name="landed")
def fixture_landed(tmp_path):
    """A repository with one branch, and the scripts in it."""
    folder = tmp_path / "landed"
    for script in SCRIPTS:
        (folder / script).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TREE / script, folder / script)
    repository = Repository(folder)
    repository.git("init", "-q", "-b", "main")
    repository.commit({"docs/text.md": "the first commit"})
    repository.commit(LANDED)
    return repository


@pytest.fixture(name="branch")
def fixture_branch(landed, tmp_path):
    """A clone of it, on a branch that follows the landed one."""
    clone = landed.clone(tmp_path / "clone")
    clone.git("checkout", "-q", "-b", "mine", "--track", "origin/main")
    return clone


def test_a_branch_has_what_it_changed_in_any_folder(branch):
    branch.commit({"services/user/user.cpp": "int changed;\n", "docs/text.md": "changed"})
    branch.write({"common/tradewind/rpc/c.cpp": "int not_committed;\n", "services/user/new.cpp": ""})
    assert branch.chosen() == ["common/tradewind/rpc/c.cpp", "services/user/new.cpp", "services/user/user.cpp"]


def test_a_branch_has_what_includes_the_headers_it_changed(branch):
    branch.commit({"common/tradewind/bus/a.h": "int changed;\n"})
    assert branch.chosen() == ["common/tradewind/bus/a.cpp", "common/tradewind/bus/a_test.cpp"]
    branch.commit({"services/order/order.h": "int changed;\n"})
    assert branch.chosen()[2:] == ["services/order/main.cpp", "services/order/order.cpp"]


def test_a_branch_has_nothing_of_what_it_removed(branch):
    branch.git("rm", "-q", "services/user/user.cpp", "services/order/order.h")
    branch.git("commit", "-q", "-m", "a change")
    assert branch.chosen() == []


def test_what_landed_after_a_branch_began_is_not_its_change(branch, landed):
    landed.commit({"common/tradewind/store/b.cpp": "int landed;\n"})
    branch.git("fetch", "-q")
    branch.commit({"services/user/user.cpp": "int changed;\n"})
    assert branch.chosen() == ["services/user/user.cpp"]


def test_the_landed_branch_has_the_usual_folders(landed, branch):
    assert landed.chosen() == USUAL
    assert branch.chosen() == USUAL


def test_a_base_or_folders_can_be_named(landed):
    assert landed.chosen(TRADEWIND_TIDY="services common/tradewind/rpc") == [
        "common/tradewind/rpc/c.cpp",
        "services/order/main.cpp",
        "services/order/order.cpp",
        "services/user/user.cpp",
    ]
    landed.commit({"common/tradewind/rpc/c.cpp": "int changed;\n"})
    assert landed.chosen(TRADEWIND_TIDY_BASE="HEAD~1") == ["common/tradewind/rpc/c.cpp"]
