"""The report of what took longest names tests of every kind, and each step of a build once."""

import slowest

GTEST = """<testsuites><testsuite name="A">
<testcase name="IsQuick" classname="A" status="run" time="0.5"/>
<testcase name="IsSlow" classname="A" status="run" time="7"/>
</testsuite></testsuites>"""
CTEST = """<testsuite><testcase name="a_test" status="run" time="7.6"/>
<testcase name="no_report_test" status="run" time="3"/></testsuite>"""
PYTEST = '<testsuites><testsuite><testcase classname="e2e.test_b" name="test_it" time="5.25"/></testsuite></testsuites>'


def results(folder):
    (folder / "unit").mkdir()
    (folder / "unit" / "a_test.xml").write_text(GTEST)
    (folder / "unit.ctest.xml").write_text(CTEST)
    (folder / "e2e.pytest.xml").write_text(PYTEST)
    return folder


def log(folder, *lines):
    folder.mkdir()
    (folder / ".ninja_log").write_text("# ninja log v5\n" + "".join("\t".join(line) + "\n" for line in lines))
    return folder


def test_cases_stand_for_their_program_where_it_reported_them(tmp_path):
    assert sorted(slowest.tests_of(results(tmp_path)), reverse=True) == [
        (7.0, "unit: a_test: A.IsSlow"),
        (5.25, "e2e: e2e.test_b.test_it"),
        (3.0, "unit: no_report_test"),
        (0.5, "unit: a_test: A.IsQuick"),
    ]


def test_a_step_counts_once_and_with_its_last_time(tmp_path):
    build = log(
        tmp_path / "tsan",
        ("0", "9000", "1", "a.o", "f1"),
        ("100", "2100", "1", "a.pb.cc", "f2"),
        ("100", "2100", "1", "a.pb.h", "f2"),
        ("0", "4000", "1", "a.o", "f3"),
    )
    assert sorted(slowest.steps_of(build)) == [(2.0, "tsan/a.pb.cc"), (4.0, "tsan/a.o")]


def test_a_folder_that_was_not_built_has_no_steps(tmp_path):
    assert slowest.steps_of(tmp_path / "missing") == []


def test_ten_are_printed_slowest_first(tmp_path, capsys):
    build = log(tmp_path / "build", *(("0", str(1000 * n), "1", f"{n}.o", f"f{n}") for n in range(1, 13)))
    slowest.main([results(tmp_path), build])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "the slowest tests:"
    assert said[1] == "     7.0 s  unit: a_test: A.IsSlow"
    assert said[5] == "the slowest build steps:"
    assert said[6] == "    12.0 s  build/12.o"
    assert len(said) == 6 + 10


def test_results_without_a_report_are_no_fault(tmp_path, capsys):
    slowest.main([tmp_path])
    assert capsys.readouterr().out == ""
