"""Compare a model's next-token distributions with those of a reference model on the same text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_llm.errors import MisuseError


@dataclass(frozen=True)
class Compare:
    """At each token of the text, how far the model's distribution is from the reference's.

    Args:
        reference: the model to compare with, as a test would give it: a path, a hub id, a `(model, tokenizer)` pair. Or the
            `.safetensors` file that `save_reference` wrote.
        max_length: longest window in tokens; None: that of the file, or 512, or the shorter context of the two models.
    """

    reference: Any
    max_length: int | None = None

    def __post_init__(self) -> None:
        if self.reference is None:
            raise MisuseError("no reference: say which model to compare with, as in reference='path/of/the/original'")
        check_window(self.max_length)

    @property
    def signature(self) -> str:
        """How much is known of the reference's distributions: "full", or "top-64" of a stored one."""
        return f"reference:{getattr(self.reference, 'form', 'full')}"


def check_window(length: object) -> None:
    """Raise MisuseError for a window that is none."""
    if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 2):
        raise MisuseError(f"max_length={length!r}: expected None or a whole number of tokens, at least 2")
