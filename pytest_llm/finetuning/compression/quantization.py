"""Quantization: linear layers with integer weights, and inputs rounded to integers as they come (dynamic quantization).

The scheme is that of LLM.int8's vector-wise products (Dettmers et al. 2022) without its outliers: a scale for each row of the
weights and each token of the inputs. Embeddings, norms and, unless asked for, the last layer stay as they are.
"""

from __future__ import annotations

from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.compressed import (
    Compressed,
    copied,
    is_conv1d,
    linear_layers,
    original,
    result,
)
from pytest_llm.models.integer_linear import IntegerLinear
from pytest_llm.models.linear_kernels import is_altered
from pytest_llm.models.loading import Model


def quantize(model: Model, *, bits: int = 8, activation_bits: int | None = 8, head: bool = False) -> Compressed:
    """A copy with integers in its linear layers.

    A float32 matrix takes a quarter of its memory. Of fewer than 8 bits only the rounding is that of fewer bits: each still takes a
    byte.

    Args:
        model: a checkpoint, or a pair; of `transformers` or of the core.
        bits: of a weight, 2 to 8.
        activation_bits: of an input, 2 to 8; None: inputs are not rounded (weight-only quantization).
        head: the layer that gives the logits as well. A matrix that it shares with the embeddings is then there twice.

    Raises:
        MisuseError: no layer to quantize, one with hooks, bits out of range, weights that are not finite.

    Example:
        >>> assert_recovery_above(quantize(llm).model, llm, texts, "perplexity", 0.97)  # doctest: +SKIP
    """
    before = original(model)
    names = linear_layers(before, head=head)
    for name, layer in names.items():
        if is_altered(layer):
            raise MisuseError(f"{name} has hooks or a forward of its own, which a layer of integers would not have")
    after = copied(before, f"{bits} bits")
    layers = {name: after.module.get_submodule(name) for name in names}
    replaced = {
        part: IntegerLinear(
            part.get_parameter("weight").T if is_conv1d(part) else part.get_parameter("weight"),
            part._parameters.get("bias"),
            bits=bits,
            activation_bits=activation_bits,
        )
        for part in layers.values()
    }
    _replace(after.module, replaced)
    return result(before, after, tuple(layers), [layer.weight for layer in replaced.values()])


def _replace(module: nn.Module, replaced: dict[nn.Module, IntegerLinear]) -> None:
    """Wherever a layer is used, several times in models that share layers."""
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if child in replaced:
                setattr(part, name, replaced[child].eval())
