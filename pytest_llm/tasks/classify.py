"""Give each example a label: by the log-probability of label words after a prompt, or by a model's classification head."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.prompt import Prompt, Template


@dataclass(frozen=True)
class Classify:
    """The output is the label that the model finds most probable, with the probability of each.

    Args:
        labels: the labels; or a mapping from each label to the word that stands for it in text, such as
            {0: "negative", 1: "positive"}. None: the model's own classification head knows them.
        prompt: template of the prompt that the label follows; see `Prompt`.
        shots: worked examples before it; of these, `{target}` is the word of the label.
        answer: how a worked example goes on after the prompt.
        separator: stands between worked examples.
        chat: use the tokenizer's chat template.
        system: the system message.
        delimiter: stands between prompt and label word.
        truncate: of a classification head: leave out what is behind the longest text that it reads; else that is an error.
    """

    labels: Sequence[Any] | Mapping[Any, str] | None = None
    prompt: Template | Prompt = "{text}\nLabel:"
    shots: Any = ()
    answer: Template = " {target}"
    separator: str = "\n\n"
    chat: bool = False
    system: str | None = None
    delimiter: str = " "
    truncate: bool = False
    words: Mapping[Any, str] | None = field(init=False)

    def __post_init__(self) -> None:
        if self.labels is None:
            words = None
        elif isinstance(self.labels, Mapping):
            words = dict(self.labels)
        elif isinstance(self.labels, str):
            raise MisuseError(f"labels={self.labels!r}: expected a list of labels")
        else:
            words = {label: str(label) for label in self.labels}
        if words is not None and self.truncate:
            raise MisuseError("truncate=True cuts what a classification head reads: a prompt is not cut")
        object.__setattr__(self, "words", words)
        if words is not None:
            _ = self.choose  # checks prompt and words

    @property
    def choose(self) -> Choose:
        """The same as a choice among label words."""
        assert self.words is not None
        prompt = self.prompt
        if not isinstance(prompt, Prompt):
            prompt = Prompt(prompt, self.answer, self.shots, self.separator, self.chat, self.system)
        prompt = replace(prompt, shots=tuple(map(self._in_words, prompt.shots)))
        return Choose(prompt, choices=tuple(self.words.values()), delimiter=self.delimiter)

    def _in_words(self, shot: Example) -> Example:
        assert self.words is not None
        if not isinstance(shot.target, Hashable) or shot.target not in self.words:
            raise MisuseError(
                f"the target of the worked example {shot.label} is {shot.target!r}, which is none of the labels "
                f"{list(self.words)!r}"
            )
        return replace(shot, target=self.words[shot.target])

    @property
    def signature(self) -> str:
        """All settings that change the output."""
        if self.words is None:
            return "task:classify|by:head" + ("|truncate:yes" if self.truncate else "")
        return self.choose.signature.replace("task:choose", "task:classify|by:label words", 1)
