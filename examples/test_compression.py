"""How much of a model is left after compression? Its recovery: 1 is all of it, whichever way the metric points.

    pytest examples/test_compression.py

Each function gives a copy, `model`, beside what was changed in it; the original stays as it is.
"""

import lzma

from pytest_llm import LanguageModel, assert_model_size_below, assert_recovery_above, embedded
from pytest_llm.finetuning.compression.depth import keep_layers
from pytest_llm.finetuning.compression.distillation import distill
from pytest_llm.finetuning.compression.pruning import prune
from pytest_llm.finetuning.compression.quantization import quantize
from pytest_llm.finetuning.running_text import running_text
from pytest_llm.pretraining.trainer import Recipe

HELD_OUT = embedded("data/held_out.jsonl")


def test_eight_bits_keep_the_perplexity(llm: LanguageModel) -> None:
    """Integers in the linear layers, and inputs rounded as they come."""
    assert_recovery_above(quantize(llm).model, llm, HELD_OUT, "perplexity", 0.99, confidence=0.95)


def test_eight_bits_take_less_than_half_the_memory(llm: LanguageModel) -> None:
    """Not a quarter: a fourth of this small model's numbers are embeddings."""
    made = quantize(llm)
    assert_model_size_below(made.model, made.bytes_before / 2)


def test_eight_bits_keep_the_bits_per_byte(llm: LanguageModel) -> None:
    """Bits are logarithms of perplexities: the same share of them allows a far greater loss, so more is asked for."""
    assert_recovery_above(quantize(llm).model, llm, HELD_OUT, "bits_per_byte", "99.5%")


def test_a_fifth_of_the_weights_can_be_zero(llm: LanguageModel) -> None:
    assert_recovery_above(prune(llm, 0.2).model, llm, HELD_OUT, "perplexity", 0.97)


def test_a_student_of_two_layers_learns_from_its_teacher(llm: LanguageModel) -> None:
    """Of three layers it is given the outer ones, and in 20 steps on other novels it comes nearer to what its teacher says."""
    student = keep_layers(llm, [0, 2]).model
    with lzma.open(embedded("data/austen_train.txt.xz"), "rt", encoding="utf-8") as lines:
        paragraphs = [line.strip() for line, _ in zip(lines, range(300), strict=False)]
    recipe = Recipe(steps=20, learning_rate=1e-3, warm_up=5)
    taught = distill(llm, student, running_text(llm, paragraphs), recipe).model
    assert_recovery_above(taught, student, HELD_OUT, "perplexity", 1.2)  # better than it was


def test_three_bits_keep_the_perplexity(llm: LanguageModel) -> None:
    """They do not. Fails on purpose."""
    assert_recovery_above(quantize(llm, bits=3).model, llm, HELD_OUT, "perplexity", 0.97)
