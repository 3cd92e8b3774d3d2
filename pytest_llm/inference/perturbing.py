"""Answer `Perturb`: how far a model's answer to each text moves with its embeddings, at worst."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import lacking
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered
from pytest_llm.models.language_model import AnyModel, PerturbableModel
from pytest_llm.tasks.perturb import Perturb

_ROUNDING = 1e-6


def perturb(model: AnyModel, examples: Sequence[Example], task: Perturb) -> list[float]:
    """The largest divergence that was found for each text, in nats.

    Raises:
        MisuseError: a model whose gradients cannot be had, a text that it cannot read, a number that is no such divergence.
    """
    if not isinstance(model, PerturbableModel):
        raise lacking(
            model,
            "how its answer moves with its embeddings",
            "a causal model or one with a classification head, of transformers or the core",
        )
    settings = {"epsilon": task.epsilon, "steps": task.steps, "per": task.per, "seed": task.seed}
    request = ("embedding_divergence", *settings.values())
    compute = partial(_perturb, settings=settings)
    return list(remembered(model, [example.text for example in examples], request, compute, lambda text: text))


def _perturb(model: PerturbableModel, texts: list[str], settings: Mapping[str, Any]) -> list[float]:
    return [_checked(model, given) for given in ask(model, "embedding_divergence", texts, **settings)]


def _checked(model: object, given: Any) -> float:
    """As float; NaN passes on, and fails when it is judged."""
    if not isinstance(given, float) or not (math.isnan(given) or 0 <= given <= math.log(2) + _ROUNDING):
        raise MisuseError(
            f"{type(model).__name__}.embedding_divergence returned {given!r}; expected nats, from 0 to ln 2"
        )
    return given
