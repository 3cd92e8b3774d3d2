"""What models of `transformers` have in common that read a whole text and say something of it: embed, label, tag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint, Framed, usable_positions
from pytest_llm.models.linear_kernels import fastest_linears


class ReadingModel(Checkpoint):
    """A `(model, tokenizer)` pair whose texts have to fit in its context: what is left out could change the answer.

    Args:
        module: a model of `transformers`; it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.
        longest: how many tokens it reads at once, special tokens included; None: as many as it has positions for.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None, longest: int | None = None) -> None:
        super().__init__(module, tokenizer, name=name)
        self._longest = longest

    @property
    def max_length(self) -> int:
        """How many tokens the model can read at once, special tokens included."""
        positions = usable_positions(self.module, super().max_length)
        return positions if self._longest is None else min(self._longest, positions)

    def fingerprint(self) -> Hashable | None:
        """Changes with anything that changes the model's answers; None where that cannot be told."""
        own = super().fingerprint()
        return None if own is None else (own, self._longest)

    def cache_key(self) -> str | None:
        """The same in every process for a model that gives the same answers; None where that cannot be told in full."""
        own = super().cache_key()
        return None if own is None else f"{own} longest:{self._longest}"

    def fitting(self, texts: Sequence[str], *, truncate: bool) -> list[Framed]:
        """The tokens of each text, cut to the context where that is asked for.

        Raises:
            MisuseError: a text without tokens, or, unless `truncate`, one that is longer than the context.
        """
        most = self.max_length
        framed = self.framed(texts)
        for text, frame in zip(texts, framed, strict=True):
            if not frame.tokens:
                raise MisuseError(f"the text {text[:40]!r} has no tokens to be read")
        long = [text for text, frame in zip(texts, framed, strict=True) if len(frame.whole) > most]
        if long and not truncate:
            raise MisuseError(
                f"{len(long)} of {len(texts)} texts are longer than the {most} tokens that {self.name} reads at once, such as "
                f"{long[0][:40]!r}: cut them, or leave out their ends with truncate=True"
            )
        return [_cut(frame, most - len(frame.before) - len(frame.after)) for frame in framed]

    def read(self, framed: Sequence[Framed], compute: Callable[[torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
        """What `compute` makes of each text's tokens `[texts, tokens]`, the first dimension being theirs.

        Sequences of one length share a batch, so that none is padded; the longest first.
        """
        by_length: dict[int, list[int]] = defaultdict(list)
        for index, frame in enumerate(framed):
            by_length[len(frame.whole)].append(index)
        answers: dict[int, torch.Tensor] = {}

        def read_missing() -> None:
            for length in sorted(by_length, reverse=True):
                size = max(1, self.budget.tokens // length)
                indices = [index for index in by_length[length] if index not in answers]
                for batch in (indices[start : start + size] for start in range(0, len(indices), size)):
                    tokens = torch.tensor([framed[index].whole for index in batch])
                    answers.update(zip(batch, compute(tokens.to(self.device)).float().cpu(), strict=True))

        with fastest_linears(self.module, tokens=sum(len(frame.whole) for frame in framed)), torch.inference_mode():
            self.budget.run(read_missing)
        return [answers[index] for index in range(len(framed))]


def _cut(frame: Framed, room: int) -> Framed:
    if len(frame.tokens) <= room:
        return frame
    words = None if frame.words is None else frame.words[:room]
    return Framed(frame.before, frame.tokens[:room], frame.after, words)
