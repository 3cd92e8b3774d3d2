"""Writing: the most probable token each time, tokens drawn at random, or the most probable text that a beam search finds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.architectures import CausalLM, Seq2SeqLM

Writer: TypeAlias = CausalLM | Seq2SeqLM
Choose: TypeAlias = Callable[[Tensor], Tensor]
"""From logits `[batch, vocabulary]` to the next token of each row, `[batch]`."""


class Reading:
    """A model in the midst of a batch of texts: it is given new tokens, and says what it expects next.

    Args:
        model: a decoder, or an encoder-decoder.
        prompt: what the decoder reads first; for an encoder-decoder the source, `[batch, length]`.
        mask: 1 for tokens, 0 for padding; before a decoder's prompt, since what is written stands right behind it.

    Raises:
        MisuseError: a decoder's prompt is empty or padded on the right.
    """

    def __init__(self, model: Writer, prompt: Tensor, mask: Tensor | None = None) -> None:
        self._model = model
        self._source, self._mask = prompt, mask
        if isinstance(model, Seq2SeqLM):
            self._memory: Tensor = model.body.encoder(prompt, mask)
            self._cache = model.body.decoder.new_cache()
        else:
            if not prompt.shape[1] or (mask is not None and not mask[:, -1].bool().all()):
                raise MisuseError("each prompt must end with a token: pad on the left")
            self._cache = model.body.new_cache()

    def read(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """The logits of the token behind these new ones, `[batch, vocabulary]`, in float32 or better."""
        if isinstance(self._model, Seq2SeqLM):
            states = self._model.body.decoder(
                tokens, mask, cache=self._cache, memory=self._memory, memory_mask=self._mask
            )
        else:
            states = self._model.body(tokens, mask, cache=self._cache)
        logits: Tensor = self._model.head(states[:, -1])
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def first(self, start: Sequence[int]) -> Tensor:
        """The logits of the first token to be written: behind the prompt, or behind an encoder-decoder's `start` tokens."""
        if isinstance(self._model, Seq2SeqLM):
            if not start:
                raise MisuseError("an encoder-decoder needs start tokens to begin with, such as start=[2]")
            return self.read(self._source.new_tensor([list(start)] * len(self._source)))
        if start:
            raise MisuseError("a decoder begins with its prompt; start is for encoder-decoders")
        return self.read(self._source, self._mask)

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order."""
        self._cache.select(rows)
        if isinstance(self._model, Seq2SeqLM):
            self._memory = self._memory[rows]
            self._mask = None if self._mask is None else self._mask[rows]


def greedy(logits: Tensor) -> Tensor:
    """`argmax p(x_t given x_<t)`."""
    return logits.argmax(dim=-1)


class Sampling:
    """Draws each token from `softmax(logits / temperature)`, cut to the most probable ones.

    Args:
        seeds: one for each row of the batch, so that a text does not depend on its neighbours.
        temperature: above 0; below 1 the probable gets more probable.
        top_k: only the k most probable tokens.
        top_p: only the most probable tokens that together have this probability (Holtzman et al. 2020).
    """

    def __init__(
        self, seeds: Sequence[int], *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
    ) -> None:
        if temperature <= 0 or (top_k is not None and top_k < 1) or (top_p is not None and not 0 < top_p <= 1):
            raise MisuseError(
                f"temperature={temperature}, top_k={top_k}, top_p={top_p}: expected a temperature above 0, at least one "
                f"token, a probability in (0, 1]"
            )
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._cut = temperature, top_k, top_p

    def __call__(self, logits: Tensor) -> Tensor:
        sums = cut_logits(logits.double(), *self._cut).softmax(dim=-1).cumsum(dim=-1)
        heights = torch.stack([torch.rand(1, generator=each, dtype=torch.float64) for each in self._generators])
        # of the last sum: rounding must leave no gap below 1 in which no token lies
        drawn = torch.searchsorted(sums, heights.to(sums.device) * sums[:, -1:], right=True)
        return drawn[:, 0].clamp(max=logits.shape[1] - 1)


def cut_logits(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """The logits over the temperature, -inf for tokens that may not be drawn: first top-k, then top-p of what is left."""
    logits = logits / temperature
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if top_p is not None:
        ordered, order = logits.sort(dim=-1, descending=True)
        before = ordered.softmax(dim=-1).cumsum(dim=-1) - ordered.softmax(dim=-1)
        unwanted = (before >= top_p).scatter(-1, order, before >= top_p)
        logits = logits.masked_fill(unwanted, -torch.inf)
    return logits


@torch.inference_mode()
def generate(
    model: Writer,
    prompt: Tensor,
    mask: Tensor | None = None,
    *,
    max_tokens: int,
    choose: Choose = greedy,
    start: Sequence[int] = (),
    ends: Collection[int] = (),
    is_finished: Callable[[list[int]], bool] | None = None,
) -> list[list[int]]:
    """What the model writes behind each prompt, token by token, up to and with an end token.

    Args:
        model: in evaluation mode.
        prompt: `[batch, length]`, padded on the left; for an encoder-decoder the source, padded on either side.
        mask: 1 for tokens, 0 for padding.
        max_tokens: of each text.
        choose: `greedy`, or a `Sampling`.
        start: for an encoder-decoder, the tokens that its decoder begins with.
        ends: tokens that end a text.
        is_finished: whether a text ends with the token written last, for other reasons.
    """
    reading = Reading(model, prompt, mask)
    written: list[list[int]] = [[] for _ in range(len(prompt))]
    done = [False] * len(prompt)
    logits = reading.first(start)
    for left in reversed(range(max_tokens)):
        tokens = choose(logits)
        for row, token in enumerate(tokens.tolist()):
            if not done[row]:
                written[row].append(token)
                done[row] = (is_finished is not None and is_finished(written[row])) or token in ends
        if left == 0 or all(done):
            break
        logits = reading.read(tokens[:, None])
    return written


@dataclass(frozen=True, slots=True)
class Beam:
    """A text that a beam search has come to."""

    tokens: list[int]
    score: float
    """Its log-probability; of a finished one, over its length to the power of the length penalty."""


@torch.inference_mode()
def beam_search(
    model: Writer,
    prompt: Tensor,
    *,
    beams: int,
    max_tokens: int,
    start: Sequence[int] = (),
    ends: Collection[int] = (),
    is_finished: Callable[[list[int]], bool] | None = None,
    length_penalty: float = 1.0,
) -> Beam:
    """The best text that is found by going on, at each step, with the `beams` most probable ones.

    A text that ends is kept if it is among the `beams` best of its step. The search is over when `beams` texts have ended and
    none that goes on has a better score at its present length: the rule of `transformers` (`early_stopping=False`).

    Args:
        model: in evaluation mode.
        prompt: one, `[1, length]`; for an encoder-decoder the source.
        beams: how many texts are followed.
        max_tokens: of the text.
        start: for an encoder-decoder, the tokens that its decoder begins with.
        ends: tokens that end a text.
        is_finished: whether a text ends with the token written last, for other reasons.
        length_penalty: scores are log-probabilities divided by length to this power; above 0 it favours long texts.
    """
    if len(prompt) != 1 or beams < 1:
        raise MisuseError(f"a beam search takes one prompt and at least one beam, not {len(prompt)} and {beams}")
    reading = Reading(model, prompt)
    logits = reading.first(start)
    running, finished = [Beam([], 0.0)], list[Beam]()
    for length in range(1, max_tokens + 1):
        scores = logits.log_softmax(dim=-1) + logits.new_tensor([beam.score for beam in running])[:, None]
        # so many that `beams` of them go on, even if each running text could end in every way that there is
        best = scores.flatten().topk(min(max(2, 1 + len(ends)) * beams, scores.numel()))
        going: list[tuple[int, Beam]] = []
        for place, (score, index) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            row, token = divmod(index, scores.shape[1])
            tokens = [*running[row].tokens, token]
            ended = (is_finished is not None and is_finished(tokens)) or token in ends or length == max_tokens
            if not ended:
                going.append((row, Beam(tokens, score)))
            elif place < beams:
                finished.append(Beam(tokens, score / length**length_penalty))
        finished = sorted(finished, key=lambda beam: -beam.score)[:beams]
        going = going[:beams]
        if not going or (len(finished) == beams and going[0][1].score / length**length_penalty <= finished[-1].score):
            break
        running = [beam for _, beam in going]
        reading.select(torch.tensor([row for row, _ in going], device=logits.device))
        logits = reading.read(prompt.new_tensor([[beam.tokens[-1]] for beam in running]))
    return finished[0]
