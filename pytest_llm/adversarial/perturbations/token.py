"""The same text in other tokens, tokens that no text gives, and text that looks like a special token."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

from pytest_llm.adversarial.document import Document
from pytest_llm.adversarial.operation import Operation, Proposals
from pytest_llm.adversarial.token_edit import TokenOperation
from pytest_llm.errors import MisuseError


class Tokenizer(Protocol):
    """What is asked of a tokenizer; those of transformers have it."""

    @property
    def all_special_ids(self) -> Sequence[int]: ...

    @property
    def all_special_tokens(self) -> Sequence[str]: ...

    def get_vocab(self) -> dict[str, int]: ...

    def decode(self, token_ids: Any, /) -> Any: ...

    def encode(self, text: Any, /, *, add_special_tokens: bool) -> Any: ...


def retokenize(tokenizer: Tokenizer) -> TokenOperation:
    """A token as two shorter ones that are decoded to the same text (non-canonical tokenization), the longest piece first."""
    ids = tokenizer.get_vocab()
    tokens = {number: token for token, number in ids.items()}
    special = frozenset(tokenizer.all_special_ids)
    # the vocabularies of BERT mark what goes on with a word, others what begins one
    marked = "##" if any(token.startswith("##") for token in ids) else ""

    @cache
    def split(number: int) -> tuple[tuple[int, ...], ...]:
        token = tokens.get(number, "")
        if number in special:
            return ()
        cuts = sorted(range(1, len(token)), key=lambda cut: -max(cut, len(token) - cut))
        pieces = ((ids.get(token[:cut]), ids.get(marked + token[cut:])) for cut in cuts)
        return tuple(
            (left, right)
            for left, right in pieces
            if left is not None and right is not None and tokenizer.decode([left, right]) == tokenizer.decode([number])
        )

    return TokenOperation("token.retokenize", "exact", 1, split, lambda number: tokens.get(number, str(number)))


def insert_ids(tokenizer: Tokenizer, ids: Sequence[int], *, name: str = "token.insert") -> TokenOperation:
    """One of some ids before a token, such as those of `unreachable_ids` or `faint_ids`.

    Raises:
        MisuseError: no id.
    """
    if not ids:
        raise MisuseError("ids=[]: expected at least one to insert")
    return TokenOperation(
        name, "likely", 3, lambda old: ((number, old) for number in ids), lambda number: str(tokenizer.decode([number]))
    )


def unreachable_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Ids that no text gives: what they are decoded to is encoded otherwise. Special ones are left out.

    A model has hardly seen them (Land and Bartolo 2024, whose first indicator this is).
    """
    special = frozenset(tokenizer.all_special_ids)
    return tuple(
        number
        for number in sorted(tokenizer.get_vocab().values())
        if number not in special
        and list(tokenizer.encode(tokenizer.decode([number]), add_special_tokens=False)) != [number]
    )


def faint_ids(embeddings: Any, count: int) -> tuple[int, ...]:
    """The ids of the shortest embeddings (Euclidean norm, the shortest first): those that training moved least.

    Args:
        embeddings: a matrix with a row for each id, such as `model.get_input_embeddings().weight`.
        count: how many.

    Raises:
        MisuseError: not a matrix, or fewer rows than that.
    """
    import numpy as np

    matrix = np.asarray(
        embeddings.detach().float().cpu() if hasattr(embeddings, "detach") else embeddings, dtype=np.float64
    )
    if matrix.ndim != 2 or not 1 <= count <= len(matrix):
        raise MisuseError(f"count={count!r} of embeddings of shape {matrix.shape}: expected a matrix with so many rows")
    return tuple(int(row) for row in np.argsort(np.linalg.norm(matrix, axis=1), kind="stable")[:count])


def special_strings(tokenizer: Tokenizer) -> Operation:
    """The names of special tokens, written before a word or behind the last: data that should stay data.

    Raises:
        MisuseError: a tokenizer without special tokens.
    """
    names = tuple(dict.fromkeys(tokenizer.all_special_tokens))
    if not names:
        raise MisuseError("this tokenizer has no special tokens")

    def proposals(document: Document, site: int) -> Proposals:
        start, end = document.words[site][0], len(document.text)
        yield from ((start, start, name) for name in names)
        if site == len(document.words) - 1:
            yield from ((end, end, name) for name in names)

    return Operation("token.special", "token", "likely", 4, proposals)
