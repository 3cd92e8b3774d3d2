"""A budget ends between two batches, keeps what was answered, and says how far it got: no verdict, no sleeping here."""

from __future__ import annotations

import gc
import itertools
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from pytest_llm import (
    BudgetError,
    Generate,
    MisuseError,
    assert_bleu_above,
    assert_latency_below,
    assert_no_regression,
    assert_peak_memory_below,
    assert_perplexity_below,
    assert_robust,
    budget,
    measure,
)
from pytest_llm.inference import parts, probe, time_budget
from pytest_llm.inference.cache import DEFAULT_SIZE, cache_at
from pytest_llm.inference.memo import remembering
from pytest_llm.inference.time_budget import for_each_assertion, in_words, parse_duration
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.recording import recording
from pytest_llm.tasks.decoding import Decoding
from tests.timed_models import Clock

BATCH = 4100
"""Characters of a text that is asked about by itself, where the time has an end."""
TEXTS = [letter * BATCH for letter in "abcdefgh"]


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    """What other tests left is not looked through each time that garbage is collected."""
    gc.freeze()
    yield
    gc.unfreeze()


class Slow:
    """Takes a minute for each batch; its perplexity is 8, on the letters e to h 9. Knows what it was asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked = ""

    def _answer(self, texts: Sequence[str]) -> None:
        self.clock.now += 60
        self.asked += "".join(text[0] for text in texts)

    def score(self, texts: Sequence[str]) -> list[list[float]]:
        self._answer(texts)
        return [[-math.log(9 if text[0] in "efgh" else 8)] * len(text) for text in texts]

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        self._answer(prompts)
        return [prompt[0] for prompt in prompts]


class Lasting(Slow):
    """The same from one session to the next."""

    def cache_key(self) -> str:
        return "slow"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    monkeypatch.setattr(time_budget, "clock", own)
    return own


def test_it_ends_between_batches_and_says_how_far_it_got(clock: Clock) -> None:
    model = Slow(clock)
    with recording() as recorder, pytest.raises(BudgetError) as caught:
        assert_perplexity_below(model, TEXTS, 20, budget="5min")
    assert model.asked == "abcde"
    assert not recorder.measurements
    assert not recorder.verdicts
    expected = math.exp((4 * math.log(8) + math.log(9)) / 5)
    sentence, so_far, kept, remedy = str(caught.value).splitlines()
    assert sentence == "the budget of 5min is over after 5min: 5 of 8 examples answered, so there is no verdict"
    assert so_far.startswith(f"  so far     perplexity {expected:.4g} on these 5; ")
    assert "on text like this (95 %, jackknife over documents)" in so_far
    assert kept.startswith("  kept       5 answers, not on disk")
    assert remedy.startswith("  to go on   run it again, or allow more time: budget=")


def test_enough_time_changes_nothing(clock: Clock) -> None:
    model = Slow(clock)
    limited = assert_perplexity_below(model, TEXTS, 20, budget="1h")
    assert model.asked == "abcdefgh"
    assert limited.value == pytest.approx(measure(Slow(clock), TEXTS, "perplexity").value, rel=1e-12)
    assert limited.left_out == 0


def test_a_run_that_is_repeated_goes_on_from_there(clock: Clock, tmp_path: Path) -> None:
    asked = []
    for ending in ("abc", "def", None):
        model = Lasting(clock)
        with remembering(partial(cache_at, str(tmp_path), tmp_path, None, DEFAULT_SIZE)):
            if ending is None:
                assert_perplexity_below(model, TEXTS, 20, budget="3min")
            else:
                with pytest.raises(BudgetError, match=r"3 answers, in the cache: the same run goes on from there"):
                    assert_perplexity_below(model, TEXTS, 20, budget="3min")
        asked.append(model.asked)
    assert asked == ["abc", "def", "gh"]


def test_however_short_it_is_each_run_gets_on(clock: Clock) -> None:
    model = Slow(clock)
    with budget(0.001):
        clock.now += 100  # such as for loading a model
        with pytest.raises(BudgetError, match="1 of 8 examples answered"):
            assert_perplexity_below(model, TEXTS, 20)
        with pytest.raises(BudgetError):
            assert_perplexity_below(model, ["z"], 20)
    assert model.asked == "a"


def test_a_block_is_a_budget_of_all_that_is_asked_in_it(clock: Clock) -> None:
    model, rows = Slow(clock), [{"text": text, "target": text[0]} for text in TEXTS]
    with budget("10min"):
        assert_perplexity_below(model, TEXTS, 20)
        with pytest.raises(BudgetError, match=r"budget of 10min is over .* 2 of 8 examples answered"):
            assert_bleu_above(model, rows, 20, task=Generate("{text}"), budget="1h")


def test_what_the_session_gives_holds_for_each_assertion_unless_it_says(clock: Clock) -> None:
    with for_each_assertion(300):
        for _ in range(2):
            with pytest.raises(BudgetError, match="budget of 5min"):
                assert_perplexity_below(Slow(clock), TEXTS, 20)
        with pytest.raises(BudgetError, match="budget of 5min"):
            measure(Slow(clock), TEXTS, "perplexity")
        assert_perplexity_below(Slow(clock), TEXTS, 20, budget="10min")
        assert_perplexity_below(Slow(clock), TEXTS, 20, budget="off")
        with budget("1h"):
            assert_perplexity_below(Slow(clock), TEXTS, 20)


def test_both_sides_of_a_comparison_share_it(clock: Clock) -> None:
    with pytest.raises(BudgetError, match="2 of 8 examples answered"):
        assert_no_regression(Slow(clock), TEXTS, reference=Slow(clock), budget="10min")


def test_stopped_early_nothing_is_said_of_an_interval(clock: Clock) -> None:
    texts = [f"{letter}{'x' * BATCH}{number}" for number in range(160) for letter in "ae"]
    with pytest.raises(BudgetError) as caught:
        assert_perplexity_below(Slow(clock), texts, 8.48, early_stop="sequential", budget="2min")
    assert "no interval: documents are drawn in proportion to their size" in str(caught.value)


def test_an_attack_has_one_too(clock: Clock) -> None:
    class Judge(Slow):
        def classify(self, texts: Sequence[str]) -> list[str]:
            self._answer(texts)
            return ["good" if "good" in text else "bad" for text in texts]

    with pytest.raises(BudgetError, match=r"the budget of 2min is over .* questions answered"), budget("2min"):
        assert_robust(Judge(clock), [{"text": "a good film, all in all", "target": "good"}], attack="typo")


def test_requests_that_are_timed_end_between_two_of_them(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "clock", clock)
    with pytest.raises(BudgetError) as caught:
        assert_latency_below(Slow(clock), TEXTS[:3], 100, quantile=0.5, warmup=1, rounds=2, budget="3min")
    assert "2 of 3 examples answered" in str(caught.value)
    assert "so far     latency_p50 60 on these 2" in str(caught.value)
    assert "not on disk" in str(caught.value)
    with pytest.raises(BudgetError, match="1 of 8 examples answered"):
        assert_peak_memory_below(Slow(clock), TEXTS, "900GB", budget="2min")


def test_a_real_model_goes_on_where_it_was(
    tiny: TransformersModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text is a part of its own, and a minute passes whenever somebody looks at the clock."""
    monkeypatch.setattr(parts, "_ROWS_PER_PART", 1e-6)
    monkeypatch.setattr(time_budget, "clock", itertools.count(0, 60).__next__)
    texts = [f"{number} is a number. " for number in range(3)]
    whole = measure(tiny, texts, "perplexity").value
    kept = partial(cache_at, str(tmp_path), tmp_path, None, DEFAULT_SIZE)
    with remembering(kept), pytest.raises(BudgetError, match=r"1 of 3 examples answered[^$]*1 answer, in the cache"):
        measure(tiny, texts, "perplexity", budget="1min")
    with remembering(kept) as memo:
        assert measure(tiny, texts, "perplexity").value == pytest.approx(whole, rel=1e-5)
    assert (memo.tally.cached, memo.tally.computed) == (1, 2)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("90s", 90),
        ("5min", 300),
        ("1h 30min", 5400),
        ("0.5h", 1800),
        ("2d", 172800),
        (7, 7),
        ("7.5", 7.5),
        ("off", None),
    ],
)
def test_times(given: str | float, seconds: float | None) -> None:
    assert parse_duration(given) == seconds
    if seconds is not None:
        assert parse_duration(in_words(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize("given", ["soon", "5 minutes", "-1", "0", 0, -2.0, True, "", "nan", "inf"])
def test_what_is_no_time_is_refused(given: str | float) -> None:
    with pytest.raises(MisuseError, match="expected a time such as '90s', '5min' or '1h 30min', or 'off'"):
        parse_duration(given)
