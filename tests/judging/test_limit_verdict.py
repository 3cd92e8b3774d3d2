"""When a number passes, and what is said where it does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import Outcome, QualityError, Verdict
from pytest_llm.limit import Limit, parse_share
from pytest_llm.statistics.jackknife import Estimate

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LAW = settings(deadline=None)
BELOW, ABOVE = Limit.below(25, confidence=0.95), Limit.above(25, confidence=0.95)


def measurement(
    value: float,
    *example_values: float,
    texts: list[str] | None = None,
    labels: list[str] | None = None,
    lower_is_better: bool = True,
    estimate: Estimate | None = None,
) -> Measurement:
    each = np.array(example_values or (value,), dtype=np.float64)
    texts = texts or [f"text {i}" for i in range(len(each))]
    labels = labels or [f"#{i}" for i in range(len(each))]
    return Measurement(
        metric="perplexity",
        value=value,
        lower_is_better=lower_is_better,
        estimate=estimate,
        examples=tuple(Example(label, text, label) for label, text in zip(labels, texts, strict=True)),
        statistics=np.column_stack([each, np.full(len(each), 512.0)]),
        example_values=each,
        counts="tokens",
        signature="perplexity|bos:yes|windows:rolling-512|log-softmax:float32",
        data="held_out.jsonl",
        provenance=Provenance("tiny-decoder", "float32", "cpu"),
    )


def estimate(value: float, error: float, units: int = 20) -> Estimate:
    return Estimate(value, error, units - 1, units, "linear")


def with_confidence(value: float, error: float, limit: Limit, units: int = 20) -> Verdict:
    return judge(measurement(value, estimate=estimate(value, error, units)), limit)


@pytest.mark.parametrize(
    ("value", "limit", "outcome", "sentence"),
    [
        (24.0, Limit.below(25), Outcome.PASSED, "perplexity 24 is below 25 (4 % to spare)"),
        (25.0, Limit.below(25), Outcome.FAILED, "perplexity 25 is not below 25: it equals the limit"),
        (26.0, Limit.below(25), Outcome.FAILED, "perplexity 26 is not below 25: over the limit by 1 (4 %)"),
        (26.0, Limit.above(25), Outcome.PASSED, "perplexity 26 is above 25 (4 % to spare)"),
        (25.0, Limit.above(25), Outcome.FAILED, "perplexity 25 is not above 25: it equals the limit"),
        (24.0, Limit.above(25), Outcome.FAILED, "perplexity 24 is not above 25: under the limit by 1 (4 %)"),
        (math.inf, Limit.below(25), Outcome.FAILED, "perplexity inf is not below 25: some token has probability 0"),
        (12345.6, Limit.below(1e6), Outcome.PASSED, "perplexity 12,346 is below 1,000,000 (98.8 % to spare)"),
    ],
)
def test_without_confidence_the_value_decides_strictly(
    value: float, limit: Limit, outcome: Outcome, sentence: str
) -> None:
    verdict = judge(measurement(value), limit)
    assert (verdict.outcome, verdict.sentence) == (outcome, sentence)
    assert verdict.passed == (outcome is Outcome.PASSED)


@pytest.mark.parametrize(
    ("value", "limit", "start"),
    [
        (25.00001, Limit.below(25), "perplexity 25.00001 is not below 25: over"),
        (24.99999, Limit.below(25), "perplexity 24.99999 is below 25 "),
        (math.nextafter(25, 26), Limit.below(25), "perplexity 25.000000000000004 is not below 25: over"),
        (12345.4, Limit.below(12345.1), "perplexity 12345.4 is not below 12345.1: over"),
    ],
)
def test_value_and_limit_are_told_apart_by_their_digits(value: float, limit: Limit, start: str) -> None:
    assert judge(measurement(value), limit).sentence.startswith(start)


@pytest.mark.parametrize(
    ("value", "limit", "odd"), [(9999.7, Limit.below(12000), "e+"), (-1.0, Limit.below(0), "(of zero")]
)
def test_a_sentence_reads_well(value: float, limit: Limit, odd: str) -> None:
    assert odd not in judge(measurement(value), limit).sentence


@pytest.mark.parametrize("limit", [Limit.below(25), Limit.above(25), BELOW])
def test_nan_is_an_error_that_names_the_documents(limit: Limit) -> None:
    verdict = judge(measurement(math.nan, 20.0, math.nan, 21.0, math.nan), limit)
    assert verdict.outcome is Outcome.ERROR
    assert verdict.sentence == "perplexity is not a number: 2 of 4 examples gave NaN (#1, #3)"
    assert "weights that overflow float16" in str(verdict)


def test_of_many_documents_with_nan_the_first_five_are_named() -> None:
    sentence = judge(measurement(math.nan, *[math.nan] * 7), Limit.below(25)).sentence
    assert sentence.endswith("7 of 7 examples gave NaN (#0, #1, #2, #3, #4, …)")


@pytest.mark.parametrize(
    ("value", "limit", "bound"), [(24, BELOW, "upper bound is 24.86"), (26, ABOVE, "lower bound is 25.14")]
)
def test_a_claim_whose_bound_clears_the_limit_is_proven(value: float, limit: Limit, bound: str) -> None:
    verdict = with_confidence(value, 0.5, limit)
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence == f"perplexity {value} is proven {limit.side} 25: the 95 % {bound}"


@pytest.mark.parametrize(
    ("value", "limit", "bound"), [(24, BELOW, "upper bound is 25.73"), (26, ABOVE, "lower bound is 24.27")]
)
def test_a_claim_whose_bound_misses_the_limit_needs_more_documents(value: float, limit: Limit, bound: str) -> None:
    verdict = with_confidence(value, 1, limit)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.sentence == (
        f"perplexity {value} is not proven {limit.side} 25: the 95 % {bound}; "
        f"about 60 documents like these would decide (20 now)"
    )
    assert "add documents, or drop confidence=" in str(verdict)


@pytest.mark.parametrize("units", [1, 20])
def test_confidence_does_not_help_a_value_that_misses_the_limit(units: int) -> None:
    verdict = with_confidence(25, 1, BELOW, units)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.sentence == "perplexity 25 is not below 25: it equals the limit"


@pytest.mark.parametrize(("units", "outcome"), [(9, Outcome.INCONCLUSIVE), (10, Outcome.PASSED)])
def test_ten_documents_are_the_fewest_that_prove_a_claim(units: int, outcome: Outcome) -> None:
    assert with_confidence(24, 0.01, BELOW, units).outcome is outcome


@pytest.mark.parametrize(
    ("estimated", "units"), [(None, "1 independent document,"), (estimate(24, 1, 9), "9 independent")]
)
def test_too_few_documents_are_counted(estimated: Estimate | None, units: str) -> None:
    sentence = judge(measurement(24, estimate=estimated), BELOW).sentence
    assert sentence.startswith(f"perplexity 24 is not proven below 25: {units}")
    assert sentence.endswith("at least 10 are needed")


def test_a_value_that_touches_the_limit_is_never_said_to_be_decided_by_no_documents() -> None:
    value = math.nextafter(25, 0)
    touching = Estimate(value, 0.1, 19, 20, "log")
    sentence = judge(measurement(value, estimate=touching), BELOW).sentence
    assert "about 0 documents" not in sentence


def test_one_document_with_nearly_all_the_tokens_gives_no_number_of_two_hundred_digits() -> None:
    lopsided = Estimate(20, 0.4, 1e-4, 20, "log")
    sentence = judge(measurement(20, estimate=lopsided), BELOW).sentence
    assert len(sentence) < 200


def test_a_proven_value_is_told_apart_from_its_limit() -> None:
    sentence = with_confidence(24.999, 1e-5, BELOW).sentence
    assert "perplexity 25 is proven below 25" not in sentence


def test_the_whole_message() -> None:
    texts = ["An easy text.", "A hard\n  text. " + 20 * "Very ", "Neither."]
    measured = measurement(
        26.5, 20.0, 31.25, 26.0, texts=texts, labels=["easy", "hard", "#2"], estimate=estimate(26.5, 2, 3)
    )
    assert str(judge(measured, Limit.below(25))) == (
        "perplexity 26.5 is not below 25: over the limit by 1.5 (6 %)\n"
        "  interval   17.89 to 35.11 on text like this (95 %, jackknife over documents)\n"
        "  measured   3 examples, 1536 tokens, held_out.jsonl\n"
        "  worst          31.25  hard  'A hard text. Very Very Very Very Very Very Very Very Very V…'\n"
        "                    26  #2  'Neither.'\n"
        "                    20  easy  'An easy text.'\n"
        "  model      tiny-decoder, float32 on cpu\n"
        "  signature  perplexity|bos:yes|windows:rolling-512|log-softmax:float32\n"
        "  to change  if 26.5 is acceptable, the assertion's limit is the place to say so"
    )


def test_clusters_are_counted_where_they_are_fewer_than_examples() -> None:
    measured = measurement(26, 25, 26, 27, estimate=estimate(26, 1, 2))
    assert "3 examples in 2 clusters, 1536 tokens" in str(judge(measured, Limit.below(25)))


def test_a_single_document_has_no_interval() -> None:
    text = str(judge(measurement(26), Limit.below(25)))
    assert "interval   none: it takes at least two independent documents" in text
    assert "measured   1 example, 512 tokens" in text


@pytest.mark.parametrize(
    ("lower_is_better", "values", "order"),
    [
        (True, [1.0, 3.0, math.nan, 2.0, math.inf], [2, 4, 1, 3, 0]),
        (False, [1.0, 3.0, math.nan, 2.0, math.inf], [2, 0, 3, 1, 4]),
        (True, [math.inf, math.nan], [1, 0]),
        (False, [-math.inf, math.nan], [1, 0]),
        (True, [2.0, 2.0, 2.0], [0, 1, 2]),
    ],
)
def test_the_worst_examples_come_first_and_nan_before_all(
    lower_is_better: bool, values: list[float], order: list[int]
) -> None:
    worst = measurement(1, *values, lower_is_better=lower_is_better).worst()
    assert [example.label for example, _ in worst] == [f"#{i}" for i in order]
    assert [value for _, value in worst] == pytest.approx([values[i] for i in order], nan_ok=True)


def test_the_worst_are_five_unless_asked() -> None:
    many = measurement(1, *range(9))
    assert [value for _, value in many.worst()] == [8, 7, 6, 5, 4]
    assert [value for _, value in many.worst(2)] == [8, 7]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, True, "25", None, pytest.param(10**400, id="10**400")]
)
def test_a_limit_that_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(MisuseError, match="expected a finite number"):
        Limit.below(value)


@pytest.mark.parametrize("confidence", [0.4, 0.5, 1, 95, -0.95, math.nan, True, "0.95"])
def test_a_confidence_that_proves_nothing_is_refused(confidence: Any) -> None:
    with pytest.raises(MisuseError, match=r"confidence=.*: expected None or a probability such as 0\.95"):
        Limit.above(25, confidence=confidence)


def test_a_side_that_is_neither_is_refused() -> None:
    with pytest.raises(MisuseError, match="under"):
        Limit("under", 25)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "limit", "passed"), [(25.1, np.float32(25.1), True), (1e20, 10**20 + 1, False)])
def test_any_kind_of_number_is_compared_as_float64(value: float, limit: float, passed: bool) -> None:
    assert judge(measurement(value), Limit.below(limit)).passed == passed  # float32(25.1) is 25.1000004


@LAW
@given(FINITE, FINITE)
def test_a_value_passes_exactly_where_it_is_below_the_limit(value: float, limit: float) -> None:
    assert judge(measurement(value), Limit.below(limit)).passed == (value < limit)
    assert judge(measurement(value), Limit.above(limit)).passed == (value > limit)


@LAW
@given(FINITE, st.floats(0, 1e6), FINITE, FINITE, st.none() | st.floats(0.6, 0.99), st.integers(2, 30))
@example(0.0, 1.0, 1e-200, 1.0, 0.95, 20)
def test_lowering_the_limit_never_turns_a_failure_into_a_pass(
    value: float, error: float, one: float, other: float, confidence: float | None, units: int
) -> None:
    measured = measurement(value, estimate=estimate(value, error, units))
    low, high = (judge(measured, Limit.below(limit, confidence=confidence)) for limit in sorted([one, other]))
    assert high.passed or not low.passed


def assert_printable(verdict: Verdict) -> None:
    lines = str(verdict).split("\n")
    assert len(lines) == 7
    assert all(map(str.isprintable, lines))
    assert str(verdict).encode("utf-8").decode() == str(verdict)


@LAW
@given(st.text(st.characters(), min_size=1))
def test_any_text_can_be_printed(text: str) -> None:
    assert_printable(judge(measurement(26, texts=[text]), Limit.below(25)))


@pytest.mark.parametrize("odd", ["a\x00\x1b[31mb", "🦜 ✓", "\ud800", "\u202e\u2028", "line\nline"])
def test_odd_characters_in_texts_and_labels_can_be_printed(odd: str) -> None:
    assert_printable(judge(measurement(26, texts=[odd]), Limit.below(25)))
    assert_printable(judge(measurement(math.nan, labels=[odd]), Limit.below(25)))


def test_a_quality_error_is_an_assertion_error_that_carries_the_verdict() -> None:
    verdict = judge(measurement(26), Limit.below(25))
    error = QualityError(verdict)
    assert isinstance(error, AssertionError)
    assert error.verdict is verdict
    assert str(error) == str(verdict)
    assert f"{type(error).__module__}.{type(error).__name__}" == "pytest_llm.QualityError"


def changed(value: float, error: float, *, side: str = "below") -> Verdict:
    bound = 1.05 if side == "below" else 0.95
    limit = Limit(side, bound, alpha=0.01)  # type: ignore[arg-type]
    return judge(measurement(value, estimate=Estimate(value, error, 14, 15, "log")), limit)


@pytest.mark.parametrize(
    ("value", "error", "outcome"),
    [
        (1.2, 0.01, Outcome.FAILED),
        (1.2, 0.2, Outcome.SUSPECT),
        (1.04, 0.001, Outcome.PASSED),  # worse for certain, and tolerated
        (0.5, 0.001, Outcome.PASSED),
        (math.nan, 0.1, Outcome.ERROR),
    ],
)
def test_a_change_fails_if_it_is_not_tolerated_and_no_chance(value: float, error: float, outcome: Outcome) -> None:
    verdict = changed(value, error)
    assert verdict.outcome is outcome
    assert verdict.passed == (outcome in (Outcome.PASSED, Outcome.SUSPECT))


@pytest.mark.parametrize(("value", "outcome"), [(0.8, Outcome.FAILED), (0.96, Outcome.PASSED)])
def test_a_change_to_the_other_side_is_judged_on_the_other_tail(value: float, outcome: Outcome) -> None:
    assert changed(value, 0.01, side="above").outcome is outcome


def test_the_tail_is_students_and_alpha_is_its_limit() -> None:
    """At 14 degrees of freedom 2.624 standard errors leave 1 %."""
    assert changed(math.exp(2.62 * 0.1), 0.1).outcome is Outcome.SUSPECT
    verdict = changed(math.exp(2.63 * 0.1), 0.1)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.sentence.endswith("; p = 0.0099")


def test_alpha_may_be_shared_by_several_gates() -> None:
    """3.787 standard errors leave 0.1 %."""
    shared = Limit("below", 1.05, alpha=0.01, gates=10)
    for errors, outcome in ((3.78, Outcome.SUSPECT), (3.80, Outcome.FAILED)):
        value = math.exp(errors * 0.1)
        verdict = judge(measurement(value, estimate=Estimate(value, 0.1, 14, 15, "log")), shared)
        assert verdict.outcome is outcome
        assert verdict.chance is not None
        assert (verdict.chance.alpha, verdict.chance.worse) == (0.01, True)
    assert judge(measurement(1.2), Limit.below(1.05)).chance is None


def test_a_change_without_an_estimate_is_inconclusive() -> None:
    verdict = judge(measurement(1.2), Limit("below", 1.05, alpha=0.01))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.sentence.endswith("and there is no estimate of chance")


@pytest.mark.parametrize("alpha", [0, 0.5, -0.01, math.nan, True, "1%"])
def test_an_alpha_that_is_none_is_refused(alpha: Any) -> None:
    with pytest.raises(MisuseError, match=r"expected None or a small probability such as 0\.01"):
        Limit("below", 1.05, alpha=alpha)


def test_alpha_and_confidence_exclude_each_other() -> None:
    with pytest.raises(MisuseError, match="alpha and confidence ask for two kinds of proof"):
        Limit("below", 1.05, confidence=0.95, alpha=0.01)


@pytest.mark.parametrize("amount", ["5%", "5 %", " 5% ", "0.05", 0.05])
def test_a_share_is_written_in_two_ways(amount: str | float) -> None:
    assert parse_share("tolerance", amount) == 0.05


@pytest.mark.parametrize("amount", ["5 percent", "%", "", "-5%", -0.1, math.nan, "nan%", math.inf, None, True])
def test_what_is_no_share_is_refused(amount: Any) -> None:
    with pytest.raises(MisuseError, match=r"tolerance=.*: expected a share such as '5%' or 0\.05"):
        parse_share("tolerance", amount)
