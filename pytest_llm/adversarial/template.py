"""Sentences with gaps, filled from lists of words (Ribeiro et al. 2020, CheckList)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from pytest_llm.adversarial.articles import article
from pytest_llm.errors import MisuseError

_FIELD = re.compile(r"\{(?:(?P<article>[aA]):)?(?P<name>[A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class Filled:
    """A sentence, and what its gaps were filled with."""

    text: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """A sentence with gaps: `{name}` is a word, `{a:name}` the word with "a" or "an" before it, `{A:name}` with a capital.

    Raises:
        MisuseError: a brace that belongs to no gap.
    """

    pattern: str

    def __post_init__(self) -> None:
        if not isinstance(self.pattern, str) or re.search(r"[{}]", _FIELD.sub("", self.pattern)):
            raise MisuseError(f"{self.pattern!r}: expected a text with gaps such as {{name}} and {{a:job}}")

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of the gaps, each once."""
        return tuple(dict.fromkeys(match["name"] for match in _FIELD.finditer(self.pattern)))

    def fill(self, values: Mapping[str, str]) -> Filled:
        """The sentence with these words.

        Raises:
            MisuseError: a gap that no value is for.
        """
        missing = [name for name in self.fields if name not in values]
        if missing:
            raise MisuseError(f"no value for {', '.join(missing)} of {self.pattern!r}")

        def word(match: re.Match[str]) -> str:
            value = values[match["name"]]
            if not match["article"]:
                return value
            said = article(value)
            return f"{said.capitalize() if match['article'] == 'A' else said} {value}"

        return Filled(_FIELD.sub(word, self.pattern), {name: values[name] for name in self.fields})

    def all(self, lexicons: Mapping[str, Sequence[str]]) -> Iterator[Filled]:
        """All sentences that lists of words give, the last gap changing fastest.

        Raises:
            MisuseError: a gap that no list is for.
        """
        missing = [name for name in self.fields if name not in lexicons]
        if missing:
            raise MisuseError(f"no words for {', '.join(missing)} of {self.pattern!r}")
        for chosen in product(*(lexicons[name] for name in self.fields)):
            yield self.fill(dict(zip(self.fields, chosen, strict=True)))
