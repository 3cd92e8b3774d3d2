"""What shows its logits, and how it is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pytest_llm import MisuseError
from pytest_llm.models.network import as_network
from pytest_llm.transformer.architectures import CausalLM, Seq2SeqLM
from pytest_llm.transformer.config import Config
from tests.tiny_checkpoints import tiny_bert, tiny_gpt2, tiny_llama, tiny_roberta, tiny_t5

IDS = torch.tensor([[7, 8, 9, 10]])


def test_each_form_of_one_model_gives_the_same_logits(tiny: Any) -> None:
    module, tokenizer = tiny.module, tiny.tokenizer
    with torch.no_grad():
        expected = module(IDS).logits

    class Own:
        def logits(self, ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
            logits: torch.Tensor = module(ids, attention_mask=attention_mask).logits
            return logits

    forms: list[Any] = [tiny, "tiny-decoder", (module, tokenizer), module, Own(), lambda ids: Own().logits(ids)]
    for form in forms:
        assert torch.equal(as_network(form).read(IDS), expected)
    assert [as_network(form).mask_name for form in forms] == ["attention_mask"] * 5 + [None]


@pytest.mark.parametrize("answer", ["logits", "last_hidden_state", "tuple", "tensor", "numpy"])
def test_logits_are_found_in_what_is_returned(answer: str) -> None:
    values = torch.arange(24.0).reshape(1, 4, 6)
    found: Any = {"tuple": (values, "cache"), "tensor": values, "numpy": values.numpy()}.get(answer)
    network = as_network(lambda ids: SimpleNamespace(**{answer: values}) if found is None else found)
    assert torch.equal(network.read(IDS), values)


def test_positions_are_counted_without_padding_for_models_that_write() -> None:
    seen: list[dict[str, Any]] = []

    def remember(_: Any, args: Any, kwargs: dict[str, Any]) -> None:
        seen.append(kwargs)

    tokens = torch.tensor([[0, 0, 7, 8], [5, 6, 7, 8]])
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]]).bool()
    for tiny_model in (tiny_gpt2, tiny_bert):
        module, _ = tiny_model()
        module.register_forward_pre_hook(remember, with_kwargs=True)
        as_network(module).read(tokens, mask)
    assert seen[0]["position_ids"].tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]
    assert seen[0]["attention_mask"].tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert "position_ids" not in seen[1]


def test_reading_in_steps_is_reading_at_once() -> None:
    core = CausalLM(Config(vocabulary=30, width=8, layers=1, heads=2, max_length=16)).eval()
    for model in (tiny_llama(), core):
        network = as_network(model)
        first, cache = network.read_on(IDS[:, :1], None, None)
        second, _ = network.read_on(IDS[:, 1:], None, cache)
        torch.testing.assert_close(torch.cat([first, second], dim=1), network.read(IDS), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["transformers", "core"])
def test_of_an_encoder_decoder_one_text_is_read_and_the_other_held_fast(kind: str) -> None:
    shape = Config(vocabulary=60, width=8, layers=1, decoder_layers=1, heads=2, max_length=16)
    model = tiny_t5() if kind == "transformers" else Seq2SeqLM(shape).eval()
    target, source = as_network(model), as_network(model, reads="source")
    longer = torch.cat([IDS, IDS], dim=1)
    assert [target.read(ids).shape[1] for ids in (IDS, longer)] == [4, 8]
    assert source.read(IDS).shape == source.read(longer).shape
    assert not torch.equal(source.read(IDS), source.read(longer))
    assert (target.aligned, source.aligned) == (True, False)


def test_what_a_model_says_of_itself() -> None:
    network = as_network(tiny_roberta())
    assert network.max_length == 128  # of 130 positions: its own count begins behind the padding token
    assert network.vocabulary == len(network.tokenizer)
    assert network.gives_logits
    assert network.counts_places
    assert network.padding == network.tokenizer.pad_token_id
    function = as_network(lambda ids: nn.functional.one_hot(ids, 9).double())
    assert (function.vocabulary, function.max_length, function.dtype) == (9, None, torch.float64)
    assert str(function.provenance) == "<lambda>, float64 on cpu"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "int does not show its logits"),
        ("no/such/path", "no model at 'no/such/path'"),
        (lambda ids: None, "returned NoneType, no logits"),
        (lambda ids: ids[..., None], r"returned torch.int64 of shape \(1, 4, 1\)"),
    ],
)
def test_what_shows_no_logits_is_refused(model: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        as_network(model).read(IDS)
