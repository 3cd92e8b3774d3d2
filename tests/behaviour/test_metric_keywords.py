"""Promise: every metric can be measured by `llm_measure` and has a keyword in `llm_threshold`, on its good side only."""

from __future__ import annotations

import pytest

from pytest_llm import MisuseError
from pytest_llm.markers import llm_threshold
from pytest_llm.metrics import METRICS


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_has_a_keyword_on_its_good_side_only(name: str) -> None:
    good = METRICS[name].good
    bad = {"below": "above", "above": "below"}[good]
    limit = llm_threshold(**{f"{name}_{good}": 0.5}).limits[name].limit
    assert (limit.side, limit.value) == (good, 0.5)
    with pytest.raises(MisuseError, match=f"unknown limit '{name}_{bad}'"):
        llm_threshold(**{f"{name}_{bad}": 0.5})


WRITER = """
    import pytest
    from pytest_llm import Classify, Engine, Generate

    ROWS = [{"text": "eins", "target": "one"}, {"text": "zwei", "target": "two"}]

    class Dictionary:
        calls = []

        def generate(self, prompts, decoding):
            self.calls.append(len(prompts))
            return [{"German: eins": " one", "German: zwei": " 2"}[prompt] for prompt in prompts]

        def classify(self, texts):
            return [{"one": 0.9, "two": 0.1} for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Dictionary()
"""


def test_task_engine_and_settings_are_passed_on(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(WRITER)
    pytester.makepyfile(
        """
import pytest
from conftest import ROWS, Dictionary
from pytest_llm import Engine, Generate

@pytest.mark.llm_threshold(exact_match_above=0.4, wer_below=0.1, accuracy_above=0.4)
def test_it(llm_measure):
    german = Generate("German: {text}")
    assert llm_measure("exact_match", ROWS, task=german, engine=Engine(deterministic=True)).value == 0.5
    assert Dictionary.calls == [1, 1]
    assert llm_measure("wer", ROWS, task=german, transform="basic").value == 0.5
    assert llm_measure("accuracy", ROWS).value == 0.5
"""
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-vv")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["wer 0.5 is not below 0.1: *", "*worst*1  #1  '2', wanted 'two'"])
    result.stdout.fnmatch_lines(
        ["PASSED * exact_match 0.5 is above 0.4*", "PASSED * accuracy 0.5 is*", "FAILED * wer 0.5 is*"]
    )


def test_outputs_stand_in_the_place_of_the_model(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import pytest

@pytest.mark.llm_threshold(mrr_above=0.7, entity_f1_above=0.9, bleu_above=30)
def test_it(llm_measure):
    llm_measure("mrr", [["a"], ["b"]], model=[["a", "b"], ["a", "b"]])
    llm_measure("entity_f1", [["B-X", "O"]], model=[["B-X", "O"]])
    llm_measure("bleu", ["the cat sat on the mat"], model=["the cat sat on the mat"])
"""
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
