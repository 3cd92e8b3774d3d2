"""How a text is continued: which token comes next, and when it ends.

Greedy, or drawn at random after temperature, top-k and top-p, as `transformers` defines these. Each text draws from
random numbers of its own, seeded by the request's seed and its prompt, so that what is written does not depend on which
other prompts are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    LogitsProcessorList,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from pytest_llm.models.continuous_batching import Text
from pytest_llm.models.placement import device_of
from pytest_llm.tasks.decoding import Decoding

# Of a checkpoint's generation_config.json: settings that change which token comes next, and the values that change nothing.
_CHANGE_LOGITS: dict[str, tuple[Any, ...]] = {
    "repetition_penalty": (1.0,),
    "encoder_repetition_penalty": (1.0,),
    "no_repeat_ngram_size": (0,),
    "bad_words_ids": (),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "forced_bos_token_id": (),
    "forced_eos_token_id": (),
    "suppress_tokens": ([],),
    "begin_suppress_tokens": ([],),
    "sequence_bias": (),
    "guidance_scale": (1.0,),
    "min_p": (0.0,),
    "typical_p": (1.0,),
    "epsilon_cutoff": (0.0,),
    "eta_cutoff": (0.0,),
    "top_h": (),
    "exponential_decay_length_penalty": (),
}


def greedy(logits: torch.Tensor, texts: Sequence[Text]) -> list[int]:
    """The most probable token of each row."""
    chosen: list[int] = logits.argmax(dim=1).tolist()
    return chosen


class Sampler:
    """Draws the next token of each text; the same seed and prompt draw the same tokens."""

    def __init__(self, request: Decoding) -> None:
        self._seed = request.seed
        self._warp = warpers(request)
        self._generators: dict[int, np.random.Generator] = {}

    def __call__(self, logits: torch.Tensor, texts: Sequence[Text]) -> list[int]:
        none: Any = None  # the warpers look at scores alone
        probabilities = torch.softmax(self._warp(none, logits).double(), dim=1)
        heights = torch.tensor([[self._generator(text).random()] for text in texts], dtype=torch.float64)
        sums = probabilities.cumsum(dim=1)
        # scaled to the last sum: rounding must not leave a gap below 1 in which no token lies
        drawn = torch.searchsorted(sums, heights.to(sums.device) * sums[:, -1:], right=True)
        chosen: list[int] = drawn[:, 0].clamp(max=logits.shape[1] - 1).tolist()
        return chosen

    def _generator(self, text: Text) -> np.random.Generator:
        if not text.written or text.index not in self._generators:  # begun anew after memory ran out: drawn anew
            self._generators[text.index] = np.random.default_rng(seed_of(self._seed, text.prompt))
        return self._generators[text.index]


def warpers(request: Decoding) -> LogitsProcessorList:
    """Temperature, then top-k, then top-p: the order of `transformers`."""
    chain = LogitsProcessorList()
    if request.temperature != 1.0:
        chain.append(TemperatureLogitsWarper(request.temperature))
    if request.top_k is not None:
        chain.append(TopKLogitsWarper(request.top_k))
    if request.top_p is not None:
        chain.append(TopPLogitsWarper(request.top_p))
    return chain


def seed_of(seed: int, prompt: Sequence[int]) -> int:
    """A seed for one prompt, the same on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{','.join(map(str, prompt))}".encode()).digest()[:8], "big")


def changed_logits(generation_config: Any) -> list[str]:
    """Which settings of a checkpoint change the logits; then it is left to `transformers` to generate."""
    return [
        name
        for name, harmless in _CHANGE_LOGITS.items()
        if (value := getattr(generation_config, name, None)) is not None and value not in harmless
    ]


def end_tokens(module: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a text: those of the generation configuration, else the tokenizer's."""
    configured = getattr(module.generation_config, "eos_token_id", None)
    if configured is None:
        configured = tokenizer.eos_token_id
    return frozenset([] if configured is None else [configured] if isinstance(configured, int) else configured)


def stopper(stop: Sequence[str], ends: frozenset[int], decode: Callable[[list[int]], str]) -> Callable[[Text], bool]:
    """Whether a text ends with the token that was written last: an end token, or the end of a stop string."""
    # a character takes at most four tokens, one for each of its bytes
    tail = 4 * max(map(len, stop), default=0) + 8

    def is_finished(text: Text) -> bool:
        if text.written[-1] in ends:
            return True
        return bool(stop) and cut_at(decode(text.written[-tail:]), stop) is not None

    return is_finished


def cut_at(text: str, stop: Sequence[str]) -> str | None:
    """What stands before the first stop string; None if there is none."""
    found = [place for place in (text.find(string) for string in stop) if place >= 0]
    return text[: min(found)] if found else None


@torch.inference_mode()
def generate_alone(
    module: Any,
    prompt: Sequence[int],
    request: Decoding,
    decode: Callable[[list[int]], str],
    ends: frozenset[int],
    listen: Callable[[], None] | None = None,
) -> list[int]:
    """One prompt through the model's own `generate`: for beams, for models that cannot be packed, and for those who wait.

    `listen` is called as soon as the host knows the next token (of a beam search: the next step of all beams).
    """
    tokens = torch.tensor([list(prompt)], device=device_of(module))
    finished = stopper(request.stop, ends, decode)

    def stop_now(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        texts = [Text(0, (), row[len(prompt) :].tolist()) for row in ids]  # from a GPU this waits for the token
        if listen is not None:
            listen()
        return torch.tensor([finished(text) for text in texts], device=ids.device)

    settings: dict[str, Any] = {"do_sample": False, "temperature": None, "top_k": None, "top_p": None}
    if request.temperature > 0:
        settings |= {"do_sample": True, "temperature": request.temperature, "top_p": request.top_p}
        settings["top_k"] = 0 if request.top_k is None else request.top_k
    with torch.random.fork_rng(devices=[tokens.device] if tokens.device.type == "cuda" else []):
        torch.manual_seed(seed_of(request.seed, prompt))
        written = module.generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=request.max_tokens,
            num_beams=request.beams,
            pad_token_id=min(ends, default=0),
            stopping_criteria=StoppingCriteriaList([stop_now]),
            **settings,
        )
    rest: list[int] = written[0, len(prompt) :].tolist()
    return rest
