"""Where in a network a difference begins: the first of its layers, and the heads that look where they must not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch

from pytest_llm.inference.contracts.rounding import Rounded
from pytest_llm.models.layer_outputs import EMBEDDINGS, listening, stack
from pytest_llm.models.network import Network
from pytest_llm.wording import number

Ask: TypeAlias = Callable[[], object]
Pick: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
Located: TypeAlias = tuple[tuple[str, str], ...]


def first_layer(network: Network, one: Ask, other: Ask, pick_one: Pick, pick_other: Pick | None = None) -> Located:
    """The first layer whose output differs by more than rounding between two ways of asking.

    Args:
        network: what is asked; nothing can be said unless a module with layers is behind it.
        one: asks it in the first way.
        other: in the second way, in several calls if need be.
        pick_one: of a layer's output `[batch, length, width]` what is compared, `[positions, width]`.
        pick_other: the same for the second way.
    """
    if network.module is None or not stack(network.module):
        return ()
    first, second = _states(network, one), _states(network, other)
    with Rounded(0, network.device):
        rounded = _states(network, one)
    for name, states in first.items():
        mine, others = pick_one(states), (pick_other or pick_one)(second[name])
        rounding = 2 * float((pick_one(rounded[name]) - mine).abs().max())
        apart = float((mine - others).abs().max())
        if not apart <= rounding:
            where = f"what goes into the first of {len(first) - 1} layers differs already"
            if name != EMBEDDINGS:
                where = f"{name}, one of {len(first) - 1} layers, is the first whose output differs here"
            return (("begins", f"{where}: by {number(apart)}, where {number(rounding)} would be rounding"),)
    return (("begins", f"behind the last of {len(first) - 1} layers, whose outputs are the same"),)


def _states(network: Network, ask: Ask) -> dict[str, torch.Tensor]:
    heard: dict[str, list[torch.Tensor]] = defaultdict(list)
    assert network.module is not None
    with listening(network.module, lambda name, states: heard[name].append(states.detach().clone())):
        ask()
    return {name: torch.cat(parts, dim=1) for name, parts in heard.items()}


@torch.inference_mode()
def looking(network: Network, tokens: torch.Tensor, mask: torch.Tensor | None, query: int, keys: list[int]) -> Located:
    """The heads in which a position attends to keys that it must not see, by their own attention weights.

    Models of `transformers` show these in their "eager" implementation, to which they are switched for this one call; if the
    fault is not in that implementation, or the model shows no weights, nothing is said.
    """
    try:
        with _eager(network.module):
            about = {} if mask is None or network.mask_name is None else {network.mask_name: mask.long()}
            weights = network.call(tokens, **about, output_attentions=True).attentions
        layers = [layer[0, :, query, keys].sum(dim=-1) for layer in weights]
    except Exception:  # whatever a model that knows nothing of this makes of it: the layer is named, the head is not
        return ()
    for number_, heads in enumerate(layers):
        guilty = [head for head, weight in enumerate(heads.tolist()) if weight > torch.finfo(heads.dtype).eps]
        if guilty:
            which = f"head{'s' * (len(guilty) != 1)} {', '.join(map(str, guilty))} of {len(heads)}"
            worst = int(heads.argmax())
            return (
                (
                    "looks",
                    f"{which} in layer {number_}; head {worst} most, with a weight of {number(float(heads[worst]))}",
                ),
            )
    return ()


@contextmanager
def _eager(module: Any) -> Iterator[None]:
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation(before)
