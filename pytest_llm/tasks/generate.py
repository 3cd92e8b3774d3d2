"""Write a text for each example: translate, summarise, answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.prompt import Prompt, Template

Filter: TypeAlias = "str | re.Pattern[str] | Callable[[str], str]"


@dataclass(frozen=True)
class Generate:
    """The model continues a prompt, and what it wrote is the output. Greedy unless a temperature is given.

    Args:
        prompt: template of the prompt, such as "English: {text}\\nGerman:"; see `Prompt` for this and the four that follow.
        shots: worked examples before it.
        answer: how a worked example goes on after the prompt.
        separator: stands between worked examples.
        chat: use the tokenizer's chat template.
        system: the system message.
        filter: what is made of the text: "strip" (the default), "none", "first_line", a compiled regular expression
            (its first group, or the whole match; nothing found is the empty text), or a function.
        max_tokens: how many tokens are written at most.
        stop: strings before the first of which the text ends.
        temperature: above 0, tokens are drawn at random; with top_k and top_p, from the most probable ones only.
        top_k: how many tokens to draw from.
        top_p: which probability the tokens to draw from have together.
        seed: of the random numbers.
        beams: more than 1 for beam search.
    """

    prompt: Template | Prompt = "{text}"
    shots: Any = ()
    answer: Template = " {target}"
    separator: str = "\n\n"
    chat: bool = False
    system: str | None = None
    filter: Filter = "strip"
    max_tokens: int = 64
    stop: str | tuple[str, ...] = ()
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0
    beams: int = 1
    decoding: Decoding = field(init=False)

    def __post_init__(self) -> None:
        prompt = self.prompt
        if not isinstance(prompt, Prompt):
            prompt = Prompt(prompt, self.answer, self.shots, self.separator, self.chat, self.system)
        object.__setattr__(self, "prompt", prompt)
        settings = (self.temperature, self.top_k, self.top_p, self.seed, self.beams)
        object.__setattr__(self, "decoding", Decoding(self.max_tokens, self.stop, *settings))  # type: ignore[arg-type]
        if isinstance(self.filter, str) and self.filter not in _FILTERS:
            raise MisuseError(
                f"filter={self.filter!r}: expected one of {', '.join(map(repr, _FILTERS))}, re.compile(…) or a function"
            )

    def read(self, example: Example, text: str) -> str:
        """The output: what the filter makes of the text that was written."""
        if isinstance(self.filter, str):
            return _FILTERS[self.filter](text)
        if isinstance(self.filter, re.Pattern):
            found = self.filter.search(text)
            return "" if found is None else (found.group(1) or "") if found.re.groups else found.group()
        output = self.filter(text)
        if not isinstance(output, str):
            raise MisuseError(f"the filter gave {output!r} for example {example.label}; expected a string")
        return output

    @property
    def signature(self) -> str:
        """All settings that change the output."""
        assert isinstance(self.prompt, Prompt)
        how = self.filter if isinstance(self.filter, str) else getattr(self.filter, "pattern", None)
        named = how or getattr(self.filter, "__qualname__", repr(self.filter))
        return f"task:generate|{self.prompt.signature}|{self.decoding.signature}|filter:{named}"


_FILTERS: dict[str, Callable[[str], str]] = {
    "strip": str.strip,
    "none": str,
    "first_line": lambda text: text.strip().partition("\n")[0].strip(),
}
