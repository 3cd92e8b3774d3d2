"""Saving: a model that was saved and loaded again gives the same logits, and so does the one that stayed in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.inference.contracts.differences import difference, unsettled
from pytest_llm.inference.contracts.subject import Subject
from pytest_llm.judging.contract import EQUAL, Case, Examination
from pytest_llm.models.network import Network
from pytest_llm.models.round_trip import module_from_file, tokenizer_from_file

CONTRACT, KEPT = "save_and_load", "the same after saving and loading"


def save_and_load(subject: Subject) -> Examination:
    """Save to a folder that is thrown away, load from it, and compare bit by bit what was, what stayed and what came back."""
    network = subject.network
    if network.module is None:
        raise MisuseError(f"{network.name} is no torch module: it has no weights that could be saved")
    if broken := unsettled(subject, CONTRACT, KEPT):
        return broken
    before = [network.read(sequence.tokens[None])[0] for sequence in subject.sequences]
    weights = {name: tensor.clone() for name, tensor in network.module.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        loaded, way = module_from_file(network.module, Path(folder))
        tokenizer_cases = list(_tokenizer_cases(network, Path(folder), subject))
    again = network.with_module(loaded)
    cases: list[Case] = []
    for which, asked in (("the model that was saved", network), ("the model that was loaded", again)):
        for sequence, first in zip(subject.sequences, before, strict=True):
            apart = difference(first, asked.read(sequence.tokens[None])[0])
            finding = f"{which} differs by {apart} at position {apart.position} of {sequence.name}"
            cases.append(Case(f"{sequence.name}, {which}", apart.amount, finding, sequence.text))
    located = tuple(
        _changed_weights(weights, module, which)
        for which, module in (("saved", network.module), ("loaded", loaded))
        if _first_changed(weights, module) is not None
    )
    return subject.examination(
        CONTRACT,
        KEPT,
        (*cases, *tokenizer_cases),
        "what the logits depend on must be a parameter, a persistent buffer or in the configuration; saving must copy, not convert",
        settings=[way],
        tolerance=EQUAL,
        located=located,
    )


def _tokenizer_cases(network: Network, folder: Path, subject: Subject) -> Iterator[Case]:
    tokenizer: Any = network.tokenizer
    texts = [sequence.text for sequence in subject.sequences if sequence.text]
    if not hasattr(tokenizer, "save_pretrained") or not texts:
        return
    loaded = tokenizer_from_file(tokenizer, folder)
    for place, text in enumerate(texts, start=1):
        one, other = (each(text, verbose=False)["input_ids"] for each in (tokenizer, loaded))
        apart = sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))
        finding = f"the tokenizer that was loaded cuts text {place} otherwise: {apart} tokens differ"
        yield Case(f"text {place}, the tokenizer that was loaded", float(apart), finding, text)


def _first_changed(weights: dict[str, torch.Tensor], module: nn.Module) -> str | None:
    now = module.state_dict()
    changed = (name for name, tensor in weights.items() if name not in now or not torch.equal(tensor, now[name]))
    return next(changed, None)


def _changed_weights(weights: dict[str, torch.Tensor], module: nn.Module, which: str) -> tuple[str, str]:
    name = _first_changed(weights, module)
    assert name is not None
    now = module.state_dict()
    if name not in now:
        return "begins", f"{name} is not in the model that was {which}"
    most = float((weights[name].double() - now[name].double()).abs().max())
    return "begins", f"{name} of the model that was {which} differs by {most:.4g} at most"
