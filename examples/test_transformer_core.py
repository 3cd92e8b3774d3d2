"""A Transformer in code that can be read (`pytest_llm/transformer`), and that proves itself by carrying real weights.

The fixtures `transformer_encoder`, `transformer_decoder` and `transformer_encoder_decoder` make models of it. A test that takes one
runs on the CPU, and on a GPU where there is one.
"""

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from pytest_llm import (
    Decoding,
    assert_conditional_perplexity_below,
    assert_mean_kld_below,
    assert_perplexity_below,
    assert_pseudo_perplexity_below,
    embedded,
    load_examples,
    measure,
)
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


def test_an_encoder_of_its_own_is_shipped(transformer_encoder: Any) -> None:
    """Trained to find what is hidden, from what stands on both sides; that of fresh weights is about 2 000."""
    assert_pseudo_perplexity_below(transformer_encoder(trained=True), OPENINGS, 80)
    assert measure(transformer_encoder(), OPENINGS, "pseudo_perplexity").value > 1500


def test_an_encoder_decoder_of_its_own_is_shipped(transformer_encoder_decoder: Any) -> None:
    """Trained to write a text whole of which parts are hidden. Each sentence is probable given its own remains, and no others."""
    model = transformer_encoder_decoder(trained=True)
    own = [{"text": row.text, "target": row.row["target"]} for row in load_examples(embedded("data/gaps.jsonl"))][:40]
    foreign = [{**row, "text": other["text"]} for row, other in zip(own, own[1:] + own[:1], strict=True)]
    assert_conditional_perplexity_below(model, own, 3)
    assert measure(model, foreign, "conditional_perplexity").value > 100


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
