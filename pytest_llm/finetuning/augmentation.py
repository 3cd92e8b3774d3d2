"""Data augmentation: more training examples, each an example whose text was perturbed and whose target was kept.

    rows = augmented(load_examples("train.jsonl"), [typo, swap_words], copies=2)
    tuned = finetune(base, rows, recipe)

A perturbation is a function of a text and a `random.Random`. It may change nothing that the target depends on: what it gives
back is learned as if it were true. Copies belong to the cluster of their original, so that a split by clusters does not leak.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.data.loading import Data, load_examples
from pytest_llm.errors import MisuseError

Perturbation: TypeAlias = Callable[[str, random.Random], str]
"""Another text, drawn with nothing but the given random numbers."""

_TRIES = 10
"""Draws for a copy: one that is the original again, or a copy that is there already, teaches nothing new."""


def augmented(
    data: Data,
    perturbations: Sequence[Perturbation],
    *,
    copies: int = 1,
    share: float = 1.0,
    seed: int = 0,
) -> tuple[Example, ...]:
    """The examples, each followed by its copies.

    What becomes of an example depends on it and the seed alone, not on the others or their order. A perturbation of which ten draws
    give no text that is new leaves that copy out, such as a change of case of a number; so do copies that are empty.

    Args:
        data: the examples; see `load_examples`.
        perturbations: of which one is drawn for each copy.
        copies: of each example that is augmented.
        share: of the examples that are augmented, 0 to 1; each is by a draw of its own.
        seed: of all that is drawn.

    Returns:
        Examples; copies have the ids `<id>~1`, `<id>~2`, …, the cluster of the original (its id, where it has none), its target,
        and its row with the new text in the place of the old.

    Raises:
        MisuseError: no perturbation, fewer than one copy, a share that is none, a perturbation that gives no text, an id that is
            taken.
    """
    if not perturbations:
        raise MisuseError("no perturbations: give at least one function of a text and a random.Random")
    if copies < 1 or not 0 <= share <= 1:
        raise MisuseError(f"copies={copies}, share={share}: expected at least 1, and a share from 0 to 1")
    examples = load_examples(data)
    found: list[Example] = []
    for example in examples:
        generator = _generator(seed, example.id)
        own = _with_cluster(example)
        found.append(own)
        if generator.random() < share:
            found += _copies(own, perturbations, copies, generator)
    ids = {example.id for example in found}
    if len(ids) < len(found):
        raise MisuseError(
            f"{len(found) - len(ids)} ids of copies, such as {found[0].id}~1, are ids of examples already"
        )
    return tuple(found)


def _copies(
    example: Example, perturbations: Sequence[Perturbation], copies: int, generator: random.Random
) -> list[Example]:
    texts = [example.text]
    for _ in range(copies):
        for _ in range(_TRIES):
            perturb = perturbations[generator.randrange(len(perturbations))]
            text = perturb(example.text, generator)
            if not isinstance(text, str):
                raise MisuseError(
                    f"{perturb!r} gave a {type(text).__name__} for example {example.label}: expected a text"
                )
            if text.strip() and text not in texts:
                texts.append(text)
                break
    return [
        replace(example.with_text(text), id=f"{example.id}~{number}", label=f"{example.label}~{number}")
        for number, text in enumerate(texts[1:], start=1)
    ]


def _with_cluster(example: Example) -> Example:
    """An original without a cluster is one with its copies."""
    return example if example.cluster is not None else replace(example, cluster=example.id)


def _generator(seed: int, name: str) -> random.Random:
    digest = hashlib.sha256(f"{seed} {name}".encode("utf-8", "surrogatepass")).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))
