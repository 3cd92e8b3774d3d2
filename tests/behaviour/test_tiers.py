"""Promise: --llm-tier, or the ini key llm_tier, says how much is asked; the report says which tier ran and what it left out."""

from __future__ import annotations

import json

import pytest

from tests.pytest_runs import FEW_PLUGINS

TEST = """
    import pytest
    from pytest_llm import assert_perplexity_below

    TEXTS = [f"text {number}" for number in range(300)]

    def test_all(llm):
        assert assert_perplexity_below(llm, TEXTS, 9).n == 300

    def test_part(llm):
        measurement = assert_perplexity_below(llm, TEXTS, 9)
        assert (measurement.n, measurement.left_out) == (200, 100)
        assert "200 of 300 examples: tier pr" in measurement.data

    def test_few(llm):
        assert_perplexity_below(llm, TEXTS[:100], 9)

    @pytest.mark.llm_nightly
    def test_night(): pass

    @pytest.mark.llm_tier("weekly")
    def test_week(): pass
"""


def outcomes(result: pytest.RunResult, count: int = 5) -> dict[str, str]:
    lines = [
        line.split() for line in result.outlines if "::test_" in line and not line.startswith(("FAILED", "PASSED"))
    ]
    found = {line[0].partition("::test_")[2]: line[1] for line in lines}
    assert len(found) == count
    return found


def test_a_smaller_tier_sees_a_part_and_says_so(project: pytest.Pytester) -> None:
    project.makepyfile(TEST)
    result = project.runpytest_inprocess("--llm-tier=pr", "-v", "--llm-json=run.json", "-rs")
    assert outcomes(result) == {
        "all": "FAILED",
        "part": "PASSED",
        "few": "PASSED",
        "night": "SKIPPED",
        "week": "SKIPPED",
    }
    result.stdout.fnmatch_lines(
        [
            "llm tier: pr (limit=200)",
            "tier pr: 2 measurements are of a part of the data (tier pr): no baseline, and no proof for the rest",
            "SKIPPED *: runs nightly, and this is tier pr: pass --llm-nightly",
            "SKIPPED *: runs in tier weekly, and this is tier pr: pass --llm-tier weekly",
        ]
    )
    assert json.loads((project.path / "run.json").read_text())["recorded"]["tier"] == "pr"


@pytest.mark.parametrize(
    ("arguments", "ini", "weekly"),
    [
        (["--llm-nightly"], "", "SKIPPED"),
        (["--llm-tier=nightly"], "llm_tier = pr", "SKIPPED"),
        (["--llm-nightly"], "llm_tier = pr", "SKIPPED"),
        ([], "llm_tier = weekly", "PASSED"),
        (["--llm-nightly", "--llm-tier=weekly"], "", "PASSED"),
    ],
)
def test_larger_tiers_see_everything(project: pytest.Pytester, arguments: list[str], ini: str, weekly: str) -> None:
    project.makepyfile(TEST)
    project.makeini(f"[pytest]\n{ini}\n")
    result = project.runpytest_inprocess("-v", *arguments)
    assert outcomes(result) == {
        "all": "PASSED",
        "part": "FAILED",
        "few": "PASSED",
        "night": "PASSED",
        "week": weekly,
    }
    assert "of a part of the data" not in result.stdout.str()


def test_without_a_tier_all_is_as_it_was(project: pytest.Pytester) -> None:
    project.makepyfile(TEST)
    result = project.runpytest_inprocess("-v")
    assert outcomes(result) == {
        "all": "PASSED",
        "part": "FAILED",
        "few": "PASSED",
        "night": "SKIPPED",
        "week": "SKIPPED",
    }
    assert "llm tier:" not in result.stdout.str()


@pytest.mark.parametrize("limit", ["all", "300"])
def test_an_option_wins_over_the_tier(project: pytest.Pytester, limit: str) -> None:
    project.makepyfile(TEST)
    result = project.runpytest_inprocess("--llm-tier=pr", f"--llm-limit={limit}", "-v")
    assert outcomes(result)["all"] == "PASSED"


def test_tiers_of_ones_own_with_a_stop_and_a_budget(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nllm_budget = 1h\nllm_tiers =\n  quick: limit=10%, stop=certain, budget=2min\n  nightly:\n"
    )
    pytester.makepyfile(
        """
        from pytest_llm.data.sampling import current_sample
        from pytest_llm.inference import time_budget
        from pytest_llm.stopping.mode import chosen

        def test_it():
            print("asked", current_sample().size, chosen(None), time_budget._of_each.get())
        """
    )
    pytester.runpytest_inprocess("--llm-tier=quick", "-s").stdout.fnmatch_lines(["*asked 0.1 certain 120.0*"])
    result = pytester.runpytest_inprocess("--llm-tier=quick", "-s", "--llm-stop=off", "--llm-budget=7", "--llm-limit=9")
    result.stdout.fnmatch_lines(["llm tier: quick (limit=10%, stop=certain, budget=2min)", "*asked 9 off 7.0*"])


@pytest.mark.parametrize(
    ("arguments", "ini", "message"),
    [
        (["--llm-tier=daily"], "", "--llm-tier: tier 'daily': expected one of pr, nightly, weekly"),
        ([], "llm_tier = daily", "ini key llm_tier: tier 'daily': expected one of pr, nightly, weekly"),
        (["--llm-nightly"], "llm_tiers = pr:", "ini key llm_tiers: there is no tier 'nightly'*"),
        (["--llm-tier=pr", "--llm-nightly"], "", "--llm-nightly and --llm-tier pr contradict each other*"),
    ],
)
def test_nonsense_is_a_usage_error(pytester: pytest.Pytester, arguments: list[str], ini: str, message: str) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    result = pytester.runpytest_inprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])


@pytest.mark.parametrize("arguments", ["'daily'", "3", "", "'pr', 'nightly'"])
def test_a_marker_that_names_no_tier_is_a_usage_error(pytester: pytest.Pytester, arguments: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.llm_tier({arguments})\ndef test_it(): pass\n")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *::test_it: *llm_tier*"])


def test_workers_run_the_tier_and_the_controller_says_so(project: pytest.Pytester) -> None:
    project.makepyfile(TEST)
    result = project.runpytest_subprocess("--llm-tier=pr", "-n", "2", *FEW_PLUGINS)
    result.assert_outcomes(passed=2, failed=1, skipped=2)
    result.stdout.fnmatch_lines(["tier pr: 2 measurements are of a part of the data (tier pr): *"])
