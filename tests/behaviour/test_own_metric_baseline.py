"""Promise: a metric of one's own has a baseline as the others do, and a gate that sees it get worse."""

from __future__ import annotations

import pytest

TEST = """
    import os
    from pytest_llm import assert_no_regression, llm_metric

    @llm_metric("above")
    def words_kept(example, output):
        wanted = example.target.split()
        return sum(word in output.split() for word in wanted), len(wanted)

    TARGETS = [f"the {n} cats sat on a mat" for n in range(40)]

    class Echo:
        '''Writes what it reads, but for the words that LOST names.'''

        def generate(self, prompts, decoding):
            lost = os.environ.get("LOST", "").split()
            return [" ".join(word for word in prompt.split() if word not in lost) for prompt in prompts]

    def test_it_keeps_words():
        rows = [{"id": target, "text": target, "target": target} for target in TARGETS]
        assert_no_regression(Echo(), rows, words_kept, tolerance="1pp")
"""


def test_a_metric_of_ones_own_is_held_against_its_baseline(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOST", raising=False)
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest("-p", "no:cacheprovider", "--llm-update-baselines").assert_outcomes(passed=1)
    assert len(list(pytester.path.rglob("llm_baselines/**/*.json"))) == 1
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=1)
    monkeypatch.setenv("LOST", "cats")
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*words_kept 0.8571 is * worse than baseline *"])
