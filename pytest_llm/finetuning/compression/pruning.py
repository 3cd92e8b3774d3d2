"""Pruning: the weights of smallest magnitude become 0 (Han et al. 2015, "Learning both Weights and Connections")."""

from __future__ import annotations

from typing import Any, Literal

from torch.nn.utils import prune as torch_pruning

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.compressed import Compressed, copied, linear_layers, original, result
from pytest_llm.models.loading import Model


def prune(model: Model, share: float, *, among: Literal["all", "layer"] = "all", head: bool = False) -> Compressed:
    """A copy with a share of the weights of its linear layers at 0, for good.

    Zeros take as much memory as other numbers, and as much time in plain products: what is gated is the quality of what a sparse
    format or kernel would be given.

    Args:
        model: a checkpoint, or a pair; of `transformers` or of the core.
        share: of the weights, between 0 and 1: `round(share · weights)` of them become 0.
        among: "all": the smallest of all these layers together; "layer": the same share of each layer.
        head: the layer that gives the logits as well, and the embeddings where they are the same matrix.

    Raises:
        MisuseError: no layer to prune, a share that is none.
    """
    if not 0 < share < 1:
        raise MisuseError(f"share={share!r}: expected a share of the weights between 0 and 1")
    if among not in ("all", "layer"):
        raise MisuseError(f"among={among!r}: expected 'all' or 'layer'")
    before = original(model)
    names = linear_layers(before, head=head)
    after = copied(before, f"{share:.0%} pruned")
    layers = {name: after.module.get_submodule(name) for name in names}
    weights = [(layer, "weight") for layer in layers.values()]
    untyped: Any = torch_pruning
    if among == "all":
        untyped.global_unstructured(weights, untyped.L1Unstructured, amount=share)
    for layer, name in weights:
        if among == "layer":
            untyped.l1_unstructured(layer, name, amount=share)
        untyped.remove(layer, name)  # the mask is multiplied in for good
        # the weight is now behind the bias: digests of a model and of one that was saved and loaded would differ
        layer.register_parameter("bias", layer._parameters.pop("bias"))
    return result(before, after, tuple(layers), [layer.get_parameter("weight") for layer in layers.values()])
