"""A new head on a pre-trained body: a classifier whose last layer has all to learn, and what the body was before."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.core_model import CoreCheckpoint, core_model
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.transformer.architectures import SequenceClassifier
from pytest_llm.transformer.encoder import Encoder
from pytest_llm.transformer.fresh import fresh


def classifier_of(base: Model, labels: Sequence[str], *, seed: int = 0) -> ClassifierModel:
    """A pre-trained encoder with a fresh head for these labels; its weights are copied.

    Args:
        base: an encoder, masked model, embedding model or classifier of `transformers` or the core, as `load_model` gives it.
        labels: what a text may be.
        seed: of the head's weights.

    Raises:
        MisuseError: fewer than two labels, or one twice; a model that has no encoder to stand on.
    """
    names = [str(label) for label in labels]
    if len(names) < 2 or len(set(names)) < len(names):
        raise MisuseError(f"labels={list(labels)!r}: expected at least two, each once")
    model = as_language_model(base)
    if isinstance(model, CoreCheckpoint):
        return _of_core(model, names, seed)
    if isinstance(model, Checkpoint):
        return _of_transformers(model, names, seed)
    raise MisuseError(f"{type(model).__name__} has no weights that a head could stand on")


def _of_core(model: CoreCheckpoint, labels: list[str], seed: int) -> ClassifierModel:
    body = model.core if isinstance(model.core, Encoder) else model.core.body
    if not isinstance(body, Encoder):
        raise MisuseError(
            f"{model.name} is no encoder: a model that writes is tuned to say the label, task=Classify({{label: word}}, …)"
        )
    core: Any = fresh(SequenceClassifier, dataclasses.replace(body.config, labels=len(labels)), seed=seed)
    core.body.load_state_dict(body.state_dict())
    made = core_model(core.to(model.device), model.tokenizer, name=f"{model.name} with a head", labels=labels)
    assert isinstance(made, ClassifierModel)
    return made


def _of_transformers(model: Checkpoint, labels: list[str], seed: int) -> ClassifierModel:
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(model.module.config)
    config.id2label, config.label2id = dict(enumerate(labels)), {label: n for n, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    if config.pad_token_id is None:
        config.pad_token_id = model.tokenizer.pad_token_id
    untyped: Any = AutoModelForSequenceClassification
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = untyped.from_config(config).to(model.module.dtype)
    except ValueError as error:
        raise MisuseError(f"transformers knows no classifier of {model.name}: {str(error).splitlines()[0]}") from None
    body = model.module.base_model
    lacking = module.base_model.load_state_dict(body.state_dict(), strict=False)
    # a pooler, where there is one, belongs to the head: masked models have none
    if left := [name for name in lacking.missing_keys if not name.startswith("pooler.")]:
        raise MisuseError(
            f"{model.name} has no weights for {', '.join(left[:3])}, which a classifier of its kind needs"
        )
    return ClassifierModel(module.to(model.device), model.tokenizer, name=f"{model.name} with a head")
