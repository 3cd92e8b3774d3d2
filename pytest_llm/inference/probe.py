"""The edge that holds the clock: single requests, one after the other, as one user of the model would make them, or at set times,
as many users do.

Nothing is batched, remembered or shared among processes here. Requests that do not count come first. Before each request a GPU
finishes what it was given, and a request ends when its text is there, on the host. Python's garbage is collected before each
round, so that what earlier tests left is not swept during a request.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import BudgetError, MisuseError
from pytest_llm.inference.checks import lacking
from pytest_llm.inference.engine import ask_here
from pytest_llm.inference.open_loop import at_set_times, pause
from pytest_llm.inference.time_budget import note_answers, refuse_overrun
from pytest_llm.inference.writing import prompt_of
from pytest_llm.metrics.efficiency import RequestTimes, Time
from pytest_llm.models.language_model import AnyModel, GenerativeModel, StreamingModel
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.prompt import Prompt
from pytest_llm.tasks.timed import Timed

Listener: TypeAlias = "Callable[[], None] | None"
Ask: TypeAlias = Callable[[str, Listener], "float | None"]
"""Ask once; the number of tokens that were written, where the model counts them itself (NaN: it cannot)."""


def clock() -> float:
    """Seconds; only differences mean something. Tests put their own in its place."""
    return time.perf_counter()


@dataclass(frozen=True, slots=True)
class Stamps:
    """One request: seconds from its beginning, which is when it was to be sent."""

    first: float
    last: float
    whole: float
    tokens: float
    waited: float = 0.0
    """Until it was sent."""


def time_requests(model: AnyModel, examples: Sequence[Example], task: Timed) -> list[RequestTimes]:
    """When the first token, the last one and the whole answer to each prompt came, in each round.

    Raises:
        MisuseError: a model that writes no text, or not token by token where that is asked for; a prompt that does not fit.
    """
    with under_the_clock(model):
        return _timed_requests(model, examples, task)


def _timed_requests(model: AnyModel, examples: Sequence[Example], task: Timed) -> list[RequestTimes]:
    ask = requests_to(model, task.generate.decoding, tokens=task.tokens)
    prompts = prompts_of(model, examples, task.generate.prompt)
    for number in range(task.warmup):
        ask(prompts[number % len(prompts)], None)
    found: list[list[Stamps]] = [[] for _ in prompts]
    due = [math.nan] * len(prompts) if task.arrival is None else task.arrival.send_times(len(prompts)).tolist()

    def times_of(place: int) -> RequestTimes:
        length = prompt_length(model, prompts[place]) if task.tokens else None
        return replace(_times(found[place], length), due=due[place])

    def request(place: int, since: float | None = None) -> None:
        refuse_overrun()
        found[place].append(timed(model, ask, prompts[place], tokens=task.tokens, since=since))
        note_answers(1, kept=False)

    try:
        if task.arrival is None:
            _in_rounds(task.how_often, len(prompts), request)
        else:
            gc.collect()
            began = clock()
            at_set_times(
                [began + moment for moment in due],
                lambda place: request(place, began + due[place]),
                at_once=min(task.arrival.connections, asked_at_once(model)),
                clock=clock,
                pause=pause,
            )
    except BudgetError as error:
        error.outputs = {place: times_of(place) for place, stamps in enumerate(found) if stamps}
        raise
    return [times_of(place) for place in range(len(prompts))]


def _in_rounds(rounds: int, count: int, request: Callable[[int], None]) -> None:
    for number in range(rounds):
        gc.collect()
        # forwards, then backwards: a machine that grows slower does so for the first and the last prompt alike
        for place in range(count) if number % 2 == 0 else reversed(range(count)):
            request(place)


@contextmanager
def under_the_clock(*models: AnyModel) -> Iterator[None]:
    """Within the block models know that they are timed, if they want to: what they have to find out besides has to wait."""
    with ExitStack() as stack:
        for model in models:
            if (later := getattr(model, "being_timed", None)) is not None:
                stack.enter_context(later())
        yield


def asked_at_once(model: object) -> int:
    """By how many threads a model may be asked at once: what it says by its attribute `concurrency`, else one."""
    return int(getattr(model, "concurrency", 1))


def time_in_turn(
    candidate: AnyModel, baseline: AnyModel, examples: Sequence[Example], task: Timed, *, of: Time, pairs: int
) -> FloatArray:
    """Seconds of the same requests to two models, `[pairs, 2]`: the candidate's and the baseline's.

    In the order baseline, candidate, candidate, baseline (ABBA) for each prompt, then the next prompt: what changes
    slowly on this machine changes for both, and neither always comes second.
    """
    models = (candidate, baseline)
    asks = [requests_to(model, task.generate.decoding, tokens=task.tokens) for model in models]
    prompts = [prompts_of(model, examples, task.generate.prompt) for model in models]
    for number in range(task.warmup):
        for ask, own in zip(asks, prompts, strict=True):
            ask(own[number % len(own)], None)
    gc.collect()
    seconds = np.full((pairs, 2), math.nan)
    with under_the_clock(*models):
        for pair in range(pairs):
            refuse_overrun()
            place = pair // 2 % len(examples)
            for side in (1, 0) if pair % 2 == 0 else (0, 1):
                stamps = timed(models[side], asks[side], prompts[side][place], tokens=task.tokens)
                seconds[pair, side] = _times([stamps]).seconds(of)
            note_answers(2, kept=False)
    return seconds


def timed(model: AnyModel, ask: Ask, prompt: str, *, tokens: bool, since: float | None = None) -> Stamps:
    """One request under the clock.

    Args:
        model: what is asked.
        ask: how.
        prompt: a text.
        tokens: note when they came.
        since: what times are counted from, a reading of `clock`: when the request was to be sent. None: when it is sent.
    """
    stamps: list[float] = []
    synchronise(model)
    sent = clock()
    written = ask(prompt, (lambda: stamps.append(clock())) if tokens else None)
    ended = clock()
    if written is not None and stamps:
        # a piece is no token here: the last token is there when the answer is, as vLLM counts its time per output token
        stamps.append(ended)
    began = sent if since is None else since
    first, last = (stamps[0] - began, stamps[-1] - began) if stamps else (math.nan, math.nan)
    return Stamps(first, last, ended - began, len(stamps) if written is None else written, sent - began)


def requests_to(model: AnyModel, decoding: Decoding, *, tokens: bool) -> Ask:
    """How this model is asked once: by its own way to write for one, as a stream, or as a list of one prompt.

    Args:
        model: with a method `write_alone`, `stream(prompt, decoding)` or `generate(prompts, decoding)`.
        decoding: how the answer is written.
        tokens: it has to say when each token came.
    """
    if hasattr(model, "write_alone"):
        alone = model.write_alone
        return lambda prompt, listen: _text(model, alone(prompt, decoding, listen))
    if tokens:
        if not isinstance(model, StreamingModel):
            raise lacking(
                model,
                "when each token of its answer is there",
                "a causal model of transformers, or an object with a method stream(prompt, decoding) that yields the pieces "
                "of its answer as they come",
            )
        stream = model.stream
        return lambda prompt, listen: _read(model, stream(prompt, decoding), listen)
    if not isinstance(model, GenerativeModel):
        raise lacking(
            model,
            "what comes next in words of its own",
            "a causal model of transformers, or an object with a method generate(prompts, decoding)",
        )
    return lambda prompt, _: _text(
        model, ask_here(model, "generate", [prompt], {"decoding": decoding}, deterministic=False)[0]
    )


def prompts_of(model: AnyModel, examples: Sequence[Example], prompt: object) -> list[str]:
    assert isinstance(prompt, Prompt)
    return [prompt_of(model, example, prompt) for example in examples]


def prompt_length(model: Any, prompt: str) -> int | None:
    """How many tokens the model reads; None where it cannot say."""
    if hasattr(model, "prompt_length"):
        return int(model.prompt_length(prompt))
    return len(model.encode([prompt])[0]) if hasattr(model, "encode") else None


def synchronise(model: object) -> None:
    """Wait until the model's device has done all that it was given; a CPU does it at once."""
    kind = str(getattr(model, "device", "cpu")).partition(":")[0]
    if kind in ("cuda", "mps"):
        import torch

        getattr(torch, kind).synchronize(*([model.device] if kind == "cuda" else []))  # type: ignore[attr-defined]


def _read(model: object, pieces: Iterable[object], listen: Listener) -> float | None:
    """What a stream returns at its end, where it is a generator that counts its tokens."""
    left = iter(pieces)
    while True:
        try:
            piece = next(left)
        except StopIteration as end:
            return float(end.value) if isinstance(end.value, int | float) else None
        _text(model, piece)
        if listen is not None:
            listen()


def _text(model: object, given: object) -> None:
    if not isinstance(given, str):
        raise MisuseError(f"{type(model).__name__} answered {given!r}; expected a text")


def _times(stamps: Sequence[Stamps], prompt_tokens: int | None = None) -> RequestTimes:
    first, last, whole, tokens, waited = (
        np.array([getattr(stamp, name) for stamp in stamps], dtype=np.float64)
        for name in ("first", "last", "whole", "tokens", "waited")
    )
    return RequestTimes(first, last, whole, tokens, prompt_tokens, waited=waited)
