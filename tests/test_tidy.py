"""clang-tidy over several sources at once finds what it finds in each."""

import json

import pytest

import tidy

CHECKS = "Checks: '-*,bugprone-use-after-move,clang-analyzer-core.DivideZero'\nWarningsAsErrors: '*'\n"
CLEAN = "namespace {\nint Half(int n) { return n / 2; }\n}  // namespace\nint Of%s(int n) { return Half(n); }\n"
# Seen on a path only, which clang-tidy follows in the source itself and not in what that includes.
DIVIDES = "int Divide%s(bool none) {\n  int n = 4;\n  if (none) n = 0;\n  return 8 / n;\n}\n"


@pytest.fixture
def look(tmp_path):
    """look({name: text}): the exit code of tidy.py for those sources."""
    (tmp_path / ".clang-tidy").write_text(CHECKS)
    commands = tmp_path / "build"
    commands.mkdir()

    def run(sources):
        entries = []
        for name, text in sources.items():
            (tmp_path / name).write_text(text)
            command = f"c++ -std=c++20 -o {name}.o -c {tmp_path / name}"
            entries.append({"directory": str(tmp_path), "file": str(tmp_path / name), "command": command})
        (commands / "compile_commands.json").write_text(json.dumps(entries))
        return tidy.main([str(commands), *(str(tmp_path / name) for name in sources)])

    return run


def entries(folder, count, options=""):
    return [
        {"directory": "/b", "file": f"/{folder}/{n}.cpp", "command": f"c++ {options} -o {folder}/{n}.o -c /{folder}/{n}.cpp"}
        for n in range(count)
    ]


def test_batches_have_one_folder_one_command_and_nearly_one_size():
    batches = tidy.batches_of(entries("a", 9) + entries("b", 1) + entries("c", 1, "-DX"))
    assert [len(batch) for batch in batches] == [5, 4, 1, 1]


def test_sources_that_are_clean_pass(look):
    assert look({"a.cpp": "int A() { return 1; }\n", "b.cpp": "int B() { return 2; }\n"}) == 0


def test_sources_that_use_one_name_are_looked_at_apart(look):
    assert look({"a.cpp": CLEAN % "A", "b.cpp": CLEAN % "B"}) == 0


@pytest.mark.parametrize("where", ["a.cpp", "b.cpp", "c.cpp"])
def test_what_is_wrong_in_one_source_is_found(look, capfd, where):
    sources = {name: "int F%s() { return 1; }\n" % name[0] for name in ("a.cpp", "b.cpp", "c.cpp")}
    sources[where] = DIVIDES % "A"
    assert look(sources) == 1
    said = capfd.readouterr().out
    assert f"{where}:4" in said
    assert "clang-analyzer-core.DivideZero" in said


def test_a_source_without_a_command_is_refused(look, tmp_path, capsys):
    look({"a.cpp": "int a;\n"})
    assert tidy.main([str(tmp_path / "build"), "missing.cpp"]) == 1
    assert "missing.cpp" in capsys.readouterr().err
