"""What goes wrong before there is a number to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_llm.wording import counted

_LONGEST = 2000
"""Characters of a message: with the beginning of what was received, and the remedy at the end."""


class MisuseError(ValueError):
    """The caller asked for something that has no answer: the message names what was received and the remedy.

    What was received may be anything: `str` is one line that can be printed, of 2 000 characters at most.
    """

    __module__ = "pytest_llm"  # reports say pytest_llm.MisuseError, the name that people import

    def __str__(self) -> str:
        text = " ".join(_shortened(super().__str__()).splitlines())
        return text if text.isprintable() else _shortened("".join(map(_printable, text)))


class TooLongError(MisuseError):
    """A text that a model cannot read as a whole.

    Args:
        message: for people.
        text: what the model was asked about: whoever knows whose text that is names the example.
    """

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.text)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST * 2 // 3]} … {text[-_LONGEST // 4 :]}"


def _printable(character: str) -> str:
    """No message may take the reader's terminal; no-break spaces may stay."""
    stays = character.isprintable() or (character.isspace() and character >= "\xa0")
    return character if stays else repr(character)[1:-1]


@contextmanager
def about(name: str) -> Iterator[None]:
    """Say in each `MisuseError` of a `with` block which file or data it is about, unless it says so."""
    try:
        yield
    except MisuseError as error:
        if name in str(error):
            raise
        raise MisuseError(f"{name}: {error}") from None


class MetricWarning(UserWarning):
    """A number that is right by its definition and still says little about this data; the message names a better metric."""

    __module__ = "pytest_llm"


class CacheWarning(UserWarning):
    """The cache on disk cannot be used, or a part of it; the run goes on without, and its numbers are the same."""

    __module__ = "pytest_llm"


class UndecidedError(Exception):
    """A drop that may be chance, where the test asked for "skip" or "xfail" then; the plugin ends the test so."""

    __module__ = "pytest_llm"

    def __init__(self, sentence: str, ending: str) -> None:
        super().__init__(sentence)
        self.ending = ending


class BudgetError(Exception):
    """The time for which a model may be asked is over, and there is more to ask: what was answered is kept, nothing is judged."""

    __module__ = "pytest_llm"

    def __init__(self, budget: str, spent: str, answers: int, *, kept: bool) -> None:
        super().__init__(budget, spent, answers)
        self.budget, self.spent = budget, spent
        self.answers = answers
        """How many the model gave within it."""
        self.kept = kept
        """Whether they are in the cache on disk."""
        self.known = f"{counted(answers, 'question')} answered"
        """What the sentence says of how far it got."""
        self.so_far: str | None = None
        """The value of what is known; no verdict rests on it."""
        self.outputs: Mapping[int, Any] | None = None
        """What was timed before it was over, by the place of its example; None where answers are remembered anyway."""

    def __str__(self) -> str:
        kept = (
            "in the cache: the same run goes on from there"
            if self.kept
            else "not on disk (there is no cache, or it takes nothing of this): the same run begins anew"
        )
        lines = [f"the budget of {self.budget} is over after {self.spent}: {self.known}, so there is no verdict"]
        if self.so_far is not None:
            lines.append(f"  so far     {self.so_far}")
        lines.append(f"  kept       {counted(self.answers, 'answer')}, {kept}")
        lines.append("  to go on   run it again, or allow more time: budget=…, with budget(…), --llm-budget")
        return "\n".join(lines)
