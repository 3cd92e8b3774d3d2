"""Error rates against jiwer and against an edit distance written out here; transforms, explanations, and what is refused."""

from __future__ import annotations

import math
import warnings
from typing import Any

import jiwer
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_llm.errors import MetricWarning, MisuseError
from pytest_llm.metrics.transcription import ErrorRate, Rate
from tests.metrics.corpora import example, pairs, rows, value

RATES: tuple[Rate, ...] = ("wer", "cer", "mer", "wil")
Corpus = list[tuple[tuple[str, ...], str]]
quiet = pytest.mark.filterwarnings("ignore::pytest_llm.MetricWarning")


class OneSpace(jiwer.AbstractTransform):
    """What "none" does: white space is stripped, and each run of it is one space."""

    def process_string(self, s: str) -> str:
        return " ".join(s.split())


WORDS, CHARACTERS = jiwer.ReduceToListOfListOfWords(), jiwer.ReduceToListOfListOfChars()
PLAIN: list[Any] = [jiwer.ToLowerCase(), jiwer.RemovePunctuation(), OneSpace()]  # type: ignore[no-untyped-call]
COLLAPSE, COLLAPSE_CHARACTERS = jiwer.Compose([OneSpace(), WORDS]), jiwer.Compose([OneSpace(), CHARACTERS])
BASIC, BASIC_CHARACTERS = jiwer.Compose([*PLAIN, WORDS]), jiwer.Compose([*PLAIN, CHARACTERS])


def by_jiwer(rate: Rate, corpus: Corpus, words: Any, characters: Any) -> float:
    texts = [wanted[0] for wanted, _ in corpus], [output for _, output in corpus]
    if rate == "cer":
        return float(jiwer.process_characters(*texts, characters, characters).cer)
    return float(getattr(jiwer.process_words(*texts, words, words), rate))


@quiet
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("transform", "words", "characters"),
    [("none", COLLAPSE, COLLAPSE_CHARACTERS), ("basic", BASIC, BASIC_CHARACTERS)],
    ids=["none", "basic"],
)
@settings(deadline=None, max_examples=40)
@given(corpus=st.lists(pairs(), min_size=1, max_size=5))
def test_totals_give_the_rate_of_jiwer(rate: Rate, transform: Any, words: Any, characters: Any, corpus: Corpus) -> None:
    assume(all(words([wanted[0]])[0] for wanted, _ in corpus))
    expected = by_jiwer(rate, corpus, words, characters)
    assert value(ErrorRate(rate, transform), corpus) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@quiet
@settings(deadline=None, max_examples=60)
@given(st.lists(pairs(), min_size=1, max_size=4), st.sampled_from(RATES))
def test_so_do_the_defaults_of_jiwer_given_as_transforms(corpus: Corpus, rate: Rate) -> None:
    transform = jiwer.transformations.cer_default if rate == "cer" else jiwer.transformations.wer_default
    assume(all(transform([wanted[0]])[0] for wanted, _ in corpus))
    expected = by_jiwer(rate, corpus, jiwer.transformations.wer_default, jiwer.transformations.cer_default)
    assert value(ErrorRate(rate, transform), corpus) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@quiet
@settings(deadline=None, max_examples=30)
@given(st.lists(pairs(), min_size=2, max_size=5), st.sampled_from(RATES))
def test_many_totals_at_once_give_what_each_gives_alone(corpus: Corpus, rate: Rate) -> None:
    corpus = [((f"word {wanted[0]}",), output) for wanted, output in corpus]
    metric = ErrorRate(rate)
    statistics = rows(metric, corpus)
    left_out = metric.aggregate(statistics.sum(axis=0) - statistics)
    alone = [value(metric, corpus[:i] + corpus[i + 1 :]) for i in range(len(corpus))]
    assert left_out.tolist() == pytest.approx(alone, rel=1e-12)


def edits(wanted: Any, said: Any) -> int:
    """The textbook's table, a row at a time."""
    row = list(range(len(said) + 1))
    for i, unit in enumerate(wanted, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(said, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (unit != other))
    return row[-1]


@quiet
@settings(deadline=None, max_examples=100)
@given(pairs())
def test_a_table_written_out_agrees(pair: tuple[tuple[str, ...], str]) -> None:
    wanted, said = pair[0][0].split(), pair[1].split()
    assume(wanted)
    assert rows(ErrorRate("wer"), [pair]).tolist() == [[edits(wanted, said), len(wanted)]]
    expected = [edits(" ".join(wanted), " ".join(said)), len(" ".join(wanted))]
    assert rows(ErrorRate("cer"), [pair]).tolist() == [expected]


REFERENCE, OUTPUT = "one two three four five six", "zero two three five six seven"


@pytest.mark.parametrize(
    ("rate", "reference", "output", "expected"),
    [
        ("wer", REFERENCE, OUTPUT, 3 / 6),  # "zero" for "one", "four" deleted, "seven" inserted
        ("mer", REFERENCE, OUTPUT, 3 / 7),
        ("wil", REFERENCE, OUTPUT, 1 - 4 / 6 * 4 / 6),
        ("cer", "kitten", "sitting", 3 / 6),
        ("cer", "a b", "ab", 1 / 3),  # spaces are characters
        ("cer", "e\u0301", "é", 2 / 2),  # and so are combining marks: texts are not normalised
    ],
)
def test_cases_worked_out_by_hand(rate: Rate, reference: str, output: str, expected: float) -> None:
    assert value(ErrorRate(rate), [((reference,), output)]) == pytest.approx(expected)


def test_a_corpus_is_the_ratio_of_the_sums_not_the_mean_of_the_ratios() -> None:
    corpus: Corpus = [(("a",), "b"), (("a b c d e f g h i",), "a b c d e f g h i")]
    assert value(ErrorRate("wer"), corpus) == 1 / 10


@pytest.mark.parametrize("rate", RATES)
def test_an_empty_output_is_all_deletions(rate: Rate) -> None:
    assert value(ErrorRate(rate), [(("one two",), "")]) == 1
    assert value(ErrorRate(rate), [(("one two",), " \n")]) == 1


def test_a_rate_may_exceed_1() -> None:
    assert value(ErrorRate("wer"), [(("one",), "two three four")]) == 3


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("reference", ["", " \n", "\u3000"])
def test_an_empty_reference_is_refused(rate: Rate, reference: str) -> None:
    with pytest.raises(
        MisuseError, match=r"the reference of example #7 is .* holds nothing to be transcribed .*: drop"
    ):
        ErrorRate(rate).statistics(example(reference), "out")


def test_a_reference_of_which_the_transform_leaves_nothing_is_refused() -> None:
    assert ErrorRate("wer").statistics(example("… !"), "") == (2, 2)
    with pytest.raises(MisuseError, match=r"the reference of example #7 is '… !', .* with transform='basic'"):
        ErrorRate("wer", "basic").statistics(example("… !"), "")


def test_one_reference_is_what_the_rates_are_defined_for() -> None:
    with pytest.raises(MisuseError, match=r"example #7 has 2 references, and wer is defined for one: .* or use ter"):
        ErrorRate().statistics(example("a", "b"), "a")


@pytest.mark.parametrize("rate", RATES)
def test_no_totals_are_no_number(rate: Rate) -> None:
    width = len(ErrorRate(rate).statistics(example("a"), "a"))
    assert math.isnan(float(ErrorRate(rate).aggregate(np.zeros(width))))


@pytest.mark.parametrize(
    ("transform", "reference", "output", "errors"),
    [
        ("none", "Hello, world.", " Hello,\n\tworld. ", 0),
        ("none", "Hello, world.", "hello world", 2),
        ("basic", "Hello, world.", "hello world", 0),
        ("basic", "¿Qué? «Sí»", "qué sí", 0),
        ("basic", "5 $", "5", 1),  # a symbol is no punctuation
        (str.upper, "a b", "A B", 0),
        (str.split, "a b", "a  b", 0),
        (jiwer.SubstituteRegexes({"uh+": ""}), "a b", "a uhh b", 0),
    ],
)
def test_texts_are_transformed_before_they_are_compared(
    transform: Any, reference: str, output: str, errors: int
) -> None:
    assert ErrorRate("wer", transform).statistics(example(reference), output)[0] == errors


def test_jiwer_itself_takes_a_lone_line_break_for_part_of_a_word() -> None:
    pair = (("one two",), "one\ntwo")
    assert jiwer.wer("one two", "one\ntwo") == 1  # the difference that the module's docstring tells of
    assert value(ErrorRate("wer"), [pair]) == 0
    assert value(ErrorRate("wer", jiwer.transformations.wer_default), [pair]) == 1


def test_a_transform_that_makes_something_else_is_refused() -> None:
    with pytest.raises(MisuseError, match=r"transform=builtins.len made 3 of a text of example #7; expected a string"):
        ErrorRate("wer", len).statistics(example("abc"), "abc")


@pytest.mark.parametrize("rate", ["wer", "mer", "wil"])
@pytest.mark.parametrize("reference", ["今天天气很好", "ผมชอบกินข้าว", "私は学生です。", "ខ្ញុំស្រឡាញ់អ្នក"])
def test_words_of_a_script_without_spaces_are_told_of_once(rate: Rate, reference: str) -> None:
    metric = ErrorRate(rate)
    with pytest.warns(MetricWarning, match=f"example #7 is in a script without spaces .* so {rate} takes .*: use cer"):
        metric.statistics(example(reference), "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.statistics(example(reference), "")


@pytest.mark.parametrize(
    ("rate", "reference"),
    [
        ("cer", "今天天气很好"),
        ("wer", "今天 天气 很 好"),
        ("wer", "コンピューター を 使う こと が できる"),
        ("wer", "나는 학생입니다 그리고 좋아합니다"),
        ("wer", "שלום עולם, это предложение ελληνικά"),
        ("wer", "he said 你好 to me"),
    ],
)
def test_words_with_spaces_between_them_are_not(rate: Rate, reference: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ErrorRate(rate).statistics(example(reference), "")


def test_an_explanation_shows_the_alignment_of_words() -> None:
    assert ErrorRate("wer").explain(example(REFERENCE), OUTPUT).splitlines() == [
        "REF:  one two three four five six *****",
        "HYP: zero two three **** five six seven",
        "        S              D              I",
    ]


def test_and_of_characters_after_the_transform() -> None:
    assert ErrorRate("cer", "basic").explain(example("Cat!"), "hat s").splitlines() == [
        "REF: cat**",
        "HYP: hat s",
        "     S  II",
    ]


@pytest.mark.parametrize("rate", RATES)
def test_an_explanation_of_a_perfect_or_an_empty_output_is_one_too(rate: Rate) -> None:
    assert ErrorRate(rate).explain(example("ab"), "ab").splitlines()[:2] == ["REF: ab", "HYP: ab"]
    assert ErrorRate(rate).explain(example("ab"), "").splitlines()[:2] == ["REF: ab", "HYP: **"]


def test_an_explanation_refuses_what_the_metric_refuses() -> None:
    with pytest.raises(MisuseError, match="the reference of example #7 is ''"):
        ErrorRate().explain(example(""), "out")


def test_long_transcripts_are_compared_in_little_memory() -> None:
    words = [f"w{i % 1000}" for i in range(20_000)]
    assert value(ErrorRate("wer"), [((" ".join(words),), " ".join(words[1:]))]) == 1 / 20_000


@pytest.mark.parametrize(
    ("metric", "signature"),
    [
        (ErrorRate(), "wer|transform:none|split:whitespace"),
        (ErrorRate("cer", "basic"), "cer|transform:basic|split:characters"),
        (ErrorRate("wil", str.lower), "wil|transform:str.lower|split:whitespace"),
        (
            ErrorRate("mer", jiwer.transformations.wer_default),
            "mer|transform:Compose(RemoveMultipleSpaces,Strip,ReduceToListOfListOfWords)|split:whitespace",
        ),
    ],
)
def test_the_signature_holds_every_setting_that_changes_the_number(metric: ErrorRate, signature: str) -> None:
    assert metric.signature(4) == signature


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate": "per"}, "rate='per': expected one of 'wer', 'cer', 'mer', 'wil'"),
        ({"transform": "lower"}, "transform='lower': expected 'none', 'basic' or a function"),
        ({"transform": None}, "transform=None: expected 'none', 'basic' or a function"),
    ],
)
def test_settings_without_a_meaning_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        ErrorRate(**wrong)
