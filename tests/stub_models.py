"""Models whose probabilities can be added up by hand, and models that answer what they were told to."""

from __future__ import annotations

import math
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_llm.models.language_model import Window
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.decoding import Decoding


class UniformModel:
    """Scores characters, each with probability `1/size`: its perplexity is `size`."""

    name = "uniform"

    def __init__(self, size: float = 8) -> None:
        self.size = size
        self.calls: list[list[str]] = []

    def score(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls.append(list(texts))
        return [[-math.log(self.size)] * len(text) for text in texts]


class TableModel:
    """Gives each text the log-probabilities it was told to give."""

    def __init__(self, answers: Mapping[str, Sequence[float]]) -> None:
        self.answers = answers

    def score(self, texts: Sequence[str]) -> list[Sequence[float]]:
        return [self.answers[text] for text in texts]


class CharacterModel:
    """A windowed model over characters that remembers the windows it was given.

    The log-probability of a token is `−(number of tokens before it in the window)`, so each answer shows how much context
    its token saw.
    """

    def __init__(self, max_length: int = 4, prefix_token: int | None = 0) -> None:
        self.max_length = max_length
        self.prefix_token = prefix_token
        self.windows: list[Window] = []

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(character) for character in text] for text in texts]

    def score_windows(self, windows: Sequence[Window]) -> Iterable[FloatArray]:
        self.windows.extend(windows)
        for window in windows:
            yield -np.arange(len(window.tokens) - window.scored, len(window.tokens), dtype=np.float64)


class PairTable:
    """Gives each (source, target) the log-probabilities it was told to give, and remembers what it was asked."""

    def __init__(self, answers: Mapping[tuple[str, str], Sequence[float]]) -> None:
        self.answers = answers
        self.calls: list[list[tuple[str, str]]] = []

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[Sequence[float]]:
        self.calls.append(list(pairs))
        return [self.answers[pair] for pair in pairs]


class MaskedTable:
    """Gives each text the pseudo-log-likelihoods it was told to give for single tokens, and twice them within words."""

    def __init__(self, answers: Mapping[str, Sequence[float]]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def pseudo_log_probs(self, texts: Sequence[str], *, within_word: bool) -> list[list[float]]:
        self.calls.append(list(texts))
        return [[(1 + within_word) * value for value in self.answers[text]] for text in texts]


class WorkerModel:
    """Says by which process it was asked, in which state, and how many texts came at once; dies of the text "die"."""

    def __init__(self, state: int = 0) -> None:
        self.state = state

    def fingerprint(self) -> int:
        return self.state

    def report(self, texts: Sequence[str]) -> list[tuple[str, int, int, int]]:
        if "die" in texts:
            os._exit(3)
        if "fail" in texts:
            raise ZeroDivisionError("the model's own mistake")
        return [(text, os.getpid(), self.state, len(texts)) for text in texts]


class Late:
    """Cannot be unpickled before a file exists: a process that is given one starts late. It says so with `.asked`."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return _once_it_exists, (self.file,)


def _once_it_exists(file: Path) -> list[tuple[bytes, None]]:
    file.with_suffix(".asked").touch()
    while not file.exists():
        time.sleep(0.01)
    return [(pickle.dumps(None), None)] * 2


class Writer:
    """Answers each prompt with the text it was told to write, and remembers what it was asked."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.calls: list[list[str]] = []
        self.decodings: list[Decoding] = []

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        self.calls.append(list(prompts))
        self.decodings.append(decoding)
        return [self.texts[prompt] for prompt in prompts]


class Labeller:
    """Gives each text the label, or the probabilities of labels, it was told to give."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def classify(self, texts: Sequence[str]) -> list[Any]:
        self.calls.append(list(texts))
        return [self.answers[text] for text in texts]


class RankModel:
    """Says which thread answered, and about how many texts at once."""

    def __init__(self, state: int, seconds: float = 0.0) -> None:
        self.state, self.seconds = state, seconds

    def fingerprint(self) -> int:
        return self.state

    def score(self, texts: Sequence[str]) -> list[tuple[str, int, int]]:
        time.sleep(self.seconds * len(texts))
        if "bad" in texts:
            raise KeyError("bad")
        return [(text, self.state, threading.get_ident()) for text in texts]

    def sizes(self, texts: Sequence[str]) -> list[int]:
        return [len(texts)] * len(texts)
