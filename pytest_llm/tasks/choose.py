"""Choose among given answers by how probable the model finds each: multiple choice, and classification by label words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.tasks.prompt import Prompt, Template


@dataclass(frozen=True)
class Choose:
    """Each choice is scored as the continuation of the prompt; nothing is written.

    Args:
        prompt: template of the prompt; see `Prompt` for this and the four that follow.
        shots: worked examples before it; their answer is the text of the right choice, `{choice}`.
        answer: how a worked example goes on after the prompt.
        separator: stands between worked examples.
        chat: use the tokenizer's chat template.
        system: the system message.
        choices: the same choices for all examples; None: each example's own, from its column `choices`.
        delimiter: stands between prompt and choice, as lm-evaluation-harness's `target_delimiter`.
    """

    prompt: Template | Prompt = "Question: {text}\nAnswer:"
    shots: Any = ()
    answer: Template = " {choice}"
    separator: str = "\n\n"
    chat: bool = False
    system: str | None = None
    choices: Sequence[str] | None = None
    delimiter: str = " "

    def __post_init__(self) -> None:
        if self.choices is not None:
            object.__setattr__(self, "choices", _checked("choices", self.choices))
        prompt = self.prompt
        if not isinstance(prompt, Prompt):
            prompt = Prompt(prompt, self.answer, self.shots, self.separator, self.chat, self.system)
        if self.choices is not None:  # which worked examples do not bring, but are answered from
            shots = (replace(shot, row={**shot.row, "choices": self.choices}) for shot in prompt.shots)
            prompt = replace(prompt, shots=tuple(shots))
        object.__setattr__(self, "prompt", prompt)

    def choices_of(self, example: Example) -> tuple[str, ...]:
        """What there is to choose from.

        Raises:
            MisuseError: the example brings no choices, or fewer than two, or one twice.
        """
        if self.choices is not None:
            return tuple(self.choices)
        given = example.row.get("choices")
        if given is None:
            raise MisuseError(
                f"example {example.label} has no column 'choices': give each row a list of answers, or the task "
                f"choices=[…] that hold for all"
            )
        return _checked(f"choices of example {example.label}", given)

    @property
    def signature(self) -> str:
        """All settings that change the output."""
        assert isinstance(self.prompt, Prompt)
        choices = "" if self.choices is None else f"|choices:{'/'.join(self.choices)}"
        return f"task:choose|{self.prompt.signature}|delimiter:{self.delimiter!r}{choices}"


def _checked(what: str, choices: Any) -> tuple[str, ...]:
    if isinstance(choices, str) or not all(isinstance(choice, str) and choice for choice in choices):
        raise MisuseError(f"{what}: {choices!r}; expected a list of texts, none empty")
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise MisuseError(f"{what}: {list(choices)!r}; expected at least two, each once")
    return tuple(choices)
