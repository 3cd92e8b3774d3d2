"""A stored reference stands in the place of its model: what it was made of is checked, and the numbers are the model's."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm import Engine, MisuseError, load_examples, measure, save_reference
from pytest_llm.data.sampling import Sample, sampling
from pytest_llm.data.stored_reference import StoredReference, read_reference
from pytest_llm.inference.comparing import compare
from pytest_llm.inference.memo import remembering
from pytest_llm.metrics.divergence import TokenDivergence
from pytest_llm.models.language_model import Window
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.compare import Compare

TEXTS = ["It is a truth universally acknowledged, that a single man", "Catherine Morland " * 150, "No one."]


@pytest.fixture(scope="module")
def noisy(tiny: TransformersModel) -> TransformersModel:
    module = copy.deepcopy(tiny.module)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * parameter.std(unbiased=False) * torch.randn(parameter.shape, generator=generator))
    return TransformersModel(module, tiny.tokenizer, name="noisy")


@pytest.fixture(scope="module")
def path(tiny: TransformersModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_reference(tiny, TEXTS, tmp_path_factory.mktemp("references") / "tiny.safetensors", top_k=32)


def compared(model: Any, reference: Any, texts: Sequence[str] = TEXTS, length: int | None = None) -> TokenDivergence:
    """All texts one behind the other."""
    outputs = compare(model, load_examples(texts), Compare(reference, length))
    fields = ("kl", "same_top", "delta_p", "log_prob", "reference_log_prob")
    kl, same, delta, own, base = (np.concatenate([getattr(output, name) for output in outputs]) for name in fields)
    return TokenDivergence(kl, same, delta, own, base, outputs[0].reference)


@pytest.mark.parametrize("length", [None, 16])
def test_numbers_from_the_file_are_those_of_the_model(
    tiny: TransformersModel, noisy: TransformersModel, tmp_path: Path, length: int | None
) -> None:
    """Texts longer than the window included: all figures but the divergence are equal, and that is a lower bound."""
    saved = save_reference(tiny, TEXTS, tmp_path / "r.safetensors", top_k=32, max_length=length)
    live, kept = compared(noisy, tiny, length=length), compared(noisy, saved)
    for name in ("same_top", "delta_p", "log_prob", "reference_log_prob"):
        assert np.array_equal(getattr(live, name), getattr(kept, name)), name
    assert len(live.kl) > 300
    assert (kept.kl <= live.kl + 1e-4).all()
    assert 0.7 < kept.kl.mean() / live.kl.mean() < 0.99


def test_with_the_whole_vocabulary_only_rounding_is_left(
    tiny: TransformersModel, noisy: TransformersModel, tmp_path: Path
) -> None:
    saved = save_reference(tiny, TEXTS, tmp_path / "whole.safetensors", top_k=10**6)
    assert read_reference(saved).top_k == 2048
    assert compared(noisy, saved).kl == pytest.approx(compared(noisy, tiny).kl, abs=2e-4, rel=0.01)


def test_a_path_a_string_and_what_was_read_are_the_same_reference(noisy: TransformersModel, path: Path) -> None:
    values = {measure(noisy, TEXTS, "mean_kld", reference=it).value for it in (path, str(path), read_reference(path))}
    assert len(values) == 1


def test_the_model_was_asked_about_one_window_after_the_other(tiny: TransformersModel, path: Path) -> None:
    stored = read_reference(path)
    assert stored.max_length == tiny.max_length == 256
    assert stored.prefix_token == tiny.prefix_token
    assert stored.vocabulary == 2048
    assert stored.model == str(tiny.provenance)
    encoded = tiny.encode(TEXTS)
    assert [text.tokens for text in stored.texts.values()] == list(map(len, encoded))
    (first,) = tiny.score_windows([Window((stored.prefix_token, *encoded[0]), len(encoded[0]))])
    assert stored.log_prob[: len(first)] == pytest.approx(first, abs=1e-4)


def test_the_message_says_which_file_and_that_it_is_a_bound(noisy: TransformersModel, path: Path) -> None:
    measurement = measure(noisy, TEXTS, "mean_kld", reference=path)
    assert "reference: tiny.safetensors, 32 of 2048 log-probabilities, of tiny-decoder" in measurement.overview
    assert "KLD is a lower bound" in measurement.overview
    assert measurement.signature.endswith("|windows:rolling-256|log-softmax:float32|reference:top-32")


def test_the_signature_has_the_window_that_was_read(noisy: TransformersModel, tiny: TransformersModel) -> None:
    signature = measure(noisy, TEXTS, "mean_kld", reference=tiny, max_length=16).signature
    assert signature.endswith("|windows:rolling-16|log-softmax:float32|reference:full")


def test_a_part_of_the_texts_may_be_asked_about_in_any_order(noisy: TransformersModel, path: Path) -> None:
    few = measure(noisy, [TEXTS[2], TEXTS[0]], "mean_kld", reference=path)
    whole = measure(noisy, TEXTS, "mean_kld", reference=path)
    assert few.example_values == pytest.approx(whole.example_values[[2, 0]], rel=1e-4)


def test_the_file_holds_all_texts_whatever_the_session_is_limited_to(tiny: TransformersModel, tmp_path: Path) -> None:
    with sampling(Sample(1)):
        saved = save_reference(tiny, TEXTS, tmp_path / "r.safetensors")
    assert len(read_reference(saved).texts) == 3


def test_a_second_figure_asks_no_model_again(
    noisy: TransformersModel, path: Path, tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    own = TransformersModel.next_token_log_probs

    def counting(self: TransformersModel, windows: Sequence[Window]) -> list[torch.Tensor]:
        asked.append(len(windows))
        return own(self, windows)

    monkeypatch.setattr(TransformersModel, "next_token_log_probs", counting)
    with remembering():
        for reference in (tiny, path):
            asked.clear()
            first = measure(noisy, TEXTS, "mean_kld", reference=reference)
            assert asked
            asked.clear()
            measure(noisy, TEXTS, "kld_p99", reference=reference)
            assert not asked
            assert measure(noisy, TEXTS, "mean_kld", reference=reference).value == first.value


def test_another_state_of_the_reference_is_asked(tiny: TransformersModel, noisy: TransformersModel) -> None:
    with remembering():
        far = measure(tiny, TEXTS, "mean_kld", reference=noisy).value
        assert measure(tiny, TEXTS, "mean_kld", reference=tiny).value == 0
        assert measure(tiny, TEXTS, "mean_kld", reference=tiny, max_length=16).value == 0
    assert far > 1e-3


def test_an_engine_reaches_the_reference(tiny: TransformersModel, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watched(TransformersModel):
        def next_token_log_probs(self, windows: Sequence[Window]) -> list[torch.Tensor]:
            seen.append(len(windows))
            return super().next_token_log_probs(windows)

    model = Watched(tiny.module, tiny.tokenizer)
    save_reference(model, TEXTS, tmp_path / "r.safetensors", engine=Engine(deterministic=True))
    assert set(seen) == {1}
    with pytest.raises(MisuseError, match="expected an Engine"):
        save_reference(tiny, TEXTS, tmp_path / "r.safetensors", engine="fast")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        *(({"top_k": wrong}, f"top_k={wrong}: expected a whole number") for wrong in (0, -1, True, 2.5)),
        *(({"max_length": wrong}, f"max_length={wrong}: expected None or") for wrong in (1, True, 2.5)),
        ({"max_length": 257}, "max_length=257 exceeds the 256 tokens that the model can read"),
        ({"path": "reference.npz"}, "path='reference.npz': expected a file name that ends in .safetensors"),
        ({"data": []}, "no data"),
        ({"model": "nowhere/at/all"}, "no model at 'nowhere/at/all'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    tiny: TransformersModel, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    given = {"model": tiny, "data": TEXTS, "path": tmp_path / "r.safetensors", **settings}
    with pytest.raises(MisuseError, match=message):
        save_reference(**given)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file_name(tiny: TransformersModel, tmp_path: Path) -> None:
    (tmp_path / "r.safetensors").mkdir()
    with pytest.raises(MisuseError, match=r"r.safetensors' is a folder"):
        save_reference(tiny, TEXTS, tmp_path / "r.safetensors")


def test_a_reference_that_gives_nan_is_refused_by_text(tiny: TransformersModel, tmp_path: Path) -> None:
    (catherine, *_), *_ = tiny.encode(["Catherine"])

    class Broken(TransformersModel):
        def next_token_log_probs(self, windows: Sequence[Window]) -> list[torch.Tensor]:
            answers = super().next_token_log_probs(windows)
            return [
                answer * torch.nan if catherine in window.tokens else answer
                for answer, window in zip(answers, windows, strict=True)
            ]

    broken = Broken(tiny.module, tiny.tokenizer)
    with pytest.raises(MisuseError, match="the reference gives NaN for #1"):
        save_reference(broken, ["A.", "Catherine Morland"], tmp_path / "r.safetensors")
    assert not list(tmp_path.iterdir())


class Other(TransformersModel):
    """A model that says something else of itself."""

    beginning: int | None = None
    context: int | None = None
    words: str | None = None

    @property
    def prefix_token(self) -> int | None:
        return self.beginning or super().prefix_token

    @property
    def max_length(self) -> int:
        return self.context or super().max_length

    def tokenizer_hash(self) -> str:
        return self.words or super().tokenizer_hash()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"beginning": 5}, r"the model begins texts with token 5, and the model of tiny.safetensors with \d+"),
        (
            {"context": 64},
            "made with windows of 256 tokens, and the model can read 64: make it again with save_reference",
        ),
        ({"words": "abc"}, "the model's tokenizer has another vocabulary than the one of tiny.safetensors"),
    ],
)
def test_a_model_of_another_kind_is_refused(
    tiny: TransformersModel, path: Path, said: dict[str, Any], message: str
) -> None:
    model = Other(tiny.module, tiny.tokenizer)
    vars(model).update(said)
    with pytest.raises(MisuseError, match=message):
        measure(model, TEXTS, "mean_kld", reference=path)


def test_a_model_that_cuts_text_differently_is_refused(tiny: TransformersModel, path: Path) -> None:
    class Cutting(TransformersModel):
        def encode(self, texts: Any) -> list[list[int]]:
            return [[1, 2, 3] for _ in texts]

    with pytest.raises(MisuseError, match=r"cuts the text of #0 into different tokens \(3\) than the model of tiny"):
        measure(Cutting(tiny.module, tiny.tokenizer), TEXTS, "mean_kld", reference=path)


def test_another_window_is_refused(tiny: TransformersModel, path: Path) -> None:
    with pytest.raises(MisuseError, match=r"max_length=16: tiny\.safetensors was made with windows of 256 tokens"):
        measure(tiny, TEXTS, "mean_kld", reference=path, max_length=16)
    assert measure(tiny, TEXTS, "mean_kld", reference=path, max_length=256).value < 1e-5


def test_a_text_that_the_file_does_not_have_is_an_error_not_skipped(tiny: TransformersModel, path: Path) -> None:
    with pytest.raises(MisuseError, match=r"tiny\.safetensors has nothing about example #3"):
        measure(tiny, [*TEXTS, "More."], "mean_kld", reference=path)


def test_a_changed_text_under_the_same_id_is_refused(tiny: TransformersModel, tmp_path: Path) -> None:
    saved = save_reference(tiny, [{"id": "one", "text": "No one."}], tmp_path / "r.safetensors")
    with pytest.raises(MisuseError, match=r"the text of example one is not the one that r\.safetensors was made of"):
        measure(tiny, [{"id": "one", "text": "No two."}], "mean_kld", reference=saved)


def test_a_model_without_tokenizer_hash_is_held_to_its_tokens(tiny: TransformersModel, tmp_path: Path) -> None:
    class Bare:
        """The four members of a `DistributionModel`, and what tells it from anything else."""

        max_length, prefix_token = tiny.max_length, tiny.prefix_token
        encode, score_windows = tiny.encode, tiny.score_windows
        next_token_log_probs = tiny.next_token_log_probs

    saved = save_reference(Bare(), TEXTS, tmp_path / "r.safetensors")
    assert read_reference(saved).tokenizer_hash is None
    assert measure(tiny, TEXTS, "mean_kld", reference=saved).value < 1e-5
    assert isinstance(read_reference(saved), StoredReference)


def test_a_text_without_tokens_is_refused(tiny: TransformersModel, tmp_path: Path) -> None:
    class Silent(TransformersModel):
        def encode(self, texts: Any) -> list[list[int]]:
            return [[] for _ in texts]

    with pytest.raises(MisuseError, match="the text of #0 has no tokens"):
        save_reference(Silent(tiny.module, tiny.tokenizer), TEXTS, tmp_path / "r.safetensors")
