"""Ask how probable texts are: as a whole, given something, or token by masked token."""

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


@dataclass(frozen=True, slots=True)
class PairScore:
    """Ask for the log-probability of each token of the example's target, given its text as the source."""

    score_eos: bool | None = None
    """Whether the end of the target is scored as a token of its own; None: as the model was trained, which it knows."""

    def __post_init__(self) -> None:
        if not (self.score_eos is None or isinstance(self.score_eos, bool)):
            raise MisuseError(f"score_eos={self.score_eos!r}: expected True, False or None")


@dataclass(frozen=True, slots=True)
class MaskedScore:
    """Ask for the log-probability of each token of the text when it is masked, given all others."""

    within_word: bool = True
    """Mask the later tokens of the same word as well."""

    def __post_init__(self) -> None:
        if not isinstance(self.within_word, bool):
            raise MisuseError(f"within_word={self.within_word!r}: expected True or False")
