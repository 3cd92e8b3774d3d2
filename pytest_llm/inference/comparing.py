"""Answer `Compare`: two models read the same windows, and their distributions are compared token by token.

What is kept of each token are five numbers. In the place of the second model may stand a file with the most probable tokens of its
distributions (`data.stored_reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.stored_reference import SUFFIX, StoredReference, read_reference
from pytest_llm.errors import MisuseError
from pytest_llm.inference.distributions import (
    Stretch,
    Text,
    chosen_length,
    distribution_model,
    distributions,
    texts_of,
)
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remember, remembered
from pytest_llm.metrics.divergence import TokenDivergence
from pytest_llm.models.language_model import AnyModel, DistributionModel, provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.compare import Compare
from pytest_llm.tasks.score import Score

if TYPE_CHECKING:
    import torch

    from pytest_llm.inference.token_divergence import Rows

Side: TypeAlias = "Callable[[Sequence[Stretch], Sequence[torch.Tensor]], Iterator[Rows]]"
"""The numbers of each token of stretches, from the model's own distributions."""
Reference: TypeAlias = "Model | StoredReference"
"""What a model is compared with: another one, or the path of what `save_reference` wrote of it."""


def as_reference(reference: Reference) -> AnyModel | StoredReference:
    """Take whatever `reference=` was given: a `.safetensors` file is a stored reference, all else a model."""
    if isinstance(reference, StoredReference):
        return reference
    if isinstance(reference, str | Path) and str(reference).endswith(SUFFIX):
        return read_reference(Path(reference).expanduser())
    return as_language_model(reference)


def window_length(model: AnyModel, task: Compare) -> int:
    """The window in tokens that both sides read.

    Raises:
        MisuseError: the task asks for a longer one than both can read, or for another one than the stored reference has.
    """
    own, base = distribution_model(model).max_length, as_reference(task.reference)
    if not isinstance(base, StoredReference):
        return chosen_length(min(own, distribution_model(base).max_length), task.max_length, "both models")
    if task.max_length not in (None, base.max_length):
        raise MisuseError(
            f"max_length={task.max_length}: {base.name} was made with windows of {base.max_length} tokens; leave max_length out, "
            f"or make it again with that length"
        )
    if own < base.max_length:
        raise MisuseError(
            f"{base.name} was made with windows of {base.max_length} tokens, and the model can read {own}: make it again with "
            f"save_reference(…, max_length={own})"
        )
    return base.max_length


def compare(model: AnyModel, examples: Sequence[Example], task: Compare) -> list[TokenDivergence]:
    """What the two models make of each token of each text, both given the text before it (with BOS in front).

    Raises:
        MisuseError: a model without next-token distributions, two that cut text into different tokens, a stored reference of
            other texts.
    """
    candidate, reference = distribution_model(model), as_reference(task.reference)
    length = window_length(model, Compare(reference, task.max_length))
    texts = texts_of(candidate, examples)
    if isinstance(reference, StoredReference):
        _refuse_other_model(candidate, reference)
        places = {example.id: reference.rows_of(example, tokens) for example, tokens in texts}
        named, base = str(reference), None
        compute = partial(_compare_with_file, reference=reference, places=places, length=length)
    else:
        base = distribution_model(reference)
        _refuse_other_tokens(candidate, base, texts)
        named = str(provenance(reference))
        compute = partial(_compare_with_model, reference=base, length=length)

    def in_words() -> str | None:
        """The request, for the cache on disk; a stored reference is told by what is in it, a model by its cache key."""
        told = known if base is None else getattr(base, "cache_key", lambda: None)()
        return None if told is None else f"compare in windows of {length} with {told}"

    known = getattr(reference, "fingerprint", lambda: None)()
    if known is None:  # nobody can tell whether the reference is still what it was
        outputs = compute(candidate, texts)
    else:
        outputs = remembered(
            candidate, texts, (Compare, length, known), compute, lambda text: text[0].text, lasting=in_words
        )
    return [replace(output, reference=named) for output in outputs]  # a copy of the file may have another name


def _compare_with_file(
    model: DistributionModel,
    texts: Sequence[Text],
    reference: StoredReference,
    places: Mapping[str, slice],
    length: int,
) -> list[TokenDivergence]:
    outputs = _compared(model, texts, length, partial(_by_file, reference, places))
    _remember_scores(model, texts, length, [output.log_prob for output in outputs])
    return outputs


def _compare_with_model(
    model: DistributionModel, texts: Sequence[Text], reference: DistributionModel, length: int
) -> list[TokenDivergence]:
    outputs = _compared(model, texts, length, partial(_by_model, reference))
    _remember_scores(model, texts, length, [output.log_prob for output in outputs])
    _remember_scores(reference, texts, length, [output.reference_log_prob for output in outputs])
    return outputs


def _compared(model: DistributionModel, texts: Sequence[Text], length: int, side: Side) -> list[TokenDivergence]:
    pieces: dict[str, list[Rows]] = {example.id: [] for example, _ in texts}
    for stretches, own in distributions(model, texts, length):
        for stretch, rows in zip(stretches, side(stretches, own), strict=True):
            pieces[stretch.example.id].append(rows)
    return [_joined(of_text) for of_text in pieces.values()]


def _remember_scores(
    model: DistributionModel, texts: Sequence[Text], length: int, log_probs: Sequence[FloatArray]
) -> None:
    """What perplexity asks of these texts is known now: where the windows are those that it would have cut."""
    same: dict[Hashable, FloatArray] = {
        example.text: found.copy()
        for (example, tokens), found in zip(texts, log_probs, strict=True)
        if len(tokens) <= length or length == model.max_length
    }
    remember(model, Score(), same)


def tokenizer_hash(model: object) -> str | None:
    """SHA-256 of the model's vocabulary; None where the model does not tell."""
    own = getattr(model, "tokenizer_hash", None)
    return None if own is None else str(own())


def _refuse_other_tokens(model: DistributionModel, reference: DistributionModel, texts: Sequence[Text]) -> None:
    others = reference.encode([example.text for example, _ in texts])
    for (example, own), other in zip(texts, others, strict=True):
        if own != other:
            raise MisuseError(
                f"the models cut the text of {example.label} into different tokens ({len(own)} and {len(other)}): their "
                f"distributions cannot be compared; byte_perplexity compares models with different tokenizers"
            )
    if model.prefix_token != reference.prefix_token:
        raise MisuseError(
            f"the models begin texts with different tokens ({model.prefix_token} and {reference.prefix_token})"
        )


def _refuse_other_model(model: DistributionModel, reference: StoredReference) -> None:
    if model.prefix_token != reference.prefix_token:
        raise MisuseError(
            f"the model begins texts with token {model.prefix_token}, and the model of {reference.name} with "
            f"{reference.prefix_token}"
        )
    own = tokenizer_hash(model)
    if None not in (own, reference.tokenizer_hash) and own != reference.tokenizer_hash:
        raise MisuseError(
            f"the model's tokenizer has another vocabulary than the one of {reference.name} ({reference.model}): compare the "
            f"model with that tokenizer, as a pair (model, tokenizer)"
        )


def _by_model(
    reference: DistributionModel, stretches: Sequence[Stretch], own: Sequence[torch.Tensor]
) -> Iterator[Rows]:
    from pytest_llm.inference.token_divergence import divergence  # which imports torch

    base = ask(reference, "next_token_log_probs", [stretch.window for stretch in stretches])
    for stretch, of_window, other in zip(stretches, own, base, strict=True):
        yield divergence(of_window, other, stretch.tokens)


def _by_file(
    reference: StoredReference,
    places: Mapping[str, slice],
    stretches: Sequence[Stretch],
    own: Sequence[torch.Tensor],
) -> Iterator[Rows]:
    from pytest_llm.inference.token_divergence import divergence_from_top  # which imports torch

    for stretch, of_window in zip(stretches, own, strict=True):
        start = places[stretch.example.id].start + stretch.first
        rows = slice(start, start + stretch.window.scored)
        yield divergence_from_top(of_window, reference, rows, stretch.tokens)


def _joined(pieces: Sequence[Rows]) -> TokenDivergence:
    kl, same, delta, log_prob, reference = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return TokenDivergence(kl, same, delta, log_prob, reference)
