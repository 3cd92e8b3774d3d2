"""Promise: a gate stops early only where that is asked for, says so, and stops at the same place whatever else runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pytest_runs import FEW_PLUGINS

MODEL = """
    import math, os
    import pytest

    TEXTS = ["a" * (5 + n % 40) + str(n) for n in range(1200)]

    class Model:
        '''Loses so many nats a token as LOSS says, a little more on some texts; and a nat on one text in fifty if WRECKED.'''

        def __init__(self, loss, wrecked):
            self.loss, self.wrecked, self.asked = loss, wrecked, 0

        def nats(self, text):
            n = int(text.lstrip("a"))
            return 2 + n % 7 / 10 + self.loss + (n * 37 % 11 - 5) / 2000 * bool(self.loss) + self.wrecked * (n % 50 == 7)

        def score(self, texts):
            self.asked += len(texts)
            return [[-self.nats(text)] * len(text) for text in texts]

    @pytest.fixture
    def llm():
        return Model(float(os.environ.get("LOSS", "0")), float(os.environ.get("WRECKED", "0")))
"""
TEST = """
    import os
    from conftest import TEXTS
    from pytest_llm import assert_no_regression

    def test_prose(llm):
        rows = TEXTS[::-1] if os.environ.get("REVERSED") else TEXTS
        measured = assert_no_regression(llm, rows)
        print("asked about", llm.asked)

    def test_other(llm):
        pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("LOSS", "WRECKED", "REVERSED"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest(MODEL)
    pytester.makepyfile(test_it=TEST)
    return pytester


@pytest.fixture
def recorded(project: pytest.Pytester) -> pytest.Pytester:
    run(project, "--llm-update-baselines").assert_outcomes(passed=2)
    return project


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", "no:cacheprovider", "-s", "-vv", *arguments)


def said(result: pytest.RunResult) -> list[str]:
    """What the run says of quality."""
    told = ("PASSED       ", "REGRESSED    ", "SUSPECT      ", "E  ")
    return [line for line in result.outlines if line.startswith(told) or "asked about" in line]


def test_by_default_all_of_the_data_is_seen(recorded: pytest.Pytester) -> None:
    result = run(recorded)
    result.stdout.fnmatch_lines(["*asked about 1200", "PASSED * is that of baseline 'main': 1 % is tolerated*"])
    assert said(run(recorded, "--llm-stop=off")) == said(result)


def test_no_change_passes_early_and_the_verdict_says_so(recorded: pytest.Pytester) -> None:
    result = run(recorded, "--llm-stop=sequential")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*asked about 320"])
    result.stdout.fnmatch_lines(
        [
            "PASSED * perplexity is at most 0.* % worse than baseline 'main' on all of the data: 1 % is tolerated, "
            "after 320 of 1200 documents (* % of their length): a full run would disagree with probability 1 % at most*"
        ]
    )


def test_a_large_loss_fails_early(recorded: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSS", "0.05")
    result = run(recorded, "--llm-stop=sequential")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *QualityError: perplexity is at least 5.* % worse than baseline 'main' on all of the data: *after 320 of 1200*",
            "E *interval * worse to * worse on all 1200 documents (99 % each side, whenever it stops)",
            "E *measured   320 examples, *: 320 worse, 0 better",
            "E *lost most *",
        ]
    )


def test_an_assertion_of_its_own_mind_is_not_overruled(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=TEST.replace("rows)", "rows, early_stop='off')"))
    run(recorded, "--llm-stop=sequential").stdout.fnmatch_lines(["*asked about 1200"])
    recorded.makepyfile(test_it=TEST.replace("rows)", "rows, early_stop='sequential')"))
    run(recorded).stdout.fnmatch_lines(["*asked about 320"])


def test_wrecked_documents_do_not_pass_early(recorded: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRECKED", "1.0")
    result = run(recorded, "--llm-stop=sequential")
    result.assert_outcomes(passed=1, failed=1)
    full = run(recorded)
    full.stdout.fnmatch_lines(["REGRESSED * worse than baseline 'main'*"])


def test_the_order_of_rows_changes_nothing(recorded: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    first = said(run(recorded, "--llm-stop=sequential"))
    monkeypatch.setenv("REVERSED", "1")
    assert said(run(recorded, "--llm-stop=sequential")) == first


def test_a_second_run_and_a_part_of_the_suite_say_the_same(recorded: pytest.Pytester) -> None:
    first = said(run(recorded, "--llm-stop=sequential"))
    assert len(first) == 2
    assert said(run(recorded, "--llm-stop=sequential")) == first
    assert said(run(recorded, "--llm-stop=sequential", "-k", "prose")) == first


def test_workers_say_the_same(recorded: pytest.Pytester) -> None:
    verdicts = [line for line in said(run(recorded, "--llm-stop=sequential")) if line.startswith("PASSED       ")]
    workers = recorded.runpytest_subprocess(*FEW_PLUGINS, "-n", "2", "-vv", "--llm-stop=sequential")
    assert [line for line in workers.outlines if line.startswith("PASSED       ")] == verdicts


def test_a_run_that_records_sees_everything(project: pytest.Pytester) -> None:
    run(project, "--llm-update-baselines", "--llm-stop=sequential").stdout.fnmatch_lines(["*asked about 1200"])
    files = {path: path.read_bytes() for path in Path(project.path).rglob("llm_baselines/**/*.json")}
    assert len(files) == 1
    run(project, "--llm-update-baselines=all")
    assert {path: path.read_bytes() for path in files} == files


def test_other_texts_than_the_baselines_are_said_as_ever(recorded: pytest.Pytester) -> None:
    recorded.makepyfile(test_it=TEST.replace("measured = ", "rows = rows[:-3]; measured = "))
    result = run(recorded, "--llm-stop=sequential")
    result.stdout.fnmatch_lines(["*cannot be compared with baseline 'main' *: not the same data"])
    result.stdout.fnmatch_lines(["*data: 3 examples only in the baseline: *"])


def test_strictness_takes_proof_and_all_of_the_data(recorded: pytest.Pytester) -> None:
    run(recorded, "--llm-stop=sequential", "--llm-strict").stdout.fnmatch_lines(["*asked about 1200"])


LIMITS = """
    import pytest
    from conftest import TEXTS
    from pytest_llm import assert_perplexity_below, assert_exact_match_above, measure, Limit, judge

    class Answers:
        asked = 0

        def generate(self, prompts, decoding):
            Answers.asked += len(prompts)
            return ["yes" if len(prompt) % 10 else "no" for prompt in prompts]

    def test_fails_early(llm):
        assert_perplexity_below(llm, TEXTS, 5)

    def test_passes_early():
        rows = [{"text": text, "target": "yes"} for text in TEXTS]
        assert_exact_match_above(Answers(), rows, 0.7)
        print("asked for", Answers.asked)

    def test_small(llm):
        assert_perplexity_below(llm, TEXTS[:300], 20)
        print("asked about", llm.asked)

    @pytest.mark.llm_threshold(exact_match_above=0.5)
    def test_marker():
        rows = [{"text": text, "target": "yes"} for text in TEXTS]
        assert_exact_match_above(Answers(), rows, 0.7)
"""


def test_limits_stop_early_too_and_no_other_limit_is_judged_by_it(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=LIMITS)
    result = run(project, "--llm-stop=sequential")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*asked for 320",
            "*asked about 300",
            "E *perplexity is not below 5: * to * on all of the data, after 320 of 1200 documents*",
            "exact_match was measured on 320 of 1200 documents, until another gate was decided: it cannot be judged by this one",
            "*to change  measure all of the data, with early_stop='off' on the assertion that measured it",
        ]
    )


def test_an_unknown_mode_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--llm-stop=soon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
