"""Promise: counter-examples of attacks are kept and tried first, as those of Hypothesis are; what a test allows is no news."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.edit import Edit
from tests.behaviour.corpora import FILE, LLM, TEXT, stored, with_entries

ATTACK = """
    from pytest_llm import assert_robust
    from pytest_llm.adversarial.operation import Operation, of_words

    UPPER = Operation("test.upper", "character", "likely", 1, of_words(lambda word: [word.upper()]))

    def test_upper(llm):
        assert_robust(llm, ["a good film", "no film", "a good play"], attack=UPPER, max_success_rate=0.7)
"""
UPPER = Entry("test_upper", TEXT, (Edit(2, 6, "good", "GOOD", "test.upper"),), relation="invariant_label")
KEPT = Entry("test_upper", TEXT, (Edit(7, 11, "film", "FILM", "test.upper"),), relation="invariant_label")


def fixed(entry: Entry) -> Entry:
    return replace(entry, state="fixed")


@pytest.fixture
def attacked(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(LLM)
    pytester.makepyfile(test_words=ATTACK)
    return pytester


def test_what_an_attack_finds_is_kept_when_asked_for(attacked: pytest.Pytester) -> None:
    result = attacked.runpytest_inprocess("--llm-update-corpus")
    result.assert_outcomes(passed=1)  # two of three texts break, which is allowed
    result.stdout.fnmatch_lines(["*llm corpus: 2 new*"])
    entries = stored(attacked)
    assert {entry.text for entry in entries.values()} == {TEXT, "a good play"}
    assert (
        entries[UPPER.id].observed
        == "{'label': 'good', 'probability': 1.0} became {'label': 'bad', 'probability': 1.0}"
    )
    attacked.runpytest_inprocess().stdout.fnmatch_lines(["*llm corpus: 2 known*"])


def test_what_a_passing_test_allows_is_no_news(attacked: pytest.Pytester) -> None:
    result = attacked.runpytest_inprocess("-rP")
    result.assert_outcomes(passed=1)
    assert "llm corpus: " not in result.stdout.str()
    result.stdout.fnmatch_lines([f"{UPPER.id}: *", "    1. test.upper@2: 'good' → 'GOOD'"])  # who asks sees it
    assert not (attacked.path / FILE).exists()


EXPECTED = """
    import pytest
    from pytest_llm import QualityError

    {decorator}
    def test_expected(llm):
        {catcher}
            assert_robust(llm, ["a good film", "no film", "a good play"], attack=UPPER)
"""


@pytest.mark.parametrize(
    ("decorator", "catcher", "outcome"),
    [
        ("# it passes", "with pytest.raises(QualityError):", "passed"),
        ("@pytest.mark.xfail", "if True:", "xfailed"),
        ("# it fails", "if True:", "failed"),
    ],
)
def test_a_failure_that_a_test_expects_is_no_news(
    pytester: pytest.Pytester, decorator: str, catcher: str, outcome: str
) -> None:
    pytester.makeconftest(LLM)
    pytester.makepyfile(
        test_words=ATTACK.partition("    def test_upper")[0] + EXPECTED.format(decorator=decorator, catcher=catcher)
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(**{outcome: 1})
    assert ("llm corpus: 2 new" in result.stdout.str()) is (outcome == "failed")
    result = pytester.runpytest_inprocess("--llm-update-corpus")
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*llm corpus: 2 new*"])  # whoever keeps them is told what is kept
    assert len(stored(pytester)) == 2


def test_what_a_suspect_pass_finds_is_news(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(LLM)
    pytester.makepyfile(test_words=ATTACK.replace("max_success_rate=0.7", "max_success_rate=0.6"))
    result = pytester.runpytest_inprocess("-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*llm corpus: 2 new*"])
    assert not (pytester.path / FILE).exists()


def test_what_a_suspect_pass_finds_is_no_news_if_its_warning_is_expected(pytester: pytest.Pytester) -> None:
    expected = """
    import pytest
    from pytest_llm import MetricWarning

    def test_expected(llm):
        with pytest.warns(MetricWarning):
            assert_robust(llm, ["a good film", "no film", "a good play"], attack=UPPER, max_success_rate=0.6)
"""
    pytester.makeconftest(LLM)
    pytester.makepyfile(test_words=ATTACK.partition("    def test_upper")[0] + expected)
    result = pytester.runpytest_inprocess("-Wdefault")
    result.assert_outcomes(passed=1)
    assert "llm corpus" not in result.stdout.str()


def test_an_attack_fails_for_what_was_fixed_and_returned_though_the_rate_is_allowed(attacked: pytest.Pytester) -> None:
    result = with_entries(attacked, fixed(UPPER), fixed(KEPT)).runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*not free of what was fixed: {UPPER.id} fails: 'a GOOD film' gives*"])
    result.stdout.fnmatch_lines(["*llm corpus: 1 returned, 1 held*"])


def test_an_attack_goes_on_where_what_was_fixed_holds(attacked: pytest.Pytester) -> None:
    result = with_entries(attacked, fixed(KEPT)).runpytest_inprocess("-vv")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASSED * free of what was fixed: 1 comparison differs by nothing*"])
    result.stdout.fnmatch_lines(["*llm corpus: 1 held*"])


def test_one_counter_example_of_an_attack_is_replayed_without_a_search(attacked: pytest.Pytester) -> None:
    with_entries(attacked, UPPER, KEPT)
    attacked.runpytest_inprocess("--llm-replay", UPPER.id).assert_outcomes(failed=1)
    result = attacked.runpytest_inprocess("--llm-replay", KEPT.id)
    result.assert_outcomes(passed=1)
    assert "attack success rate" not in result.stdout.str()


def test_one_of_a_text_that_is_gone_is_stale(attacked: pytest.Pytester) -> None:
    gone = Entry("test_upper", "a good book", (Edit(2, 6, "good", "GOOD", "test.upper"),), relation="invariant_label")
    result = with_entries(attacked, fixed(gone)).runpytest_inprocess("-Wdefault")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*is stale, and was not tried: its text is no longer among the data*"])


def test_one_that_is_tried_in_one_of_several_attacks_is_not_stale(attacked: pytest.Pytester) -> None:
    both = """
    def test_upper(llm):
        for texts in (["a good film", "no film"], ["a good play", "no play"]):
            assert_robust(llm, texts, attack=UPPER, max_success_rate=0.7)
    """
    attacked.makepyfile(test_words=ATTACK.partition("    def test_upper")[0] + both)
    play = replace(KEPT, text="a good play", edits=(Edit(7, 11, "play", "PLAY", "test.upper"),))
    gone = replace(KEPT, text="a good book", edits=(Edit(7, 11, "book", "BOOK", "test.upper"),))

    result = with_entries(attacked, fixed(KEPT), fixed(play), fixed(gone)).runpytest_inprocess("-Wdefault")

    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines([f"*{gone.id} is stale, and was not tried*", "*llm corpus: 2 held, 1 stale*"])


@pytest.mark.slow
def test_a_worker_tells_of_what_a_suspect_pass_finds(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(LLM)
    pytester.makepyfile(test_words=ATTACK.replace("max_success_rate=0.7", "max_success_rate=0.6"))
    result = pytester.runpytest_inprocess("-Wdefault", "-n2")
    result.stdout.fnmatch_lines(["*llm corpus: 2 new*"])
