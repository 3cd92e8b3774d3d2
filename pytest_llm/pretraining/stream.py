"""Text as one long row of tokens, from which an objective cuts its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Stream:
    """Tokens of many texts behind each other."""

    tokens: Tensor
    words: Tensor
    """The number of each token's word, counted through; a separator is a word of its own."""

    def rows(self, count: int, length: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """So many stretches from anywhere, `[count, length]`, and the numbers of their words.

        Raises:
            MisuseError: the stream is shorter than one stretch.
        """
        last = len(self.tokens) - length
        if last < 0:
            raise MisuseError(f"the texts have {len(self.tokens)} tokens, fewer than one row of {length}")
        begin = torch.randint(last + 1, (count,), generator=generator)
        places = begin[:, None] + torch.arange(length)
        return self.tokens[places], self.words[places]


def stream_of(tokenizer: Any, texts: Sequence[str], *, separator: int | None) -> Stream:
    """The tokens of all texts, each behind a separator (BOS or EOS) if there is one.

    Words are what a fast tokenizer splits at before it looks at its vocabulary; to any other tokenizer each token is a word.

    Raises:
        MisuseError: no text.
    """
    if not texts:
        raise MisuseError("no texts to train on")
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)
    is_fast = getattr(tokenizer, "is_fast", False)
    tokens: list[int] = []
    words: list[int] = []
    numbers: dict[tuple[int, int | str], int] = {}
    for index, of_text in enumerate(encoded["input_ids"]):
        own = encoded.word_ids(index) if is_fast else [None] * len(of_text)
        names = [f"token {place}" if word is None else word for place, word in enumerate(own)]
        if separator is not None:
            of_text, names = [separator, *of_text], ["separator", *names]
        tokens.extend(of_text)
        words.extend(numbers.setdefault((index, name), len(numbers)) for name in names)
    return Stream(torch.tensor(tokens), torch.tensor(words))


def generator_of(seed: int, *numbers: int) -> torch.Generator:
    """Random numbers of their own for each batch of each run, the same on every machine."""
    digest = hashlib.sha256(",".join(map(str, (seed, *numbers))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
