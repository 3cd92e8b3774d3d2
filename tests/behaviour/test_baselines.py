"""Promise: a baseline is recorded when asked for, compared each time, and never passes by not being there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_llm.baselines.files import read, write

MODEL = """
    import os
    import pytest

    class Model:
        '''Loses so many nats a token as LOSS says, a little more on some texts than on others.'''

        def __init__(self, loss):
            self.loss = loss

        def score(self, texts):
            return [[-2 - len(text) / 10 - self.loss * (1 + len(text) % 3 / 10)] * len(text) for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Model(float(os.environ.get("LOSS", "0")))
"""
TEST = """
    from pytest_llm import assert_no_regression

    TEXTS = ["a" * n for n in range(3, 43)]

    def test_prose(llm):
        assert_no_regression(llm, TEXTS)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("LOSS", raising=False)
    pytester.makeconftest(MODEL)
    pytester.makepyfile(test_it=TEST)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest("-p", "no:cacheprovider", "-vv", *arguments)


def baselines(project: pytest.Pytester) -> list[str]:
    return sorted(path.relative_to(project.path).as_posix() for path in project.path.rglob("llm_baselines/**/*.json"))


def recorded(project: pytest.Pytester) -> Path:
    result = run(project, "--llm-update-baselines")
    result.assert_outcomes(passed=1)
    return project.path / baselines(project)[0]


def test_without_a_baseline_a_test_fails_and_says_how_to_record_one(project: pytest.Pytester) -> None:
    result = run(project)
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "E *perplexity * has no baseline 'main' to be compared with",
            "E *to record*pytest 'test_it.py::test_prose' --llm-update-baselines",
        ]
    )
    assert baselines(project) == []


def test_what_is_recorded_is_said_and_lies_beside_the_test(project: pytest.Pytester) -> None:
    result = run(project, "--llm-update-baselines")
    result.stdout.fnmatch_lines(["RECORDED * is now baseline 'main'; there was none before *test_prose]"])
    (name,) = baselines(project)
    assert name.startswith("llm_baselines/main/test_it/test_prose.perplexity@")


def test_the_same_model_passes(project: pytest.Pytester) -> None:
    recorded(project)
    result = run(project)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASSED * is that of baseline 'main': 1 % is tolerated*"])


def test_a_worse_model_fails_and_the_message_shows_where(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(project)
    monkeypatch.setenv("LOSS", "0.05")
    result = run(project)
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "E *QualityError: perplexity * worse than baseline 'main' (*): 1 % is tolerated, p = *",
            "E *measured   40 examples, *: 40 worse, 0 better",
            "E *lost most *",
            "E *to accept*--llm-update-baselines",
        ]
    )
    result.stdout.fnmatch_lines(["REGRESSED * worse than baseline 'main'*"])


def test_a_better_model_passes(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(project)
    monkeypatch.setenv("LOSS", "-0.05")
    result = run(project)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASSED * better than baseline 'main'*proven: the baseline can be tightened*"])


def test_a_change_is_accepted_by_recording_it(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(project)
    monkeypatch.setenv("LOSS", "0.05")
    result = run(project, "--llm-update-baselines")
    result.stdout.fnmatch_lines(["RECORDED * is now baseline 'main'; * before: regressed*"])
    run(project).assert_outcomes(passed=1)


def table(result: pytest.RunResult) -> list[list[str]]:
    """The rows of what was written, in columns."""
    (start,) = (place for place, line in enumerate(result.outlines) if re.fullmatch(r"\d+ baselines? written:", line))
    return [re.split(r" {2,}", line.strip()) for line in result.outlines[start + 1 :] if line.startswith("  ")]


def test_what_was_written_is_listed_with_before_and_after(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(project, "--llm-update-baselines")
    (name,) = baselines(project)
    assert table(result)[0] == ["metric", "before", "after", "change", "file"]
    ((metric, before, after, change, file),) = table(result)[1:]
    assert (metric, before, change, file) == ("perplexity", "–", "new", name)
    monkeypatch.setenv("LOSS", "0.05")
    ((_, before, later, change, file),) = table(run(project, "--llm-update-baselines"))[1:]
    assert (before, file) == (after, name)
    assert float(later) / float(before) == pytest.approx(1.056, abs=0.002)
    assert re.fullmatch(r"5\.\d+ % worse, regressed", change)
    result = run(project, "--llm-update-baselines")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*baseline* written:")  # nothing changed
    project.makepyfile(test_it=TEST.replace("range(3, 43)", "range(4, 44)"))
    assert table(run(project, "--llm-update-baselines"))[1][3].startswith("not comparable: data: 1 example not in")


def test_missing_leaves_what_is_there_as_it_is(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recorded(project).read_bytes()
    monkeypatch.setenv("LOSS", "0.05")
    run(project, "--llm-update-baselines=missing").assert_outcomes(failed=1)
    assert (project.path / baselines(project)[0]).read_bytes() == before


def test_changed_does_not_touch_what_says_the_same(project: pytest.Pytester) -> None:
    path = recorded(project)
    write(path, replace(read(path), recorded={"date": "2001-01-01"}))
    result = run(project, "--llm-update-baselines=changed")
    result.stdout.fnmatch_lines(["PASSED *"])
    assert "2001-01-01" in path.read_text()


def test_all_writes_every_one_again(project: pytest.Pytester) -> None:
    path = recorded(project)
    write(path, replace(read(path), recorded={"date": "2001-01-01"}))
    run(project, "--llm-update-baselines=all").assert_outcomes(passed=1)
    assert "2001-01-01" not in path.read_text()


def test_a_baseline_that_cannot_be_read_is_a_failure(project: pytest.Pytester) -> None:
    recorded(project).write_text("{")
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *the baseline *test_prose.perplexity@*.json cannot be read*record it again*"])


def test_a_damaged_baseline_is_recorded_again_if_asked(project: pytest.Pytester) -> None:
    recorded(project).write_text("{")
    result = run(project, "--llm-update-baselines")
    result.stdout.fnmatch_lines(["RECORDED *; what was there could not be read *"])


def test_other_data_are_refused_by_name(project: pytest.Pytester) -> None:
    recorded(project)
    project.makepyfile(test_it=TEST.replace("range(3, 43)", "range(4, 44)"))
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *perplexity * cannot be compared with baseline 'main' (*): not the same data",
            "E *data: 1 example not in the baseline: *",
            "E *data: 1 example only in the baseline: *",
        ]
    )


def test_a_part_of_the_data_is_compared_but_not_recorded(project: pytest.Pytester) -> None:
    recorded(project)
    result = run(project, "--llm-limit=20")
    result.assert_outcomes(passed=1)
    result = run(project, "--llm-limit=20", "--llm-update-baselines=all")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *a part of the data is no baseline; record it without --llm-limit, in a tier without one"]
    )


def test_two_gates_of_one_metric_need_names(project: pytest.Pytester) -> None:
    second = "\n        assert_no_regression(llm, TEXTS[:20]{})\n"
    project.makepyfile(test_it=TEST.rstrip() + second.format(""))
    result = run(project, "--llm-update-baselines")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *two gates of test_it.py::test_prose would share the baseline*key='long texts'"])
    project.makepyfile(test_it=TEST.rstrip() + second.format(", key='short texts'"))
    run(project, "--llm-update-baselines").assert_outcomes(passed=1)
    run(project).assert_outcomes(passed=1)
    assert len(baselines(project)) == 2


def test_a_marker_compares_what_the_body_measured(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.llm_no_regression("perplexity", tolerance="1%")
        def test_prose(llm_measure):
            llm_measure("perplexity", ["a" * n for n in range(3, 43)])
        """
    )
    run(project).assert_outcomes(failed=1)
    recorded(project)
    run(project).assert_outcomes(passed=1)
    monkeypatch.setenv("LOSS", "0.05")
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["perplexity * worse than baseline 'main' (*): 1 % is tolerated, p = *"])


def test_a_marker_of_what_was_not_measured_fails(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.llm_no_regression("perplexity")
        def test_prose():
            pass
        """
    )
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["never compared: perplexity; the test's body did not measure it*"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'perplexty'", "*no metric is called 'perplexty'*perplexity*"),
        ("'perplexity', tolerance='1 kg'", "*tolerance='1 kg': expected a share of the baseline's value such as '1%'*"),
        ("'perplexity', alpha=1", "*alpha=1: expected a small probability such as 0.01*"),
        ("'perplexity', on_inconclusive='pass'", "*on_inconclusive='pass': expected one of warn, fail, skip, xfail*"),
        ("'perplexity', tolerence='1%'", "*unexpected keyword argument 'tolerence'*"),
    ],
)
def test_a_marker_that_makes_no_sense_is_a_usage_error(project: pytest.Pytester, arguments: str, message: str) -> None:
    project.makepyfile(test_it=f"import pytest\n@pytest.mark.llm_no_regression({arguments})\ndef test_prose(): pass\n")
    result = run(project)
    assert result.ret in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERRUPTED)
    said = result.stdout if result.ret is pytest.ExitCode.INTERRUPTED else result.stderr
    said.fnmatch_lines([message])


NOISY = """
    from pytest_llm import assert_no_regression

    TEXTS = ["a" * n for n in range(3, 43)]

    class Noisy:
        def score(self, texts):
            return [[-2 - 0.02 - (0.5 if len(text) % 2 else -0.5) * (len(text) % 5)] * 10 for text in texts]

    class Quiet:
        def score(self, texts):
            return [[-2.0] * 10 for text in texts]

    def test_prose():
        assert_no_regression(Noisy(), TEXTS, reference=Quiet(){})
"""


def test_a_drop_that_may_be_chance_passes_with_a_warning(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=NOISY.format(""))
    result = run(project, "-W", "default")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*MetricWarning: perplexity * but chance alone does this to an unchanged model*"])
    result.stdout.fnmatch_lines(["SUSPECT *"])


@pytest.mark.parametrize(
    ("ending", "outcome"), [("fail", {"failed": 1}), ("skip", {"skipped": 1}), ("xfail", {"xfailed": 1})]
)
def test_or_ends_as_the_test_says(project: pytest.Pytester, ending: str, outcome: dict[str, int]) -> None:
    project.makepyfile(test_it=NOISY.format(f", on_inconclusive={ending!r}"))
    run(project).assert_outcomes(**outcome)


MARKED = """
    import pytest

    TEXTS = ["a" * n for n in range(3, 43)]

    class Noisy:
        def score(self, texts):
            return [[-2 - NOISE * (0.02 + (0.5 if len(text) % 2 else -0.5) * (len(text) % 5))] * 10 for text in texts]

    @pytest.mark.llm_no_regression("perplexity"{})
    def test_prose(llm_measure):
        llm_measure("perplexity", TEXTS, model=Noisy())
"""


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("warn", {"passed": 1, "warnings": 1}),
        ("fail", {"failed": 1}),
        ("skip", {"skipped": 1}),
        ("xfail", {"xfailed": 1}),
    ],
)
def test_a_marker_may_say_so_too(project: pytest.Pytester, ending: str, outcome: dict[str, int]) -> None:
    test = MARKED.format(f", on_inconclusive={ending!r}")
    project.makepyfile(test_it=test.replace("NOISE", "0"))
    run(project, "--llm-update-baselines").assert_outcomes(passed=1)
    project.makepyfile(test_it=test.replace("NOISE", "1"))
    result = run(project, "-W", "default")
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines([f"{'INCONCLUSIVE' if ending == 'fail' else 'SUSPECT'} *"])


def test_or_fails_where_proof_is_asked_for(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=NOISY.format(""))
    result = run(project, "--llm-strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["INCONCLUSIVE *"])


def test_small_steps_do_not_add_up_unseen(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makepyfile(test_it=TEST.replace("TEXTS)", "TEXTS, baseline='v1')"))
    run(project, "--llm-update-baselines").assert_outcomes(passed=1)
    project.makepyfile(test_it=TEST)
    monkeypatch.setenv("LOSS", "0.03")
    run(project, "--llm-update-baselines").assert_outcomes(passed=1)
    monkeypatch.setenv("LOSS", "0.06")
    result = run(project, "-o", "llm_anchor=v1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *3.3* % worse than baseline 'main'*", "E *6.* % worse than the anchor 'v1' (*) in all"]
    )


def test_a_baseline_that_cannot_be_written_fails_the_session(project: pytest.Pytester) -> None:
    project.path.joinpath("llm_baselines").write_text("in the way")
    result = run(project, "--llm-update-baselines")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["*test_it.py::test_prose: the baseline llm_baselines*could not be written: *"])
    result.stdout.no_fnmatch_line("* written:")


def test_a_later_test_reads_what_was_recorded_before_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it=TEST
        + """
    from pathlib import Path

    def test_same_text(llm):
        (path,) = Path(__file__).parent.glob("llm_baselines/main/test_it/test_prose.*.json")
        assert_no_regression(llm, TEXTS, baseline=path)
    """
    )
    run(project, "--llm-update-baselines").assert_outcomes(passed=2)
