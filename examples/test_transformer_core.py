"""A Transformer in code that can be read (`pytest_llm/transformer`), and that proves itself by carrying real weights.

The fixtures `transformer_encoder`, `transformer_decoder` and `transformer_encoder_decoder` make models of it. A test that takes one
runs on the CPU, and on a GPU where there is one.
"""

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from pytest_llm import Decoding, assert_mean_kld_below, assert_perplexity_below, embedded, load_examples
from pytest_llm.transformer.attention import attention_formula, use_attention
from pytest_llm.transformer.weights.published import from_published

HELD_OUT = embedded("data/held_out.jsonl")
OPENINGS = [" ".join(example.text.split()[:20]) for example in load_examples(HELD_OUT)][:8]


def test_it_carries_published_weights(transformer_decoder: Any) -> None:
    """The shipped Llama in our own code reads Austen as it does in transformers."""
    assert_perplexity_below(transformer_decoder(trained=True), HELD_OUT, 45)


@pytest.mark.smollm2
def test_it_says_what_transformers_says(smollm2: Any) -> None:
    """SmolLM2-135M: no token's distribution differs."""
    module = smollm2.module
    core = from_published(module.config.to_dict(), module.state_dict(), architecture="LlamaForCausalLM")
    assert_mean_kld_below((core, smollm2.tokenizer), OPENINGS[:3], 1e-6, reference=smollm2)


def test_attention_is_its_formula(transformer_decoder: Any) -> None:
    """softmax(q·kᵀ / √d_k) · v, as it is written, in the place of the fused kernel. Your own kernel can stand there, too."""
    fused, written_out = transformer_decoder(seed=1), transformer_decoder(seed=1)
    use_attention(written_out.core, attention_formula)
    assert_mean_kld_below(written_out, OPENINGS, 1e-9, reference=fused)


@pytest.mark.parametrize(
    "settings", [{}, {"positions": "learned"}, {"normalization": "layer", "norm_first": False}], ids=str
)
def test_it_learns_a_sentence(transformer_decoder: Any, settings: dict[str, Any]) -> None:
    model = transformer_decoder(**settings)
    assert assert_perplexity_below(model, OPENINGS[:1], 4000).value > 1000  # fresh weights know nothing
    tokens = torch.tensor([[model.prefix_token, *model.encode(OPENINGS[:1])[0]]], device=model.device)
    optimizer = torch.optim.AdamW(model.core.parameters(), lr=5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss: Any = cross_entropy(model.core(tokens[:, :-1])[0], tokens[0, 1:])
        loss.backward()
        optimizer.step()
    assert_perplexity_below(model, OPENINGS[:1], 2)


def test_it_writes(transformer_decoder: Any) -> None:
    model = transformer_decoder(trained=True)
    best, drawn = (
        model.generate(["Catherine was"], decoding)
        for decoding in (Decoding(max_tokens=12, beams=3), Decoding(max_tokens=12, temperature=0.8, top_p=0.9, seed=1))
    )
    assert best != drawn


def test_fresh_weights_read_as_well(transformer_decoder: Any) -> None:
    """They do not: all 2050 tokens are about equally probable to them. Fails on purpose."""
    assert_perplexity_below(transformer_decoder(), OPENINGS, 45)
