"""Robustness gates on victims whose weakness is planted: what breaks, what is skipped, what chance has to do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_llm import (
    Classify,
    MetricWarning,
    MisuseError,
    Outcome,
    QualityError,
    assert_minimum_functionality,
    assert_no_robustness_regression,
    assert_robust,
)
from pytest_llm.adversarial.corpus import Entry
from pytest_llm.adversarial.current_corpus import CorpusOfTest, on_corpus
from pytest_llm.adversarial.edit import Edit
from pytest_llm.adversarial.operation import Operation, of_words
from pytest_llm.adversarial.relations.label import InvariantLabel
from pytest_llm.adversarial.table import Budget
from pytest_llm.recording import recording

UPPER = Operation("test.upper", "character", "likely", 1, of_words(lambda word: [word.upper()]))
NEGATED = Operation("test.not", "word", "no", 1, of_words(lambda word: [f"not {word}"]))


class Reader:
    """Knows a few words, one of which is enough to make a text positive; counts its calls."""

    def __init__(self, *known: str) -> None:
        self.known, self.name, self.calls = known, f"knows {'+'.join(known)}", 0

    def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        self.calls += 1
        shares = [sum(word in text.split() for word in self.known) / len(self.known) for text in texts]
        return [{"positive": 0.05 + 0.9 * share, "negative": 0.95 - 0.9 * share} for share in shares]


def texts(fine: int, weak: int = 0, wrong: int = 0) -> list[dict[str, Any]]:
    """Texts with three, with two and with none of the words that `Reader("good", "kind", "warm")` knows."""
    rows = [f"a good kind warm film number {place}" for place in range(fine)]
    rows += [f"a good kind cold film number {place}" for place in range(weak)]
    rows += [f"a dull film number {place}" for place in range(wrong)]
    return [{"text": text, "target": "positive"} for text in rows]


READER = Reader("good", "kind", "warm")
ONE = Budget(max_edits=1)


def test_the_rate_is_of_texts_that_are_right_without_edits() -> None:
    with pytest.raises(QualityError) as failure:
        assert_robust(READER, texts(6, weak=12, wrong=2), attack=UPPER, budget=ONE, max_success_rate=0.1)
    verdict = failure.value.verdict
    assert verdict.outcome is Outcome.FAILED
    assert verdict.measurement.value == 12 / 18
    said = str(verdict)
    assert said.startswith("attack success rate 0.6667 is over 0.1: 12 of 18 texts break; p = ")
    assert "18 texts, 2 more skipped: wrong without any edit" in said
    assert "control, without edits: 0 of 18 break" in said


def test_a_counter_example_shows_both_texts_the_edits_and_what_came_out() -> None:
    with pytest.raises(QualityError) as failure:
        assert_robust(READER, texts(0, weak=3), attack="unicode.zerowidth", strict=True)
    said = str(failure.value).splitlines()
    found = next(place for place, line in enumerate(said) if line.strip().startswith("broken"))
    shown = "\n".join(said[found : found + 6])
    assert "#0: 1 edit, no fewer edits break it;" in shown
    assert "- a good kind cold film number 0   label 'positive', probability 0.65" in shown
    assert "<U+200B ZERO WIDTH SPACE>" in shown
    assert "label 'negative', probability 0.65" in shown
    assert "1. unicode.zerowidth@" in shown
    assert "asked about alone, it breaks too" in shown


def test_a_pass_says_whether_all_edits_were_tried() -> None:
    data = texts(5)
    with recording() as recorder:
        assert_robust(READER, data, attack=UPPER, budget=ONE)
        assert_robust(READER, data, attack=UPPER, budget=ONE, queries=4)
    exact, bound = (verdict.sentence for verdict in recorder.verdicts)
    assert exact == (
        "attack success rate 0 is at most 0: 0 of 5 texts break (exact: all edits of the budget were tried)"
    )
    assert bound.endswith("(a lower bound: 5 of those that hold were not searched to the end)")


def test_two_edits_break_what_one_does_not() -> None:
    data = texts(12)
    assert assert_robust(READER, data, attack=UPPER, budget=ONE).value == 0
    with pytest.raises(QualityError, match="12 of 12 texts break"):
        assert_robust(READER, data, attack=UPPER, budget=Budget(max_edits=2))


def test_what_may_be_chance_warns_and_strict_fails_it() -> None:
    data = texts(8, weak=2)
    with pytest.warns(
        MetricWarning, match=r"0.2 is over 0.1: 2 of 10 texts break; a rate of 0.1 shows as many by chance"
    ):
        assert_robust(READER, data, attack=UPPER, budget=ONE, max_success_rate=0.1)
    with pytest.raises(QualityError, match="2 of 10 texts break"):
        assert_robust(READER, data, attack=UPPER, budget=ONE, max_success_rate=0.1, strict=True)


def test_confidence_asks_for_proof() -> None:
    with pytest.raises(QualityError) as failure:
        assert_robust(READER, texts(10), attack=UPPER, budget=ONE, max_success_rate=0.1, confidence=0.95)
    assert failure.value.verdict.outcome is Outcome.INCONCLUSIVE
    assert "not proven at most 0.1: 0 of 10 texts break; the 95 % upper bound is 0.2589; about" in str(failure.value)
    assert_robust(READER, texts(40), attack=UPPER, budget=ONE, max_success_rate=0.1, confidence=0.95)


def test_texts_of_one_cluster_are_no_proof_of_each_other() -> None:
    data = [{**row, "book": f"book {place // 4}"} for place, row in enumerate(texts(0, weak=12))]
    with recording() as recorder, pytest.raises(QualityError):
        assert_robust(READER, data, attack=UPPER, budget=ONE, cluster="book")
    estimate = recorder.measurements[0].estimate
    assert estimate is not None
    assert estimate.units == 3


def test_all_texts_are_searched_side_by_side() -> None:
    few, many = Reader("good", "kind", "warm"), Reader("good", "kind", "warm")
    assert_robust(few, texts(2), attack=UPPER, budget=ONE)
    assert_robust(many, texts(40), attack=UPPER, budget=ONE)
    assert few.calls == many.calls


def test_an_answer_that_changes_without_edits_is_no_finding() -> None:
    class Moody(Reader):
        """Another mood after its first words."""

        def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
            if self.calls == 0:
                return super().classify(texts)
            self.calls += 1
            return [{"positive": 0.4, "negative": 0.6} for _ in texts]

    with pytest.raises(QualityError) as failure:
        assert_robust(Moody("good", "kind", "warm"), texts(12), attack=UPPER, strict=True)
    assert failure.value.verdict.outcome in (Outcome.INCONCLUSIVE, Outcome.ERROR)


def test_a_flip_by_less_than_the_tolerance_is_none() -> None:
    data = texts(0, weak=12)
    wide = InvariantLabel(tolerance=0.5)
    assert assert_robust(READER, data, attack=UPPER, budget=ONE, relation=wide).value == 0


def test_nothing_right_is_an_error() -> None:
    with pytest.raises(QualityError, match="has no value: all 3 texts are wrong without any edit"):
        assert_robust(READER, texts(0, wrong=3), attack=UPPER)


def test_edits_that_change_the_meaning_are_refused_where_it_has_to_stay() -> None:
    with pytest.raises(MisuseError, match=r"test.not may change what a text means, so that invariant_label cannot"):
        assert_robust(READER, texts(1), attack=NEGATED)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"attack": ()}, "names no kind of edit"),
        ({"attack": "typos"}, "no operation 'typos'"),
        ({"attack": [3]}, "expected operations, or names"),
        ({"attack": UPPER, "max_success_rate": 1.0}, "expected a share of the texts"),
        ({"attack": UPPER, "alpha": 0}, "expected a small probability"),
        ({"attack": UPPER, "confidence": 0.95, "strict": True}, "give one of the two"),
        ({"attack": UPPER, "queries": 0}, "expected a whole number"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        assert_robust(READER, texts(1), **wrong)


def test_simple_cases_have_to_be_right() -> None:
    cases = texts(9, wrong=1)
    assert assert_minimum_functionality(READER, cases[:9]).value == 0
    with pytest.raises(QualityError) as failure:
        assert_minimum_functionality(READER, cases)
    assert "failure rate 0.1 is over 0: 1 of 10 cases break" in str(failure.value)
    assert "#9  'a dull film number 0'  'negative', wanted 'positive'" in str(failure.value)
    assert assert_minimum_functionality(["positive"] * 10, cases).value == 0
    with pytest.raises(MisuseError, match="has no target"):
        assert_minimum_functionality(READER, ["a film"], task=Classify())


def test_a_new_model_that_breaks_more_often_is_a_regression() -> None:
    """The old one reads capitals; both have the clean texts right."""

    class CaseBlind(Reader):
        def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
            return super().classify([text.lower() for text in texts])

    old, new, data = CaseBlind("good"), Reader("good"), texts(12)
    assert_no_robustness_regression(old, new, data, attack=UPPER, budget=ONE)
    with pytest.raises(QualityError) as failure:
        assert_no_robustness_regression(new, old, data, attack=UPPER, budget=ONE)
    assert failure.value.verdict.outcome is Outcome.REGRESSED
    said = str(failure.value)
    assert said.startswith("attack_success_rate 1 is 1 worse than the old model (0): 0.05 is tolerated, p = 0.00024")
    assert "0 of the 12 counter-examples of the new model break the other one too" in said


def test_models_that_have_no_text_right_together_cannot_be_compared() -> None:
    with pytest.raises(MisuseError, match="no text is right for both"):
        assert_no_robustness_regression(READER, Reader("dull"), texts(2), attack=UPPER)


def corpus_of(*rows: Mapping[str, Any], word: str = "good", operation: str = "test.upper", **more: Any) -> CorpusOfTest:
    """Open counter-examples of these texts: a word in capitals."""
    entries = []
    for row in rows:
        at = row["text"].index(word)
        edit = Edit(at, at + len(word), word, word.upper(), operation)
        entries.append(Entry("test_it", row["text"], (edit,), "invariant_label", **more))
    return CorpusOfTest("test_it", Path("llm_corpus/test_it.jsonl"), entries=tuple(entries))


@pytest.mark.parametrize("state", ["open", "accepted"])
def test_over_the_limit_only_what_is_new_fails(state: str) -> None:
    data = texts(6, weak=6)
    with recording() as recorder, on_corpus(lambda: corpus_of(*data[6:], state=state)):
        assert_robust(READER, data, attack=UPPER, budget=ONE, max_success_rate=0.1)
    (verdict,) = recorder.verdicts
    assert verdict.sentence.startswith(
        "attack success rate 0.5 is over 0.1, by nothing new: 6 of 12 texts break, all by known"
    )
    assert next(iter(verdict.evidence())) == (
        "set aside",
        "6 texts that known counter-examples break: 0.5 with them, 0 without",
    )
    assert (verdict.held_to, verdict.spare, verdict.chance) == ("at most 0.1, 6 known", "−0.4", None)
    assert "a good kind" not in str(verdict)


def test_what_is_known_uses_up_what_is_allowed() -> None:
    """One new text of ten would be allowed; with five that are known it is not."""
    data = texts(4, weak=6)
    with pytest.raises(QualityError) as failure, on_corpus(lambda: corpus_of(*data[4:9])):
        assert_robust(READER, data, attack=UPPER, budget=ONE, max_success_rate=0.1)
    said = str(failure.value)
    assert said.startswith("attack success rate 0.6 is over 0.1: 6 of 10 texts break, 1 of them anew; p = 0.00015")
    assert "5 texts that known counter-examples break: 0.6 with them, 0.1 without" in said
    assert "film number 5" in said
    assert "film number 4" not in said


def test_the_interval_is_that_of_all_texts() -> None:
    data = texts(6, weak=6)
    measured = []
    for corpus in (corpus_of(), corpus_of(*data[6:])):
        with on_corpus(lambda corpus=corpus: corpus):  # type: ignore[misc]
            measured.append(assert_robust(READER, data, attack=UPPER, budget=ONE, max_success_rate=0.6))
    estimates = [one.estimate for one in measured]
    assert estimates[0] == estimates[1] is not None
    assert [one.value for one in measured] == [0.5, 0.5]


def test_a_proof_about_other_texts_sets_nothing_aside() -> None:
    data = texts(6, weak=6)
    with on_corpus(lambda: corpus_of(*data[6:])), pytest.raises(QualityError) as failure:
        assert_robust(READER, data, attack=UPPER, budget=ONE, max_success_rate=0.1, confidence=0.95)
    assert "0.5 is over 0.1: 6 of 12 texts break, 0 of them anew" in str(failure.value)


@pytest.mark.parametrize("change", [{"word": "cold"}, {"operation": "other"}])
def test_what_breaks_nothing_or_is_of_another_attack_excuses_nothing(change: dict[str, str]) -> None:
    data = texts(0, weak=6)
    with pytest.raises(QualityError, match="6 of 6 texts break; p = 0"), on_corpus(lambda: corpus_of(*data, **change)):
        assert_robust(READER, data, attack=UPPER, budget=ONE)


def test_a_known_text_that_flips_by_itself_is_no_control_of_those_that_are_new() -> None:
    data = texts(1, weak=2)

    class Moody(Reader):
        """Another mood about the second text when it is asked about all of them backwards."""

        def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
            backwards = len(texts) == 3 and texts[-1] == data[0]["text"]
            answers = super().classify(texts)
            return [answers[0], {"positive": 0.4, "negative": 0.6}, answers[2]] if backwards else answers

    with on_corpus(lambda: corpus_of(data[1])), pytest.raises(QualityError) as failure:
        assert_robust(Moody("good", "kind", "warm"), data, attack=UPPER, budget=ONE)
    assert failure.value.verdict.outcome is Outcome.FAILED
    assert "control, without edits: 1 of 3 break" in str(failure.value)


def test_a_regression_that_is_known_is_no_news() -> None:
    class CaseBlind(Reader):
        def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
            return super().classify([text.lower() for text in texts])

    old, new, data = CaseBlind("good"), Reader("good"), texts(12)
    corpus = corpus_of(*data)
    with recording() as recorder, on_corpus(lambda: corpus):
        assert_no_robustness_regression(new, old, data, attack=UPPER, budget=ONE)
    (verdict,) = recorder.verdicts
    assert verdict.sentence.startswith(
        "attack_success_rate 1 is 1 worse than the old model (0): 0.05 is tolerated, but nothing of"
    )
    assert next(iter(verdict.evidence())) == (
        "set aside",
        "12 texts lost that known counter-examples break: 1 with them, 0 without",
    )
    assert corpus.counts == {"known": 12}


def test_a_regression_is_judged_whole_and_kept_where_something_of_it_is_new() -> None:
    class CaseBlind(Reader):
        def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
            return super().classify([text.lower() for text in texts])

    data = texts(12)
    corpus = corpus_of(*data[1:])
    with pytest.raises(QualityError) as failure, on_corpus(lambda: corpus):
        assert_no_robustness_regression(Reader("good"), CaseBlind("good"), data, attack=UPPER, budget=ONE)
    said = str(failure.value)
    assert "p = 0.00024" in said.splitlines()[0]
    assert "11 texts lost that known counter-examples break: 1 with them, 0.08333 without" in said
    assert [entry.text for entry in corpus.changes.values()] == [data[0]["text"]]


def test_a_regression_fails_for_what_was_fixed_and_returned() -> None:
    data = texts(12)
    corpus = corpus_of(data[0], state="fixed")
    with on_corpus(lambda: corpus), pytest.raises(QualityError, match="not free of what was fixed"):
        assert_no_robustness_regression(Reader("good"), Reader("good"), data, attack=UPPER, budget=ONE)


def test_a_stored_one_that_surprises_is_asked_about_by_itself() -> None:
    """In a batch with the other it seems to hold; it was found alone, where it breaks."""
    data = texts(0, weak=2)

    class Sociable(Reader):
        def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
            return super().classify([text.lower() for text in texts] if len(texts) > 1 else texts)

    corpus = corpus_of(*data)
    with on_corpus(lambda: corpus):
        assert_robust(Sociable("good", "kind", "warm"), data, attack=UPPER, budget=ONE)
    assert corpus.counts == {"known": 2}
    assert not corpus.changes


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_that_holds_for_one_model_of_a_test_alone_is_not_fixed(order: tuple[int, int]) -> None:
    data = texts(0, weak=1)
    models = READER, Reader("a")
    corpus = corpus_of(*data)
    with on_corpus(lambda: corpus):
        for place in order:
            assert_robust(models[place], data, attack=UPPER, budget=Budget(max_edits=1, protect=("a",)))
    assert corpus.counts == {"known": 1, "held": 1}
    assert not corpus.changes
