"""Promise: many gates may share one alpha, by a number that is declared, and no selection of tests changes what a test says."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.pytest_runs import FEW_PLUGINS

# Forty texts lose 0.02 nats a token, some more and some less: p is 1e-6, 0.0029 and 0.035. One test loses nothing.
SUITE = """
    import pytest
    from pytest_llm import assert_no_regression

    TEXTS = ["a" * n for n in range(3, 43)]

    class Model:
        def __init__(self, loss, spread):
            self.loss, self.spread = loss, spread

        def score(self, texts):
            return [[-2 - self.loss - self.spread * (len(text) % 4 - 1.5)] * 10 for text in texts]

    SPREADS = {"clear": 0.02, "likely": 0.0383, "faint": 0.06}

    @pytest.mark.filterwarnings("ignore::pytest_llm.MetricWarning")
    @pytest.mark.parametrize("name", SPREADS)
    def test_worse(name):
        assert_no_regression(Model(0.02, SPREADS[name]), TEXTS, reference=Model(0, 0))

    def test_equal():
        assert_no_regression(Model(0, 0), TEXTS, reference=Model(0, 0))
"""
LATE = re.compile(r"REGRESSED .*p = ([\d.e-]+), adjusted ([\d.e-]+), though its test passed: the session fails")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_it=SUITE)
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest("-p", "no:cacheprovider", "-vv", *arguments)


HOLM = ("--llm-correction=holm", "-o")


def test_without_it_the_summary_says_how_often_chance_fails_so_many(suite: pytest.Pytester) -> None:
    result = run(suite)
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines(
        ["4 population gates at alpha 0.01: an unchanged model fails at least one with probability ≤ 3.94 % (≤ 4 % *"]
    )


def test_each_test_has_its_share_of_alpha(suite: pytest.Pytester) -> None:
    result = run(suite, *HOLM, "llm_gates=20")
    result.assert_outcomes(failed=1, passed=3)
    result.stdout.fnmatch_lines(["*SUSPECT*(p = 0.0*, alpha 0.01 shared by 20 gates)*test_worse?likely?]"])
    result.stdout.fnmatch_lines(["Holm's correction over 20 gates (llm_gates), 4 of which ran"])
    result.stdout.no_fnmatch_line("*the session fails*")


@pytest.mark.parametrize("workers", [(), ("-n", "2", *FEW_PLUGINS)], ids=["one process", "two workers"])
def test_what_all_together_show_fails_the_session(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """At a quarter of alpha the second one passes; beside the first, only three are left to share it."""
    result = run(suite, *HOLM, "llm_gates=4", "--junit-xml", "run.xml", *workers)
    result.assert_outcomes(failed=1, passed=3)
    result.stdout.re_match_lines([LATE.pattern + r".*test_worse\[likely\]\]"])
    said = [one.get("value", "") for one in ElementTree.parse(suite.path / "run.xml").iter("property")]
    assert any(LATE.match(value) and "test_worse[likely]" in value for value in said), said
    assert any(re.match(r"suspect: .*alpha 0.01 shared by 4 gates", value) for value in said)


def test_a_selection_of_tests_fails_none_of_them(suite: pytest.Pytester) -> None:
    result = run(suite, *HOLM, "llm_gates=4", "-k", "likely")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["Holm's correction over 4 gates (llm_gates), 1 of which ran"])


def test_how_many_gates_there_are_has_to_be_declared(suite: pytest.Pytester) -> None:
    for declared in ("", "-3", "many", "0"):
        result = run(suite, *HOLM, f"llm_gates={declared}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*the ini key llm_gates is '{declared}'; write there how many gates *"])


def test_and_all_of_them(suite: pytest.Pytester) -> None:
    again = '\n    @pytest.mark.parametrize("again", range(2))\n    def test_equal(again):'
    suite.makepyfile(test_it=SUITE.replace("\n    def test_equal():", again))
    result = run(suite, *HOLM, "llm_gates=1", "-k", "equal", "-q")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["ERROR * 2 gates ran, and llm_gates declares 1: declare them all"])
