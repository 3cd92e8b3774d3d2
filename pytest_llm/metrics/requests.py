"""What a metric may ask of a model about one example. The inference layer answers it."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Score:
    """Ask for the log-probability of each token of the text, given the tokens before it."""

    add_bos: bool = True
    """Put the tokenizer's BOS token (EOS where it has no BOS) in front, so that the first token is scored too."""
    stride: int | None = None
    """None: rolling windows that score each token once. A number: windows that move by so many tokens."""
    max_length: int | None = None
    """Longest window in tokens; None: the model's own context length."""

    def __post_init__(self) -> None:
        for name, least in (("stride", 1), ("max_length", 2)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise MisuseError(f"{name}={value!r}: expected None or a whole number of tokens, at least {least}")
