"""How much of a model is left after compression? Its recovery: 1 is all of it, whichever way the metric points.

    pytest examples/test_compression.py

Each function gives a copy, `model`, beside what was changed in it; the original stays as it is.
"""

from pytest_llm import LanguageModel, assert_model_size_below, assert_recovery_above, embedded
from pytest_llm.finetuning.compression.pruning import prune
from pytest_llm.finetuning.compression.quantization import quantize

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


def test_three_bits_keep_the_perplexity(llm: LanguageModel) -> None:
    """They do not. Fails on purpose."""
    assert_recovery_above(quantize(llm, bits=3).model, llm, HELD_OUT, "perplexity", 0.97)
