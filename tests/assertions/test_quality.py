"""assert_perplexity_below: right numbers on a real model, and a defined outcome for every kind of bad input."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm import MisuseError, Outcome, QualityError, assert_perplexity_below, embedded, load_examples
from pytest_llm.models.transformers_model import TransformersModel
from tests.stub_models import TableModel, UniformModel

HELD_OUT = embedded("data/held_out.jsonl")
TEXTS = [example.text for example in load_examples(HELD_OUT)]


def float64_nll(model: TransformersModel, texts: list[str]) -> tuple[float, int]:
    """(Σ nll, Σ tokens) in double precision, one short text at a time, from the definition."""
    module = type(model.module)(model.module.config).double().eval()
    module.load_state_dict(model.module.state_dict())
    nll, count = 0.0, 0
    for text in texts:
        ids = [
            model.tokenizer.bos_token_id,
            *model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"],
        ]
        with torch.no_grad():
            log_probs = torch.log_softmax(module(torch.tensor([ids])).logits[0].double(), dim=-1)
        nll -= sum(float(log_probs[position, token]) for position, token in enumerate(ids[1:]))
        count += len(ids) - 1
    return nll, count


def test_agrees_with_a_float64_reference(tiny: TransformersModel) -> None:
    short = [text[:600] for text in TEXTS[:6]]  # each fits in one window
    nll, count = float64_nll(tiny, short)
    measured = assert_perplexity_below(tiny, short, 1e9)
    assert measured.statistics.sum(axis=0) == pytest.approx([nll, count], rel=1e-6)
    assert measured.value == pytest.approx(math.exp(nll / count), rel=1e-6)


def test_agrees_with_the_loss_of_transformers_where_no_bos_is_added(tiny: TransformersModel) -> None:
    ids = torch.tensor([tiny.encode(TEXTS[:1])[0][:200]])
    with torch.no_grad():
        loss = float(tiny.module(ids, labels=ids).loss)
    text = tiny.tokenizer.decode(ids[0])
    assert assert_perplexity_below(tiny, [text], 1e9, add_bos=False).value == pytest.approx(math.exp(loss), rel=1e-5)


@pytest.mark.smollm2
def test_agrees_with_the_loss_of_transformers_on_smollm2(smollm2: TransformersModel) -> None:
    texts = TEXTS[:3]
    nll, count = 0.0, 0
    for text in texts:
        ids = torch.tensor([smollm2.tokenizer(text, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            loss = float(smollm2.module(ids, labels=ids).loss)
        nll, count = nll + loss * (ids.shape[1] - 1), count + ids.shape[1] - 1
    measured = assert_perplexity_below(smollm2, texts, 100, add_bos=False)
    assert measured.value == pytest.approx(math.exp(nll / count), rel=1e-4)


def test_a_stride_gives_more_context_and_a_lower_number(tiny: TransformersModel) -> None:
    chapter = load_examples(embedded("data/northanger_abbey.jsonl"))[0].text
    rolling = assert_perplexity_below(tiny, [chapter], 1e9)
    strided = assert_perplexity_below(tiny, [chapter], 1e9, stride=64)
    assert strided.value < rolling.value
    assert strided.statistics[0, 1] == rolling.statistics[0, 1]  # the same tokens are scored


def test_units_describe_the_same_probability(tiny: TransformersModel) -> None:
    token, byte, bits = (
        assert_perplexity_below(tiny, TEXTS[:3], 1e9, unit=unit) for unit in ("token", "byte", "bits_per_byte")
    )
    assert byte.statistics[:, 0] == pytest.approx(token.statistics[:, 0])
    assert bits.value == pytest.approx(math.log2(byte.value))


def test_the_same_number_twice(tiny: TransformersModel) -> None:
    first, second = (assert_perplexity_below(tiny, TEXTS[:5], 1e9) for _ in range(2))
    assert np.array_equal(first.statistics, second.statistics)


@pytest.mark.slow
def test_a_document_of_100_000_tokens_is_scored_to_its_end(tiny: TransformersModel) -> None:
    novel = "\n".join(example.text for example in load_examples(embedded("data/northanger_abbey.jsonl")))
    measured = assert_perplexity_below(tiny, [novel], 60)
    assert measured.statistics[0, 1] == len(tiny.encode([novel])[0]) > 100_000


def test_a_text_of_one_token_is_scored_after_bos(tiny: TransformersModel) -> None:
    assert assert_perplexity_below(tiny, ["A"], 1e9).statistics[0, 1] == 1


def test_a_text_of_one_token_without_bos_is_refused(tiny: TransformersModel) -> None:
    with pytest.raises(MisuseError, match="#1 is a single token"):
        assert_perplexity_below(tiny, ["Two tokens", "A"], 1e9, add_bos=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no data"),
        (["fine", ""], "text of example #1 is empty"),
        (["same", "same"], "examples #0 and #1 are the same text"),
        ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], "two examples have the id 'a'"),
        (["\ud800"], "cannot be tokenized"),
    ],
)
def test_bad_data_is_refused(tiny: TransformersModel, data: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        assert_perplexity_below(tiny, data, 1e9)


def test_invalid_utf8_in_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin1.txt"
    path.write_bytes("fine\ncaf\u00e9".encode("latin-1"))
    with pytest.raises(MisuseError, match=r"latin1.txt is not UTF-8: byte 0xe9 at offset 8 \(line 2\)"):
        assert_perplexity_below(UniformModel(), path, 1e9)


def test_nan_is_an_error_that_names_the_documents(tiny: TransformersModel) -> None:
    class Broken(TransformersModel):
        def score_windows(self, windows: Any) -> Any:
            return [np.full(window.scored, np.nan if window.scored > 5 else -1.0) for window in windows]

    with pytest.raises(QualityError, match="not a number: 1 of 2 examples gave NaN \\(#1\\)") as caught:
        assert_perplexity_below(Broken(tiny.module, tiny.tokenizer), ["Hi", "A longer text than that one is"], 1e9)
    assert caught.value.verdict.outcome is Outcome.ERROR


def test_nan_weights_give_nan_and_not_a_pass() -> None:
    broken = TransformersModel(*_fresh())
    with torch.no_grad():
        broken.module.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(QualityError, match="is not a number"):
        assert_perplexity_below(broken, ["any text"], 1e9)


def test_an_impossible_token_gives_infinity_and_a_failure() -> None:
    with pytest.raises(QualityError, match="perplexity inf is not below 25: some token has probability 0"):
        assert_perplexity_below(TableModel({"a": [-1.0, -math.inf]}), ["a"], 25)


def test_a_senseless_limit_is_refused_before_the_model_runs() -> None:
    model = UniformModel()
    with pytest.raises(MisuseError, match="limit nan"):
        assert_perplexity_below(model, ["a"], math.nan)
    assert model.calls == []


def test_confidence_demands_proof() -> None:
    answers = {f"text {n}": [-2.0 - (n % 5) / 2] * 10 for n in range(40)}  # perplexity about e^3 = 20
    loose, tight = 25.0, 20.5
    assert_perplexity_below(TableModel(answers), list(answers), tight)
    assert_perplexity_below(TableModel(answers), list(answers), loose, confidence=0.95)
    with pytest.raises(
        QualityError, match=r"not proven below 20\.5: the 95 % upper bound is .* documents like these would"
    ):
        assert_perplexity_below(TableModel(answers), list(answers), tight, confidence=0.95)


def _fresh() -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = embedded("models/tiny-decoder")
    return AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)
