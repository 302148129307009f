"""Commands without precompiled headers compile a source by what it includes itself."""

import json

import plain_commands

PRECOMPILED = "-O3 --param ggc-min-heapsize=1 -Winvalid-pch -include /b/x.dir/cmake_pch.hxx"


def entry(folder, name, text, options=""):
    (folder / name).write_text(text)
    command = f"c++ {options} -o {name}.o -c {folder / name}"
    return {"directory": str(folder), "file": str(folder / name), "command": command}


def written(folder, entries):
    path = folder / "compile_commands.json"
    path.write_text(json.dumps(entries))
    return str(path)


def test_the_precompiled_header_goes_and_the_rest_stays():
    words = f"ccache c++ -DA {PRECOMPILED} -include b.h -o a.o -c a.cpp".split()
    assert plain_commands.plain(words) == "ccache c++ -DA -O3 -include b.h -o a.o -c a.cpp".split()


def test_what_was_generated_is_left_out(tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    commands = [entry(tmp_path, "a.cpp", ""), entry(build, "b.pb.cc", "")]
    assert [kept["file"] for kept in plain_commands.plain_commands(commands, build)] == [str(tmp_path / "a.cpp")]


def test_a_source_that_includes_what_it_uses_passes(tmp_path):
    commands = [entry(tmp_path, "a.cpp", "#include <string>\nstd::string a;\n")]
    assert plain_commands.main(["--check", written(tmp_path, commands)]) == 0
    assert not (tmp_path / "a.cpp.o").exists()


def test_a_source_that_leaves_an_include_to_others_is_named(tmp_path, capsys):
    commands = [entry(tmp_path, "a.cpp", "int a;\n"), entry(tmp_path, "b.cpp", "std::string b;\n")]
    assert plain_commands.main(["--check", written(tmp_path, commands)]) == 1
    assert f"{tmp_path / 'b.cpp'} does not compile by itself" in capsys.readouterr().err


def test_only_the_named_sources_are_looked_at(tmp_path):
    commands = [entry(tmp_path, "a.cpp", "int a;\n"), entry(tmp_path, "b.cpp", "std::string b;\n")]
    path = written(tmp_path, commands)
    assert plain_commands.main(["--check", path, str(tmp_path / "a.cpp")]) == 0
    assert plain_commands.main(["--check", path, str(tmp_path / "b.cpp")]) == 1


def test_no_source_at_all_fails(tmp_path):
    assert plain_commands.main(["--check", written(tmp_path, [])]) == 1
