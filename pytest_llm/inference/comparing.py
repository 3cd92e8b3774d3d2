"""Answer `Compare`: two models read the same windows, and their distributions are compared token by token.

A distribution has as many entries as the vocabulary, so that only a few windows of them exist at a time; what is kept of
each token are five numbers. In the place of the second model may stand a file with the most probable tokens of its
distributions (`data.stored_reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.stored_reference import SUFFIX, StoredReference, read_reference
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import lacking
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered
from pytest_llm.inference.scoring import encode_all
from pytest_llm.inference.token_divergence import Rows, divergence, divergence_from_top
from pytest_llm.inference.windows import rolling_windows
from pytest_llm.metrics.divergence import TokenDivergence
from pytest_llm.models.language_model import AnyModel, DistributionModel, Window, provenance
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.tasks.compare import Compare

if TYPE_CHECKING:
    import torch

MAX_LENGTH = 512
WINDOWS_AT_A_TIME = 2

Reference: TypeAlias = "Model | StoredReference"
"""What a model is compared with: another one, or the path of what `save_reference` wrote of it."""
Text: TypeAlias = tuple[Example, list[int]]


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


def chosen_length(longest: int, wanted: int | None, who: str = "the model") -> int:
    """The window that is asked for, if it can be read; 512 or the longest if none is."""
    if wanted is not None and wanted > longest:
        raise MisuseError(f"max_length={wanted} exceeds the {longest} tokens that {who} can read")
    return wanted or min(longest, MAX_LENGTH)


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
        sides = {example.id: partial(_from_file, reference, reference.rows_of(example, ids)) for example, ids in texts}
        named = str(reference)
    else:
        _refuse_other_tokens(candidate, distribution_model(reference), texts)
        sides = {example.id: partial(_from_model, reference) for example in examples}
        named = str(provenance(reference))

    def compute(missing: Sequence[Text]) -> list[TokenDivergence]:
        return [_compare(candidate, windows_of(candidate, ids, length), sides[example.id]) for example, ids in missing]

    known = getattr(reference, "fingerprint", lambda: None)()
    if known is None:  # nobody can tell whether the reference is still what it was
        outputs = compute(texts)
    else:
        outputs = remembered(candidate, texts, (Compare, length, known), compute, lambda text: text[0].text)
    return [replace(output, reference=named) for output in outputs]  # a copy of the file may have another name


def distribution_model(model: AnyModel) -> DistributionModel:
    """The model, if it shows its distributions.

    Raises:
        MisuseError: it does not.
    """
    if not isinstance(model, DistributionModel):
        raise lacking(model, "how probable every token is at each place", "a causal model of transformers")
    return model


def texts_of(model: DistributionModel, examples: Sequence[Example]) -> list[Text]:
    """Each text with its tokens.

    Raises:
        MisuseError: a text without tokens, or no token to begin texts with.
    """
    if model.prefix_token is None:
        raise MisuseError(
            "the tokenizer has neither BOS nor EOS to put in front of texts, and the first token is compared too"
        )
    texts = encode_all(model, examples)
    for example, tokens in texts:
        if not tokens:
            raise MisuseError(f"the text of {example.label} has no tokens: {example.text[:40]!r}")
    return texts


def windows_of(model: DistributionModel, tokens: Sequence[int], length: int) -> list[Window]:
    assert model.prefix_token is not None
    return rolling_windows([model.prefix_token, *tokens], length)


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


Side: TypeAlias = "Callable[[Sequence[Window], Sequence[torch.Tensor], int], list[Rows]]"
"""Compares the model's distributions of a few windows with the reference's; the first of their tokens has that number."""


def _compare(model: DistributionModel, windows: Sequence[Window], side: Side) -> TokenDivergence:
    pieces: list[Rows] = []
    done = 0
    for start in range(0, len(windows), WINDOWS_AT_A_TIME):
        some = windows[start : start + WINDOWS_AT_A_TIME]
        pieces += side(some, ask(model, "next_token_log_probs", some), done)
        done += sum(window.scored for window in some)
    kl, same, delta, log_prob, reference = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return TokenDivergence(kl, same, delta, log_prob, reference)


def _from_model(model: AnyModel, windows: Sequence[Window], own: Sequence[torch.Tensor], done: int) -> list[Rows]:
    base = ask(model, "next_token_log_probs", windows)
    return [
        divergence(of_window, other, window.tokens[-window.scored :])
        for window, of_window, other in zip(windows, own, base, strict=True)
    ]


def _from_file(
    reference: StoredReference, rows: slice, windows: Sequence[Window], own: Sequence[torch.Tensor], done: int
) -> list[Rows]:
    answers = []
    for window, of_window in zip(windows, own, strict=True):
        here = slice(rows.start + done, rows.start + done + window.scored)
        answers.append(divergence_from_top(of_window, reference, here, window.tokens[-window.scored :]))
        done += window.scored
    return answers
