"""Models that take as long as they were told, by a clock that stands still otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace

import pytest

from pytest_llm.inference import probe
from pytest_llm.tasks.decoding import Decoding


class Clock:
    """Seconds that pass only when somebody lets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def put_in_place(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        monkeypatch.setattr(probe, "clock", self)
        monkeypatch.setattr(
            probe, "gc", SimpleNamespace(collect=lambda: 0)
        )  # a quarter of a second, which this clock does not see
        return self


class Writer:
    """Writes a whole answer in the seconds that stand beside its prompt, one after another where there are several.

    `asked` keeps the prompts in order, with how many came at once.
    """

    name = "writer"

    def __init__(self, clock: Clock, seconds: Mapping[str, Sequence[float]] | Callable[[str], float]) -> None:
        self.clock, self.asked = clock, list[tuple[str, int]]()
        self._seconds = seconds
        self._calls: dict[str, int] = {}

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        for prompt in prompts:
            self.asked.append((prompt, len(prompts)))
            self.clock.now += self._next(prompt)
        return ["an answer"] * len(prompts)

    def _next(self, prompt: str) -> float:
        if callable(self._seconds):
            return self._seconds(prompt)
        call = self._calls.get(prompt, 0)
        self._calls[prompt] = call + 1
        return self._seconds[prompt][call % len(self._seconds[prompt])]


class Streamer(Writer):
    """Writes so many tokens: the first after `first` seconds, each further one after `each`, and tidies up for `after`."""

    def __init__(
        self, clock: Clock, tokens: int = 5, first: float = 0.5, each: float = 0.1, after: float = 0.0
    ) -> None:
        super().__init__(clock, lambda _: first + each * (tokens - 1) + after)
        self.tokens, self.first, self.each, self.after = tokens, first, each, after

    def stream(self, prompt: str, decoding: Decoding) -> Iterator[str]:
        self.asked.append((prompt, 1))
        for number in range(self.tokens):
            self.clock.now += self.each if number else self.first
            yield "token "
        self.clock.now += self.after

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(map(len, text.split())) for text in texts]
