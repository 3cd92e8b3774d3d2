"""Logits for the rows that are scored, and no others: the head is often the most expensive layer, and most rows are not asked.

A forward pre-hook on the head takes the rows out of the hidden states before they are multiplied; what the model does to
hidden states or logits around it (T5 scales the former, BART adds a bias to the latter) is done as ever. Whether a
model bears this (one head, called once, on `[sequences, tokens, width]`) is found out with a probe before it is relied on.
"""

from __future__ import annotations

import logging
from typing import Any

import torch

from pytest_llm.models.placement import device_of

logger = logging.getLogger(__name__)

# Largest differences between logits, as a share of the largest logit, that the rounding of a product of other shape explains.
_TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-10, torch.bfloat16: 0.03, torch.float16: 0.005}
_PROBE_SHAPE = (2, 7)
_FAILURES = (AttributeError, IndexError, RuntimeError, TypeError, ValueError)


class HeadRows:
    """The logits of chosen rows of a model's output."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._selects: bool | None = None  # not asked yet

    def logits(self, sequences: torch.Tensor, positions: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
        """The logits at `positions[k]` of sequence number `sequences[k]`: `[rows, vocabulary]`.

        Args:
            sequences: `[rows]`, indices into the batch.
            positions: `[rows]`, indices along the sequence.
            inputs: the arguments of the model's forward.
        """
        if self._selects is None:
            self._selects = self._agrees_on_a_probe()
        logits = _selected if self._selects else _taken_from_all
        return logits(self._module, sequences, positions, inputs)

    def _agrees_on_a_probe(self) -> bool:
        device = device_of(self._module)
        vocabulary = self._module.get_input_embeddings().weight.shape[0]
        # small numbers: the decoder may have a vocabulary of its own
        ids = torch.arange(1, 15, device=device).view(_PROBE_SHAPE) % vocabulary
        inputs = {"input_ids": ids}
        if getattr(self._module.config, "is_encoder_decoder", False):
            inputs["decoder_input_ids"] = ids.flip(1)
        rows = torch.tensor([1, 0, 1], device=device), torch.tensor([6, 2, 0], device=device)
        try:
            expected = _taken_from_all(self._module, *rows, inputs).float()
            found = _selected(self._module, *rows, inputs).float()
        except _FAILURES as error:
            reason = f"{type(error).__name__}: {error}"
        else:
            reason = f"logits of shape {tuple(found.shape)}, not {tuple(expected.shape)}"
            if found.shape == expected.shape:
                allowed = _TOLERANCES.get(self._module.dtype, 0.0) * float(expected.abs().max())
                difference = float((found - expected).abs().max())
                if difference <= allowed:  # False for NaN
                    return True
                reason = f"logits differ by {difference:.2g}, {allowed:.2g} would be rounding"
        logger.info("%s computes all logits, not only those asked for: %s", type(self._module).__name__, reason)
        return False


def _selected(module: Any, sequences: torch.Tensor, positions: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
    def select(_head: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden, *others = given
        return (hidden[sequences, positions][None], *others)

    hook = module.get_output_embeddings().register_forward_pre_hook(select)
    try:
        logits: torch.Tensor = module(**inputs).logits
    finally:
        hook.remove()
    return logits[0]


def _taken_from_all(
    module: Any, sequences: torch.Tensor, positions: torch.Tensor, inputs: dict[str, Any]
) -> torch.Tensor:
    logits: torch.Tensor = module(**inputs).logits
    return logits[sequences, positions]
