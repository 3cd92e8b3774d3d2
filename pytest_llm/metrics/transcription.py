"""Error rates of transcriptions: how many words or characters must be changed to get from the output to the reference.

With hits H, substitutions S, deletions D and insertions I, added up over all examples, N words in the references and M in
the outputs,

    wer   (S + D + I) / N            word error rate; may exceed 1
    cer   (S + D + I) / N            the same over characters, spaces included
    mer   (S + D + I) / (H+S+D+I)    match error rate
    wil   1 − H/N · H/M              word information lost

Definitions and alignments are jiwer's (the same RapidFuzz calls); Morris, Maier & Green 2004 for mer and wil. A corpus's rate is
the ratio of the sums, *not* the mean of the examples' rates. Words are what white space separates (`str.split`); jiwer itself
lets a single tab or line break pass for part of a word. Nothing else is changed by default: "Paris." is not "paris".
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, TypeAlias

from rapidfuzz.distance import Levenshtein

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import name_of, output_text, ratio, references, warn_once
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task

Rate: TypeAlias = Literal["wer", "cer", "mer", "wil"]
Units: TypeAlias = "Sequence[str]"
"""Words, or characters (a string)."""

_RATES = ("wer", "cer", "mer", "wil")
_LINE_WIDTH = 100


@dataclass(frozen=True)
class ErrorRate:
    """WER, CER, MER or WIL as a fraction (0.05 is 5 %); lower is better. See the module for the formulas."""

    rate: Rate = "wer"
    transform: Literal["none", "basic"] | Callable[[str], Any] = "none"
    """What is done to both texts before they are compared. "none": white space is stripped and each run of it becomes one space;
    "basic": lower case and no punctuation (Unicode's category P, as `jiwer.RemovePunctuation`) as well. Or a function from text to
    text, or a `jiwer.Compose` that ends in lists of words or characters: `jiwer.transformations.wer_default` is jiwer's default."""

    task: ClassVar[Task] = Generate()
    lower_is_better = True

    def __post_init__(self) -> None:
        if self.rate not in _RATES:
            raise MisuseError(f"rate={self.rate!r}: expected one of {', '.join(map(repr, _RATES))}")
        if self.transform not in ("none", "basic") and not callable(self.transform):
            raise MisuseError(f"transform={self.transform!r}: expected 'none', 'basic' or a function from text to text")

    @property
    def name(self) -> str:
        return self.rate

    @property
    def scale(self) -> Scale:
        return "linear"

    @property
    def counts(self) -> str:
        return "reference characters" if self.rate == "cer" else "reference words"

    @property
    def quotient(self) -> Quotient | None:
        """Edits over the length of the references; of mer and wil, whose denominators hang on the output, there is none."""
        return Quotient(0, math.inf) if self.rate in ("wer", "cer") else None

    def signature(self, window: int | None = None) -> str:
        """Rate and transform."""
        transform = self.transform if isinstance(self.transform, str) else name_of(self.transform)
        return f"{self.rate}|transform:{transform}|split:{'characters' if self.rate == 'cer' else 'whitespace'}"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(edits, N) for wer and cer, (edits, H+S+D+I, N) for mer, (H, M, N) for wil.

        Raises:
            MisuseError: the reference is empty, or there are several.
        """
        wanted, said = self._pair(example, output)
        if self.rate in ("wer", "cer"):  # the number of edits does not depend on the alignment that is chosen
            return Levenshtein.distance(wanted, said), len(wanted)
        hits, aligned = _aligned(wanted, said)
        return (aligned - hits, aligned, len(wanted)) if self.rate == "mer" else (hits, len(said), len(wanted))

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The rate of the totals; NaN where there is no reference."""
        if self.rate != "wil":
            return ratio(totals[..., 0], totals[..., 1])
        hits, said, wanted = totals[..., 0], totals[..., 1], totals[..., 2]
        return 1 - ratio(hits, wanted) * ratio(hits, said + (said == 0))  # no output: nothing hit, all is lost

    def explain(self, example: Example, output: Any) -> str:
        """The alignment of one example, for people: jiwer's lines REF, HYP and the letters S, D, I under what differs."""
        import jiwer

        wanted, said = self._pair(example, output)
        process = jiwer.process_characters if self.rate == "cer" else jiwer.process_words
        as_is: Any = {"reference_transform": lambda _: [list(wanted)], "hypothesis_transform": lambda _: [list(said)]}
        aligned = process("reference", "hypothesis", **as_is)
        wide = "line_width" in inspect.signature(jiwer.visualize_alignment).parameters  # since jiwer 4
        width: Any = {"line_width": _LINE_WIDTH} if wide else {}
        shown = jiwer.visualize_alignment(aligned, show_measures=False, skip_correct=False, **width)
        return shown[shown.index("REF:") :].rstrip("\n")  # without its heading, which names a sentence 1

    def _pair(self, example: Example, output: Any) -> tuple[Units, Units]:
        said = output_text(example, output)
        texts = references(example)
        if len(texts) > 1:
            raise MisuseError(
                f"example {example.label} has {len(texts)} references, and {self.rate} is defined for one: "
                f"keep the one that counts, or use ter, which takes several"
            )
        wanted = self._units(example, texts[0])
        if not wanted:
            raise MisuseError(
                f"the reference of example {example.label} is {texts[0]!r}, which holds nothing to be transcribed with "
                f"transform={self._shown_transform()}: drop the example, or measure silence by itself"
            )
        if self.rate != "cer" and not texts[0].isascii():
            self._warn_of_unsegmented(example, texts[0])
        return wanted, self._units(example, said)

    def _units(self, example: Example, text: str) -> Units:
        if self.transform == "basic":
            text = text.lower().translate(_punctuation())
        elif callable(self.transform):
            made = self.transform(text)
            if not isinstance(made, str):
                return self._own_units(example, made)
            text = made
        words = text.split()
        return " ".join(words) if self.rate == "cer" else words

    def _own_units(self, example: Example, made: Any) -> Units:
        """What a transform of jiwer made: a list of words, or a list that holds one."""
        units = made[0] if isinstance(made, list) and len(made) == 1 and isinstance(made[0], list) else made
        if isinstance(units, list) and all(isinstance(unit, str) for unit in units):
            return units
        raise MisuseError(
            f"transform={self._shown_transform()} made {made!r} of a text of example {example.label}; "
            f"expected a string, a list of strings, or a list of one such list, as jiwer's transforms make"
        )

    def _shown_transform(self) -> str:
        return repr(self.transform) if isinstance(self.transform, str) else name_of(self.transform)

    def _warn_of_unsegmented(self, example: Example, reference: str) -> None:
        words = [word for word in reference.split() if _UNSEGMENTED.search(word)]
        characters = sum(len(_UNSEGMENTED.findall(word)) for word in words)
        if characters > _LONGEST_MEAN_WORD * len(words):
            warn_once(
                self,
                f"the reference of example {example.label} is in a script without spaces between words ({reference[:20]!r}…), so "
                f"{self.rate} takes whole sentences for words: use cer, or separate the words by spaces",
            )


def _aligned(wanted: Units, said: Units) -> tuple[int, int]:
    """Hits, and the length of the alignment H+S+D+I, of the one alignment that jiwer too gets from RapidFuzz."""
    hits = length = 0
    for chunk in Levenshtein.opcodes(wanted, said):
        inserted, taken = chunk.dest_end - chunk.dest_start, chunk.src_end - chunk.src_start
        length += max(inserted, taken)  # of an insertion nothing is taken, of a deletion nothing inserted
        hits += taken * (chunk.tag == "equal")
    return hits, length


@cache
def _punctuation() -> dict[int, None]:
    import sys
    import unicodedata

    return dict.fromkeys(c for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c)).startswith("P"))


_LONGEST_MEAN_WORD = 4
"""Segmented Chinese and Japanese have 1.5 to 3 such characters a word; without spaces a short sentence has more than 4."""

# Han with its extensions, hiragana, katakana, Thai, Lao, Tibetan, Myanmar, Khmer: letters and digits, not their vowel marks
_UNSEGMENTED = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"
    "\u0e01-\u0e30\u0e40-\u0e46\u0e81-\u0eb0\u0ec0-\u0ec6\u0f40-\u0f6c\u1000-\u102a\u1780-\u17b3]"
)
