"""Writing: greedy and beams against `generate` of `transformers`, sampling against its probabilities."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from pytest_llm.errors import MisuseError
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.transformer.generation import Sampling, beam_search, cut_logits, generate
from tests.transformer.agreement import core_of, rows
from tests.transformer.test_bart import tiny_bart
from tests.transformer.test_gpt2 import tiny_gpt2

SETTINGS: dict[str, Any] = {"do_sample": False, "pad_token_id": 49}


def up_to(tokens: list[int], ends: tuple[int, ...]) -> list[int]:
    """With the end token, without the padding that `transformers` puts behind it."""
    place = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
    return tokens[: place + 1]


@pytest.mark.parametrize("ends", [(), (3,), (3, 7, 11, 20, 30)])
def test_greedy_is_what_transformers_writes(ends: tuple[int, ...]) -> None:
    published = tiny_gpt2()
    prompts, mask = rows(49, [6, 1, 4], "left")
    settings = {**SETTINGS, "max_new_tokens": 12, "eos_token_id": list(ends) or None}
    expected = published.generate(prompts, attention_mask=mask, **settings)[:, 6:].tolist()
    found = generate(core_of(published), prompts, mask, max_tokens=12, ends=ends)
    assert found == [up_to(tokens, ends) for tokens in expected]


@pytest.mark.parametrize("beams", [1, 2, 5])
@pytest.mark.parametrize("ends", [(), (3,), (3, 7, 11, 20, 30)])
@pytest.mark.parametrize("length_penalty", [1.0, 0.0, 2.0])
def test_beams_are_those_of_transformers(beams: int, ends: tuple[int, ...], length_penalty: float) -> None:
    published = tiny_gpt2()
    with torch.no_grad():
        published.transformer.ln_f.weight.mul_(0.5)  # less sure of each token, so that beams have something to find
    core = core_of(published)
    settings = {**SETTINGS, "max_new_tokens": 12, "eos_token_id": list(ends) or None, "length_penalty": length_penalty}
    for seed in range(4):
        prompt, _ = rows(49, [3], "left", seed=seed)
        written = published.generate(prompt, attention_mask=torch.ones_like(prompt), num_beams=beams, **settings)
        found = beam_search(core, prompt, beams=beams, max_tokens=12, ends=ends, length_penalty=length_penalty)
        if beams == 1:  # which transformers calls greedy
            assert found.tokens[0] == int(written[0, 3])
        else:
            assert found.tokens == up_to(written[0, 3:].tolist(), ends)


@pytest.mark.parametrize("beams", [1, 3])
def test_targets_are_those_of_transformers(beams: int) -> None:
    published = tiny_bart()
    published.generation_config.forced_eos_token_id = None
    core = core_of(published)
    sources, mask = rows(50, [6, 4], "right")
    settings = {**SETTINGS, "max_new_tokens": 9, "eos_token_id": 2, "decoder_start_token_id": 2, "num_beams": beams}
    written = published.generate(sources, attention_mask=mask, **settings)[:, 1:].tolist()
    if beams == 1:
        found = generate(core, sources, mask, max_tokens=9, start=[2], ends=[2])
    else:
        each = [source[real.bool()][None] for source, real in zip(sources, mask, strict=True)]
        found = [beam_search(core, one, beams=beams, max_tokens=9, start=[2], ends=[2]).tokens for one in each]
    assert found == [up_to(tokens, (2,)) for tokens in written]


def test_the_shipped_model_writes_what_transformers_writes(tiny: TransformersModel) -> None:
    tokens = torch.tensor([tiny.tokenizer("It is a truth")["input_ids"]])
    written = tiny.module.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=20, **SETTINGS)
    (found,) = generate(core_of(tiny.module), tokens, max_tokens=20, ends=[0])
    assert found == up_to(written[0, tokens.shape[1] :].tolist(), (0,))


@pytest.mark.parametrize(
    "settings", [{"temperature": 0.7}, {"top_k": 3}, {"top_p": 0.6}, {"top_k": 6, "top_p": 0.8}], ids=str
)
def test_cuts_are_those_of_transformers(settings: dict[str, Any]) -> None:
    logits = torch.randn(40, 10, generator=torch.Generator().manual_seed(0)) * 2
    expected, nothing = logits, torch.zeros(40, 0, dtype=torch.long)
    for name, warper in (
        ("temperature", TemperatureLogitsWarper),
        ("top_k", TopKLogitsWarper),
        ("top_p", TopPLogitsWarper),
    ):
        if name in settings:
            expected = warper(settings[name])(nothing, expected)
    torch.testing.assert_close(cut_logits(logits, **settings), expected)


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0, 0.5]])
    draw = Sampling([1], temperature=1.5, top_k=4)
    drawn = torch.cat([draw(logits) for _ in range(4000)])
    counts = torch.bincount(drawn, minlength=5)
    assert counts[3] == 0
    kept = [0, 1, 2, 4]
    probabilities = (logits[0, kept] / 1.5).double().softmax(dim=0)
    assert chisquare(counts[kept].numpy(), (probabilities * 4000).numpy()).pvalue > 0.01


def test_a_row_draws_what_it_would_draw_alone() -> None:
    core = core_of(tiny_gpt2())
    prompts, mask = rows(49, [6, 4], "left")
    both = generate(core, prompts, mask, max_tokens=8, choose=Sampling([5, 6]))
    (alone,) = generate(core, prompts[1:, 2:], max_tokens=8, choose=Sampling([6]))
    (again,) = generate(core, prompts[1:, 2:], max_tokens=8, choose=Sampling([7]))
    assert both[1] == alone != again


def test_a_text_may_end_for_reasons_of_your_own() -> None:
    core = core_of(tiny_gpt2())
    prompt, _ = rows(49, [3], "left")
    (long,) = generate(core, prompt, max_tokens=9)
    (short,) = generate(core, prompt, max_tokens=9, is_finished=lambda tokens: len(tokens) == 4)
    assert short == long[:4]


def test_misuse_is_named() -> None:
    decoder, translator = core_of(tiny_gpt2()), core_of(tiny_bart())
    prompts, mask = rows(49, [6, 4], "right")
    with pytest.raises(MisuseError, match="pad on the left"):
        generate(decoder, prompts, mask, max_tokens=3)
    with pytest.raises(MisuseError, match="needs start tokens"):
        generate(translator, prompts, mask, max_tokens=3)
    with pytest.raises(MisuseError, match="start is for encoder-decoders"):
        generate(decoder, prompts, max_tokens=3, start=[1])
    with pytest.raises(MisuseError, match="one prompt and at least one beam, not 2 and 3"):
        beam_search(decoder, prompts, beams=3, max_tokens=3)
    with pytest.raises(MisuseError, match="temperature=0"):
        Sampling([1], temperature=0)
