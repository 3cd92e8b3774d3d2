"""Promise: run-to-run noise is measured when asked for, never looked up, and stays in sight of the tolerance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

MODEL = """
    import os
    import pytest

    class Model:
        '''Loses a little more or less each time it is asked, and could be remembered: it reads windows and has a fingerprint.'''

        name, max_length, prefix_token, asked = "model", 100, 0, 0

        def fingerprint(self):
            return 1

        def encode(self, texts):
            return [[ord(character) for character in text] for text in texts]

        def score_windows(self, windows):
            noise = float(os.environ["NOISE"]) * [0, 1, 3, -2, 4, -1, 0][self.asked % 7]
            self.asked += 1
            return [[-2 - noise] * window.scored for window in windows]

    MODELS = Model()

    @pytest.fixture(scope="session")
    def llm():
        return MODELS

    def pytest_unconfigure():
        print("asked", MODELS.asked, "times")
"""
TEST = """
    import pytest
    from pytest_llm import assert_no_regression

    TEXTS = ["a" * n for n in range(3, 43)]

    def test_prose(llm):
        assert_no_regression(llm, TEXTS)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("NOISE", "0.002")
    pytester.makeconftest(MODEL)
    pytester.makepyfile(test_it=TEST)
    run(pytester, "--llm-update-baselines").assert_outcomes(passed=1)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest("-p", "no:cacheprovider", "-vv", *arguments)


def stored(project: pytest.Pytester) -> Path:
    (path,) = project.path.rglob("llm_baselines/**/*.json")
    return path


def noise(project: pytest.Pytester) -> list[float]:
    return list(json.loads(stored(project).read_text())["noise"]["runs"])


def test_the_model_is_asked_so_often_and_the_noise_is_stored(project: pytest.Pytester) -> None:
    arrays = stored(project).with_suffix(".npz").read_bytes()
    result = run(project, "--llm-calibrate=5")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "PASSED * calibrated: 5 runs, standard deviation 0.0*; "
            "run-to-run noise alone does 2.* %: tolerance='2.*%' is above that*",
            "asked 6 times",
        ]
    )
    assert len(set(noise(project))) == 5
    assert stored(project).with_suffix(".npz").read_bytes() == arrays


def test_later_verdicts_say_that_the_tolerance_is_below_it(project: pytest.Pytester) -> None:
    run(project, "--llm-calibrate=5")
    result = run(project)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["PASSED * 1 % is tolerated; run-to-run noise alone does 2.* %: tolerance='2.*%' is above*"]
    )
    project.makepyfile(test_it=TEST.replace("TEXTS)", "TEXTS, tolerance='3%')"))
    run(project).stdout.no_fnmatch_line("*run-to-run noise*")


def test_noise_below_the_tolerance_is_said_once(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISE", "0.0002")
    result = run(project, "--llm-calibrate=5")
    result.stdout.fnmatch_lines(
        ["PASSED *calibrated: 5 runs*: two of an unchanged model differ by 0.2* % or less, which 1 % is above *"]
    )
    run(project).stdout.no_fnmatch_line("*run-to-run noise*")


def test_a_model_that_always_says_the_same_has_none(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOISE", "0")
    run(project, "--llm-calibrate=3").stdout.fnmatch_lines(["PASSED *; calibrated: 3 runs gave the same value *"])
    assert len(noise(project)) == 3


def test_a_baseline_that_is_recorded_is_calibrated_too_and_keeps_its_noise(project: pytest.Pytester) -> None:
    result = run(project, "--llm-update-baselines=all", "--llm-calibrate=4")
    result.stdout.fnmatch_lines(["RECORDED * is now baseline 'main'; *; calibrated: 4 runs, standard deviation *"])
    before = noise(project)
    run(project, "--llm-update-baselines=all").assert_outcomes(passed=1)
    assert noise(project) == before


def test_markers_calibrate_too(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it=TEST.replace("def test", '@pytest.mark.llm_no_regression("perplexity")\n    def test')
        .replace("(llm)", "(llm_measure)")
        .replace("assert_no_regression(llm, TEXTS)", "llm_measure('perplexity', TEXTS)")
    )
    run(project, "--llm-calibrate=3").stdout.fnmatch_lines(["PASSED *; calibrated: 3 runs, *", "asked 4 times"])


def test_without_a_baseline_nothing_is_asked_again(project: pytest.Pytester) -> None:
    stored(project).unlink()
    result = run(project, "--llm-calibrate=3")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["asked 1 times"])


def test_a_part_of_the_data_has_another_noise(project: pytest.Pytester) -> None:
    run(project, "--llm-calibrate=3", "--llm-limit=20").stdout.fnmatch_lines(["*not calibrated: a part of the data *"])


def test_outputs_that_were_given_cannot_be_asked_again(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it=TEST.replace("llm, TEXTS", "['a'] * 40, ['a'] * 40, 'exact_match'").replace("(llm)", "()")
    )
    stored(project).unlink()
    run(project, "--llm-update-baselines").assert_outcomes(passed=1)
    run(project, "--llm-calibrate=3").stdout.fnmatch_lines(["*; not calibrated: outputs were given, *"])


@pytest.mark.parametrize("runs", ["1", "-3", "many", "2.5"])
def test_a_number_that_is_none_is_a_usage_error(project: pytest.Pytester, runs: str) -> None:
    result = run(project, f"--llm-calibrate={runs}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"*--llm-calibrate: '{runs}': expected how often each model is asked again, at least 2*"]
    )
