"""METEOR: unigrams of output and reference are aligned, by form, then by stem, then by synonym.

With m aligned words, precision P = m / output words and recall R = m / reference words, in c unbroken chunks,

    METEOR = P·R / (α·P + (1 − α)·R) · (1 − γ · (c/m)^β),    α = 0.9, β = 3, γ = 0.5

0 where nothing is aligned. The value is the mean over examples, 0 to 1; of several references, each example is compared with
the one that scores best. The alignment is NLTK's; parameters are its own and those of Hugging Face's `evaluate`. Banerjee & Lavie
2005; Lavie & Agarwal 2007. NLTK looks up synonyms of stems, so it misses those of words whose stem is no word ("automobil").
Scores of the Java program (Meteor 1.5: paraphrases, function words) are others.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import nltk.data
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.stem.porter import PorterStemmer
from nltk.tokenize.destructive import NLTKWordTokenizer
from nltk.translate.meteor_score import single_meteor_score

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import name_of, output_text, ratio, references
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task

Tokenize: TypeAlias = Literal["treebank", "none"] | Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Meteor:
    """The mean METEOR over examples, 0 to 1; higher is better."""

    wordnet: str | Path | None = None
    """A folder with WordNet's database files (`index.noun`, `data.noun`, `lexnames`, …), for the stage of synonyms, which is left
    out without it. Nothing is downloaded."""
    tokenize: Tokenize = "treebank"
    """"treebank": NLTK's tokenizer of sentences, which is `nltk.word_tokenize` for a single one; "none": at white space;
    or a function from text to tokens."""
    alpha: float = 0.9
    beta: float = 3.0
    gamma: float = 0.5

    task: ClassVar[Task] = Generate()
    name = "meteor"
    lower_is_better = False
    counts = "examples"
    quotient: ClassVar[Quotient] = Quotient(0, 1)

    def __post_init__(self) -> None:
        if self.tokenize not in _TOKENIZERS and not callable(self.tokenize):
            raise MisuseError(
                f'tokenize={self.tokenize!r}: expected "treebank", "none" or a function from text to tokens'
            )
        for setting, most in (("alpha", 1.0), ("beta", float("inf")), ("gamma", 1.0)):
            value = getattr(self, setting)
            if not isinstance(value, int | float) or not 0 <= value <= most:
                raise MisuseError(f"{setting}={value!r}: expected a number from 0 to {most:g}")
        if self.wordnet is not None:
            _ = self._synonyms  # fails here rather than after the model has run

    @property
    def scale(self) -> Scale:
        return "linear"

    def signature(self, window: int | None = None) -> str:
        """Which stages ran, how words were found, and the three parameters."""
        stages = "exact+stem" if self.wordnet is None else f"exact+stem+synonym[{self._synonyms.get_version()}]"
        tokenizer = self.tokenize if isinstance(self.tokenize, str) else name_of(self.tokenize)
        numbers = f"alpha:{self.alpha:g}|beta:{self.beta:g}|gamma:{self.gamma:g}"
        return f"meteor|stages:{stages}|tok:{tokenizer}|case:lc|{numbers}|refs:best|mean:score"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(METEOR with the best reference, 1)."""
        hypothesis = self._words(output_text(example, output))
        return max(self._score(self._words(reference), hypothesis) for reference in references(example)), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The mean."""
        return ratio(totals[..., 0], totals[..., 1])

    @cached_property
    def _words(self) -> Callable[[str], Sequence[str]]:
        return _TOKENIZERS[self.tokenize] if isinstance(self.tokenize, str) else self.tokenize

    @cached_property
    def _stemmer(self) -> Any:
        return PorterStemmer()

    @cached_property
    def _synonyms(self) -> Any:
        return _NoSynonyms() if self.wordnet is None else _open_wordnet(Path(self.wordnet).resolve())

    def _score(self, reference: Sequence[str], hypothesis: Sequence[str]) -> float:
        parameters = {"alpha": self.alpha, "beta": self.beta, "gamma": self.gamma}
        return float(
            single_meteor_score(reference, hypothesis, stemmer=self._stemmer, wordnet=self._synonyms, **parameters)
        )


_TOKENIZERS: dict[Any, Callable[[str], Sequence[str]]] = {"treebank": NLTKWordTokenizer().tokenize, "none": str.split}


class _NoSynonyms:
    """A WordNet without a word in it: NLTK asks one in any case, and would look for its own on the disk."""

    def synsets(self, word: str) -> tuple[()]:
        return ()


class _WordNet(WordNetCorpusReader):  # type: ignore[misc]
    """NLTK's reader, less its look for a second WordNet in NLTK's own folders, to map other languages to."""

    def map_wn(self, version: str = "wordnet") -> None:
        return None


@lru_cache(maxsize=1)  # it takes a second to read
def _open_wordnet(folder: Path) -> Any:
    if str(folder) not in nltk.data.path:  # NLTK ≥ 3.10 opens files in these folders only; naming one here is consent
        nltk.data.path.append(str(folder))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "multilingual functions are not available": they are not asked for
            reader = _WordNet(str(folder), None)
    except (OSError, LookupError, ValueError, AssertionError) as error:
        raise MisuseError(
            f"wordnet={str(folder)!r} holds no WordNet that NLTK can read ({type(error).__name__}: {error}); expected the "
            f"folder with index.noun, data.noun, lexnames and their kin"
        ) from error
    weakref.finalize(reader, _close, reader._data_file_map)  # NLTK leaves them open, which Python warns of
    return reader


def _close(files: dict[str, Any]) -> None:
    for file in files.values():
        file.close()
