"""From an example to what the model reads: a template, worked examples before it, a chat around it."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError

Template: TypeAlias = "str | Callable[[Example], str]"
Message: TypeAlias = "dict[str, str]"


@dataclass(frozen=True)
class Prompt:
    """What the model reads for an example.

    Args:
        template: text with the row's columns in braces, such as "Translate: {text}"; doubled braces are braces. Or a
            function of the example.
        answer: how a worked example goes on, such as " {target}". A target of several references gives the first.
        shots: worked examples (few-shot prompting): rows, or whatever `load_examples` takes. An example is never its own shot.
        separator: stands between worked examples.
        chat: put the prompt into the tokenizer's chat template as the user's turn, worked examples as earlier turns.
            A tokenizer without one reads the plain text.
        system: the system message of the chat; in front of the prompt where there is no chat.

    Raises:
        MisuseError: a template that is no string or function, or with broken braces.
    """

    template: Template = "{text}"
    answer: Template = " {target}"
    shots: Any = ()
    separator: str = "\n\n"
    chat: bool = False
    system: str | None = None

    def __post_init__(self) -> None:
        for name in ("template", "answer"):
            check_template(name, getattr(self, name))
        shots = self.shots
        given = isinstance(shots, tuple) and all(isinstance(shot, Example) for shot in shots)
        object.__setattr__(self, "shots", shots if given else load_examples(shots))

    def text(self, example: Example) -> str:
        """All that the model reads, as plain text."""
        parts = [fill(self.template, shot) + fill(self.answer, shot) for shot in self._shots(example)]
        whole = self.separator.join([*parts, fill(self.template, example)])
        return whole if self.system is None else f"{self.system}{self.separator}{whole}"

    def messages(self, example: Example) -> list[Message]:
        """All that the model reads, as the turns of a chat."""
        turns = [] if self.system is None else [{"role": "system", "content": self.system}]
        for shot in self._shots(example):
            turns.append({"role": "user", "content": fill(self.template, shot)})
            turns.append({"role": "assistant", "content": fill(self.answer, shot).strip()})
        return [*turns, {"role": "user", "content": fill(self.template, example)}]

    @property
    def signature(self) -> str:
        """What of it changes a number, in short: texts by their beginning of SHA-256."""
        from pytest_llm.data.example import fingerprint

        parts = [template_source(self.template), self.separator, self.system or "", *(s.id for s in self.shots)]
        if self.shots:
            parts.append(template_source(self.answer))
        kind = "chat" if self.chat else "plain"
        return f"prompt:{kind}-{fingerprint(chr(0).join(parts))[:8]}|shots:{len(self.shots)}"

    def _shots(self, example: Example) -> Iterable[Example]:
        return (shot for shot in self.shots if shot.id != example.id)


def fill(template: Template, example: Example) -> str:
    """The template with the example's columns in it.

    Raises:
        MisuseError: a column that the example does not have, or a function that gives no text.
    """
    if callable(template):
        text = template(example)
        if not isinstance(text, str):
            raise MisuseError(f"the template gave {text!r} for example {example.label}; expected a string")
        return text
    columns = columns_of(example)
    try:
        return template.format_map(columns)
    except KeyError as error:
        raise MisuseError(
            f"the template {template!r} wants the column {error}, which example {example.label} does not have; "
            f"it has {', '.join(sorted(columns))}"
        ) from None


def columns_of(example: Example) -> Mapping[str, Any]:
    """What a template can name: the row's own columns, and `text`, `target` and `choice`, the right one."""
    target = example.target
    if isinstance(target, Sequence) and not isinstance(target, str) and target:
        target = target[0]
    choices = example.row.get("choices")
    right = target
    if isinstance(target, int) and isinstance(choices, Sequence) and 0 <= target < len(choices):
        right = choices[target]
    return {**example.row, "text": example.text, "target": target, "choice": right}


def check_template(name: str, template: Any) -> None:
    """Raise MisuseError for a template that is no string or function, or has broken braces."""
    if callable(template):
        return
    if not isinstance(template, str):
        raise MisuseError(f"{name}={template!r}: expected a string such as 'Translate: {{text}}', or a function")
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise MisuseError(f"{name}={template!r}: {error}; write {{{{ and }}}} for braces that are meant") from None
    if any(not field or field[0].isdigit() for field in fields):
        raise MisuseError(f"{name}={template!r}: name the column in each pair of braces, such as {{text}}")


def template_source(template: Template) -> str:
    """What a signature takes a template for: its text, or the function's name."""
    return template if isinstance(template, str) else getattr(template, "__qualname__", repr(template))
