"""The memo with the cache behind it: no session asks again what an earlier one has asked, and nothing stale is handed out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_llm import Engine, Example, Generate, load_model, measure, save_reference
from pytest_llm.data.loading import load_examples
from pytest_llm.inference.cache import Cache
from pytest_llm.inference.cache_file import NAME
from pytest_llm.inference.engine import using
from pytest_llm.inference.memo import Memo, Tally, remembered, remembering, repeating, text_of
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.statistics.jackknife import FloatArray
from tests.stub_models import PairTable

TEXTS = [
    "It is a truth universally acknowledged",
    "that a single man in possession of a good fortune",
    "must be in want of a wife.",
]
Session = Callable[[], AbstractContextManager[Memo]]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Each call is a new session on the same cache."""
    return partial(remembering, lambda: Cache(lambda: tmp_path))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for every forward pass of any model of `transformers`: tokens are embedded there."""
    calls: list[int] = []
    original = torch.nn.functional.embedding

    def counted(tokens: torch.Tensor, *arguments: object, **settings: object) -> torch.Tensor:
        calls.append(tokens.numel())
        return original(tokens, *arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "embedding", counted)
    return calls


class Named:
    """A model of one's own that says what it is made of, and is asked through `remembered` alone."""

    def __init__(self, name: str | None = "one") -> None:
        self.name = name

    def cache_key(self) -> str | None:
        return self.name


class Lengths:
    """Answers with the length of the text, and keeps what it was asked; breaks off at a text that it was told."""

    def __init__(self, breaks_at: str = "") -> None:
        self.asked: list[str] = []
        self.breaks_at = breaks_at

    def __call__(self, model: object, examples: list[Example]) -> list[FloatArray]:
        for example in examples:
            if example.text == self.breaks_at:
                raise KeyboardInterrupt
            self.asked.append(example.text)
        return [np.array([float(len(example.text))]) for example in examples]


def ask(model: Named, texts: Sequence[str], compute: Lengths, request: str = "score") -> list[float]:
    return [float(output[0]) for output in remembered(model, load_examples(texts), request, compute, text_of)]


def test_a_second_session_computes_only_what_is_new(session: Session) -> None:
    compute = Lengths()
    with session() as first:
        ask(Named(), TEXTS[:2], compute)
    with session() as second:
        assert ask(Named(), TEXTS, compute) == list(map(len, TEXTS))
        ask(Named(), TEXTS, compute)
    assert compute.asked == TEXTS
    assert first.tally == Tally(computed=2)
    assert second.tally == Tally(remembered=3, cached=2, computed=1)


@pytest.mark.parametrize("change", ["model", "request", "policy", "repeat", "code"])
def test_what_an_answer_depends_on_is_asked_anew(
    session: Session, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Lengths()
    with session():
        ask(Named(), TEXTS, compute)
    if change == "code":
        monkeypatch.setattr("pytest_llm.inference.cache.own_code", lambda: "a later release")
    with (
        session() as second,
        using(Engine(deterministic=change == "policy")),
        repeating(1 if change == "repeat" else 0),
    ):
        ask(Named("other" if change == "model" else "one"), TEXTS, compute, "other" if change == "request" else "score")
    assert second.tally == Tally(computed=3)


def test_a_hit_is_no_repeat_within_a_session_either(session: Session) -> None:
    compute = Lengths()
    with session():
        for index in range(3):
            with repeating(index):
                ask(Named(), TEXTS, compute)
    assert compute.asked == 3 * TEXTS


def test_a_model_that_cannot_tell_what_it_is_made_of_leaves_nothing_behind(session: Session, tmp_path: Path) -> None:
    compute = Lengths()
    with session():
        ask(Named(None), TEXTS, compute)
        ask(Named(None), TEXTS, compute)
    assert compute.asked == 2 * TEXTS
    assert not list(tmp_path.iterdir())


def test_a_run_that_was_broken_off_goes_on_where_it_was(session: Session) -> None:
    """Each of these texts is a part of its own."""
    long = [letter * 70_000 for letter in "abcd"]
    broken, whole = Lengths(breaks_at=long[2]), Lengths()
    with session(), pytest.raises(KeyboardInterrupt):
        ask(Named(), long, broken)
    with session():
        assert ask(Named(), long, whole) == [70_000] * 4
    assert broken.asked == long[:2]
    assert whole.asked == long[2:]


def test_a_model_without_a_cache_is_asked_about_everything_at_once() -> None:
    sizes: list[int] = []

    def compute(model: object, examples: list[Example]) -> list[FloatArray]:
        sizes.append(len(examples))
        return [np.zeros(1)] * len(examples)

    texts = [letter * 70_000 for letter in "abcd"]
    with remembering():
        remembered(Named(), load_examples(texts), "score", compute, text_of)
    assert sizes == [4]


def test_a_second_session_makes_no_forward_pass_and_gives_the_same_bits(
    tiny: TransformersModel, session: Session, passes: list[int]
) -> None:
    with session():
        first = [measure(tiny, TEXTS, name) for name in ("perplexity", "bits_per_byte")]
    assert passes
    passes.clear()
    with session():
        fresh = load_model("tiny-decoder", device="cpu")
        second = [measure(fresh, TEXTS, name) for name in ("perplexity", "bits_per_byte")]
    assert not passes
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.statistics, other.statistics)


def test_texts_that_were_written_are_kept(tiny: TransformersModel, session: Session, passes: list[int]) -> None:
    rows = [{"text": text, "target": "x"} for text in TEXTS]
    for decoding in ({}, {"temperature": 1.0, "seed": 3}):
        task = Generate("{text}", max_tokens=5, **decoding)  # type: ignore[arg-type]
        with session():
            first = measure(tiny, rows, "bleu", task=task).outputs
        passes.clear()
        with session():
            assert measure(tiny, rows, "bleu", task=task).outputs == first
        assert not passes


def test_answers_about_pairs_are_kept(session: Session) -> None:
    class Table(PairTable):
        def cache_key(self) -> str:
            return "table"

    model = Table({("a", "b"): [-1.0, -2.0], ("a", "c"): [-3.0]})
    rows = [{"text": "a", "target": "b"}, {"text": "a", "target": "c"}]
    for _ in range(2):
        with session():
            measure(model, rows, "conditional_perplexity")
    assert model.calls == [[("a", "b"), ("a", "c")]]


def test_one_pass_serves_divergence_and_perplexity_of_both_models(
    tiny: TransformersModel, session: Session, passes: list[int]
) -> None:
    other = load_model("tiny-decoder", device="cpu")
    with torch.no_grad():
        other.module.model.norm.weight += 0.1
    alone = [measure(model, TEXTS, "perplexity").value for model in (other, tiny)]
    with session():
        first = measure(other, TEXTS, "mean_kld", reference=tiny)
        passes.clear()
        together = [measure(model, TEXTS, "perplexity").value for model in (other, tiny)]
        assert not passes
    assert together == pytest.approx(alone, rel=1e-6)
    with session():
        assert measure(other, TEXTS, "mean_kld", reference=tiny).value == first.value
        assert [measure(model, TEXTS, "bits_per_byte").value for model in (other, tiny)] != together
        assert not passes


def test_what_was_known_stays_to_the_last_digit(tiny: TransformersModel, session: Session) -> None:
    """The pass of a divergence would give the same log-probabilities but for rounding."""
    with session():
        before = measure(tiny, TEXTS, "perplexity").statistics
        measure(load_model("tiny-decoder", device="cpu"), TEXTS, "mean_kld", reference=tiny)
        assert np.array_equal(measure(tiny, TEXTS, "perplexity").statistics, before)
    with session():
        assert np.array_equal(measure(tiny, TEXTS, "perplexity").statistics, before)


def test_texts_that_perplexity_would_cut_otherwise_are_not_taken_from_a_divergence(
    tiny: TransformersModel, session: Session
) -> None:
    long = [" ".join(TEXTS)]
    alone = measure(tiny, long, "perplexity").value
    with session():
        measure(tiny, long, "mean_kld", reference=tiny, max_length=8)
        assert measure(tiny, long, "perplexity").value == alone


def test_a_divergence_from_a_file_is_kept_under_what_is_in_the_file(
    tiny: TransformersModel, session: Session, passes: list[int], tmp_path: Path
) -> None:
    paths = [
        save_reference(tiny, TEXTS, tmp_path / f"{top_k}.safetensors", top_k=top_k, max_length=64) for top_k in (8, 16)
    ]
    with session():
        first = measure(tiny, TEXTS, "mean_kld", reference=paths[0]).value
    passes.clear()
    moved = paths[0].rename(tmp_path / "moved.safetensors")
    with session():
        assert measure(tiny, TEXTS, "mean_kld", reference=moved).value == first
        assert not passes
        measure(tiny, TEXTS, "mean_kld", reference=paths[1])
        assert passes


def test_changed_weights_under_the_same_path_are_asked_anew(
    tiny: TransformersModel, session: Session, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    values = []
    for change in (0.0, 0.1):
        model = load_model("tiny-decoder", device="cpu")
        model.module.model.norm.weight.data += change
        model.module.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
        with session() as memo:
            values.append(measure(load_model(folder, device="cpu"), TEXTS, "perplexity").value)
        assert memo.tally == Tally(computed=3)
    assert values[0] != values[1]


@pytest.fixture
def patched() -> TransformersModel:
    model = load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    original = model.module.model.norm.forward
    model.module.model.norm.forward = lambda rows: original(rows) * 0.5
    return model


def test_a_patched_model_is_neither_looked_up_nor_kept(
    tiny: TransformersModel, patched: TransformersModel, session: Session, tmp_path: Path
) -> None:
    with session():
        plain = measure(tiny, TEXTS, "perplexity").value
    before = (tmp_path / NAME).read_bytes()
    for _ in range(2):
        with session() as memo:
            assert measure(patched, TEXTS, "perplexity").value != plain
        assert memo.tally == Tally(computed=3)
    assert (tmp_path / NAME).read_bytes() == before


def test_neither_times_nor_memory_are_ever_kept(tiny: TransformersModel, session: Session, tmp_path: Path) -> None:
    task = Generate("{text}", max_tokens=2)
    with session() as memo:
        measure(tiny, TEXTS, "decoding_throughput", task=task)
        measure(tiny, TEXTS, "peak_host_memory", task=task)
    assert memo.tally == Tally()
    assert not list(tmp_path.iterdir())
