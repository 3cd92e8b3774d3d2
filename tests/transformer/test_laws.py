"""What holds for any shape: no token sees the future, padding and neighbours change nothing, a cache changes nothing.

In float64, over drawn configurations, so that what is not rounding shows.
"""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm.transformer.architectures import CausalLM, MaskedLM, Seq2SeqLM
from pytest_llm.transformer.config import Config
from tests.transformer.agreement import cached, rows

VOCABULARY, LENGTHS = 11, [6, 1, 4]


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """Small shapes of every kind."""
    shared = draw(st.integers(1, 2))
    return Config(
        vocabulary=VOCABULARY,
        width=draw(st.sampled_from([4, 6])),
        layers=draw(st.integers(1, 2)),
        heads=shared * draw(st.integers(1, 2)),
        key_value_heads=shared,
        head_width=draw(st.sampled_from([2, 4])),
        inner_width=draw(st.integers(1, 5)),
        decoder_layers=draw(st.integers(1, 2)),
        max_length=8,
        positions=draw(st.sampled_from(["sinusoidal", "learned", "rotary"])),
        feed_forward=draw(st.sampled_from(["relu", "gelu", "gelu_tanh", "swiglu"])),
        normalization=draw(st.sampled_from(["layer", "rms"])),
        norm_first=draw(st.booleans()),
        embedding_norm=draw(st.booleans()),
        scale_embeddings=draw(st.booleans()),
        segments=draw(st.sampled_from([0, 2])),
        bias=draw(st.booleans()),
        tied=draw(st.booleans()),
        head_bias=draw(st.booleans()),
        head_transform=draw(st.booleans()),
    )


def model_of(kind: Any, config: Config, seed: int = 0) -> Any:
    """With weights of deviation 0.5: large enough that every token matters, small enough that no softmax has one winner."""
    torch.manual_seed(seed)
    model = kind(config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.5)
    return model


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=1e-8)


LAW = settings(max_examples=25, deadline=None)


@given(configs(), st.sampled_from(["left", "right"]), st.integers(0, 5))
@LAW
@torch.inference_mode()
def test_a_decoder_keeps_the_laws(config: Config, side: str, changed: int) -> None:
    model = model_of(CausalLM, config)
    tokens, mask = rows(VOCABULARY, LENGTHS, side)
    together = model(tokens, mask)
    assert together.isfinite().all()
    for row in range(3):
        close(together[row][mask[row].bool()], model(tokens[row : row + 1][:, mask[row].bool()])[0])
    other = tokens.clone()
    other[0, changed] = (other[0, changed] + 1) % VOCABULARY
    after = model(other, mask)
    close(after[0, :changed], together[0, :changed])
    # seen in the states: an extra ReLU layer before the logits may be dead
    assert not torch.equal(model.body(other, mask)[0, changed], model.body(tokens, mask)[0, changed])
    for chunks in ([1] * 6, [2, 4], [5, 1]):
        close(cached(model, tokens, mask, chunks)[mask.bool()], together[mask.bool()])
    assert model(tokens, mask * 0).isfinite().all()


@given(configs(), st.sampled_from(["left", "right"]))
@LAW
@torch.inference_mode()
def test_an_encoder_keeps_the_laws(config: Config, side: str) -> None:
    model = model_of(MaskedLM, config)
    tokens, mask = rows(VOCABULARY, LENGTHS, side)
    together = model(tokens, mask)
    for row in range(3):
        close(together[row][mask[row].bool()], model(tokens[row : row + 1][:, mask[row].bool()])[0])
    other = tokens.clone()
    other[0, 5] = (other[0, 5] + 1) % VOCABULARY
    assert not torch.equal(model.body(other, mask)[0, :5], model.body(tokens, mask)[0, :5])  # those before see it
    assert model(tokens, mask * 0).isfinite().all()


@given(configs(), st.sampled_from(["left", "right"]), st.sampled_from(["left", "right"]))
@LAW
@torch.inference_mode()
def test_an_encoder_decoder_keeps_the_laws(config: Config, source_side: str, target_side: str) -> None:
    model = model_of(Seq2SeqLM, config)
    source, source_mask = rows(VOCABULARY, LENGTHS, source_side)
    target, target_mask = rows(VOCABULARY, [3, 5, 1], target_side, seed=1)
    masks = {"source_mask": source_mask, "target_mask": target_mask}
    together = model(source, target, **masks)
    for row in range(3):
        alone = model(
            source[row : row + 1][:, source_mask[row].bool()], target[row : row + 1][:, target_mask[row].bool()]
        )
        close(together[row][target_mask[row].bool()], alone[0])
    cache, memory = model.body.decoder.new_cache(), model.body.encoder(source, source_mask)
    parts = zip(torch.split(target, [1, 3, 1], dim=1), torch.split(target_mask, [1, 3, 1], dim=1), strict=True)
    steps = [
        model(source, part, source_mask=source_mask, target_mask=mask, memory=memory, cache=cache)
        for part, mask in parts
    ]
    close(torch.cat(steps, dim=1)[target_mask.bool()], together[target_mask.bool()])
    assert model(source, target, source_mask=source_mask * 0, target_mask=target_mask * 0).isfinite().all()
