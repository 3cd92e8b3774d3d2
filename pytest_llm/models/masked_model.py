"""A masked language model of the `transformers` library (BERT, RoBERTa, DistilBERT, …): how it likes each token of a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint, Framed, usable_positions
from pytest_llm.models.head_rows import HeadRows
from pytest_llm.models.linear_kernels import fastest_linears
from pytest_llm.models.plain import target_log_probs
from pytest_llm.statistics.jackknife import FloatArray


@dataclass(frozen=True, slots=True)
class Masking:
    """A question to a masked model: which token stood at `position`, when it and those before `end` are masked?"""

    tokens: tuple[int, ...]
    """The whole sequence, special tokens included, without masks."""
    position: int
    end: int
    """`position + 1` masks only the token that is asked for."""


class MaskedModel(Checkpoint):
    """A `(model, tokenizer)` pair as a `MaskedLanguageModel`.

    Args:
        module: a masked model of `transformers` (`AutoModelForMaskedLM`); it is put into evaluation mode.
        tokenizer: its tokenizer, with a mask token, and no more entries than the model has embeddings.
        name: how reports call it.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's, or it has no mask token.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None) -> None:
        super().__init__(module, tokenizer, name=name)
        self._head = HeadRows(module)
        if tokenizer.mask_token_id is None:
            raise MisuseError(f"the tokenizer of {self.name} has no mask token: is this a masked language model?")

    @property
    def max_length(self) -> int:
        """How many tokens the model can read at once, special tokens included."""
        return usable_positions(self.module, super().max_length)

    def fingerprint(self) -> Hashable | None:
        """Changes with anything that changes the model's answers; None where that cannot be told."""
        own = super().fingerprint()
        return None if own is None else (own, self.tokenizer.mask_token_id)

    def pseudo_log_probs(self, texts: Sequence[str], *, within_word: bool = True) -> list[FloatArray]:
        """For each text the pseudo-log-likelihood of each token: it is masked, and predicted from all others.

        `ln p(xₜ | x without xₜ)` (Salazar et al. 2020, "Masked Language Model Scoring"). With `within_word` the later tokens of
        the same word are masked too (Kauf & Ivanova 2023, "A Better Way to Do Masked Language Model Scoring",
        PLL-word-l2r): otherwise `##nir` gives `sou` and `##ve` away, and rare words that are cut into many tokens look
        more probable than common ones.

        The special tokens that the tokenizer puts around a text are read and not scored. A text longer than the context
        is cut into windows of the context's length that do not overlap, each with special tokens around it; a window ends
        before a word that does not fit, unless the word is longer than a window. Each token costs one row of the
        length of its window: this is much slower than scoring with a causal model.

        Args:
            texts: any number of texts.
            within_word: mask the later tokens of the same word as well. What a word is, the fast tokenizer says
                (`word_ids()`: what its pre-tokenizer splits at; for BERT at spaces and punctuation).

        Returns:
            Natural logarithms from a float32 log-softmax, one array for each text, in order.

        Raises:
            MisuseError: `within_word` with a tokenizer that is no fast one, a text that has no tokens or cannot be tokenized.
        """
        framed = self.framed(texts)
        for text, frame in zip(texts, framed, strict=True):
            if not frame.tokens:
                raise MisuseError(f"the text {text[:40]!r} has no tokens to be scored")
        if within_word and any(frame.words is None for frame in framed):
            raise MisuseError(
                f"within_word=True needs to know words, which the {type(self.tokenizer).__name__} of {self.name} does not say: "
                f"load its fast version (a tokenizer.json), or use within_word=False"
            )
        most = self.max_length
        maskings = [list(_maskings(frame, most, within_word)) for frame in framed]
        scores = self.masked_log_probs([masking for of_text in maskings for masking in of_text])
        return np.split(scores, np.cumsum([len(of_text) for of_text in maskings]))[:-1]

    def masked_log_probs(self, maskings: Sequence[Masking]) -> FloatArray:
        """The log-probability of the masked token that each question asks for.

        Sequences of one length share a batch, so that none is padded; the longest first.
        """
        by_length: dict[int, list[int]] = defaultdict(list)
        for index, masking in enumerate(maskings):
            by_length[len(masking.tokens)].append(index)
        answers = np.empty(len(maskings))
        missing = set(range(len(maskings)))

        def score_missing() -> None:
            for length in sorted(by_length, reverse=True):
                size = max(1, self.budget.tokens // length)
                indices = [index for index in by_length[length] if index in missing]
                for batch in (indices[start : start + size] for start in range(0, len(indices), size)):
                    answers[batch] = self._score([maskings[index] for index in batch]).double().cpu().numpy()
                    missing.difference_update(batch)

        tokens = sum(len(masking.tokens) for masking in maskings)
        with fastest_linears(self.module, tokens=tokens), torch.inference_mode():
            self.budget.run(score_missing)
        return answers

    def _score(self, maskings: Sequence[Masking]) -> torch.Tensor:
        tokens = torch.tensor([masking.tokens for masking in maskings])
        positions = torch.tensor([masking.position for masking in maskings])
        ends = torch.tensor([masking.end for masking in maskings])
        sequences = torch.arange(len(maskings))
        targets = tokens[sequences, positions].to(self.device)
        columns = torch.arange(tokens.shape[1])
        hidden = (columns >= positions[:, None]) & (columns < ends[:, None])
        inputs = {"input_ids": tokens.masked_fill(hidden, self.tokenizer.mask_token_id).to(self.device)}
        return target_log_probs(
            self._head.logits(sequences.to(self.device), positions.to(self.device), inputs), targets
        )


def _maskings(text: Framed, max_length: int, within_word: bool) -> Iterator[Masking]:
    room = max(1, max_length - len(text.before) - len(text.after))
    for first, last in windows(text.words, len(text.tokens), room):
        sequence = text.before + text.tokens[first:last] + text.after
        shift = len(text.before) - first
        for token in range(first, last):
            end = min(_end_of_word(text.words, token), last) if within_word else token + 1
            yield Masking(sequence, token + shift, end + shift)


def windows(words: Sequence[int | None] | None, count: int, room: int) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) token of each window of at most `room` tokens; each token is in one.

    Args:
        words: the number of each token's word; None where that is not known.
        count: how many tokens there are.
        room: at least 1.
    """
    first = 0
    while first < count:
        last = min(first + room, count)
        begin = last  # of the word that the window would cut
        while last < count and begin > first and _same_word(words, begin - 1, begin):
            begin -= 1
        yield first, begin if begin > first else last
        first = begin if begin > first else last


def _end_of_word(words: Sequence[int | None] | None, token: int) -> int:
    end = token + 1
    while words is not None and end < len(words) and _same_word(words, token, end):
        end += 1
    return end


def _same_word(words: Sequence[int | None] | None, one: int, other: int) -> bool:
    return words is not None and words[one] is not None and words[one] == words[other]
