"""Digests of weights: none is better than one that does not tell models apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pytest_llm.models.identity import weights_digest


class Packed(nn.Module):
    """As torch's own quantised layers: its weights are no parameters, and an object in its state."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.packed = (weight, None)
        self.scale = nn.Parameter(torch.ones(1))

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}packed"] = self.packed


def test_weights_that_are_packed_into_an_object_have_no_digest() -> None:
    assert weights_digest(nn.Sequential(Packed(torch.zeros(3)))) == ""


def test_a_digest_changes_with_one_weight_and_with_its_type() -> None:
    module = nn.Linear(3, 2)
    before = weights_digest(module)
    assert len(before) == 16
    assert weights_digest(module.double()) != before
    module.float()
    assert weights_digest(module) == before
    with torch.no_grad():
        module.weight[1, 2] += 1
    assert weights_digest(module) != before
