"""Our file formats as the suite of mutations sees them: a file with something in it, and what a reader takes it to mean."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_llm.adversarial.corpus import Entry, read_corpus, write_corpus
from pytest_llm.adversarial.edit import Edit
from pytest_llm.baselines import files as baselines
from pytest_llm.baselines.baseline import as_baseline
from pytest_llm.data.example import fingerprint
from pytest_llm.data.provenance import Identity
from pytest_llm.data.ratings import read_preferences, read_ratings
from pytest_llm.data.stored_reference import StoredReference, StoredText, read_reference, token_hash
from pytest_llm.errors import MisuseError
from pytest_llm.history.files import add_run, read_runs
from pytest_llm.inference.cache_file import NAME, CacheFile, ForeignFileError, Question
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.limit import Limit
from pytest_llm.rating.answer_file import AnswerFile, as_line
from pytest_llm.rating.answers import Answer
from pytest_llm.records.measurement import measurement_as_data
from pytest_llm.records.run_record import TestResult, read_record, record_text
from pytest_llm.records.verdicts import verdict_as_data
from pytest_llm.reports.staged import StagedBaseline, lines
from pytest_llm.storage.numbers import encoded
from pytest_llm.thresholds import ThresholdFile
from pytest_llm.tiers import parse_tiers
from tests.reliability.spoken import (
    answers_say,
    corpus_says,
    csv_says,
    jsonl_says,
    preferences_say,
    tiers_say,
    toml_says,
)
from tests.simulated_changes import documents, measured
from tests.simulated_history import gate, run


class ToldError(Exception):
    """A reader said that something is not as it was, and went on without it."""


@dataclass(frozen=True)
class Format:
    """A kind of file."""

    name: str
    write: Callable[[Path], Path]
    """Into a folder; the file that is changed."""
    read: Callable[[Path], object]
    """What it means; MisuseError where it cannot be read, ToldError where a part was left out and that was said."""
    says: Callable[[bytes, bytes], object] | None = None
    """Of what people write or edit by hand: what it says, by a reader that has nothing of ours; it is given the original too. An
    error where that may not be said. None: people do not edit it."""
    pytest_names_it: bool = False
    """A value of an ini file, which pytest reads: what is wrong with it is said of the key."""

    def __str__(self) -> str:
        return self.name


def meaning(value: Any) -> Any:
    """All that a value holds, for comparing: NaN is equal to itself, arrays are lists, functions are what they return."""
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tolist().__repr__()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, *(meaning(getattr(value, one.name)) for one in dataclasses.fields(value))]
    if isinstance(value, dict):
        return {name: meaning(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [meaning(one) for one in value]
    if isinstance(value, Path):
        return value.name
    return meaning(value()) if callable(value) and getattr(value, "__name__", "") == "<lambda>" else repr(value)


MEASURED = measured(documents(6, np.random.default_rng(1)), ids=[f"идентификатор {row} 🙂" for row in range(6)])


def _write_record(folder: Path) -> Path:
    said = encoded(measurement_as_data(MEASURED))
    judged = encoded(verdict_as_data(judge(MEASURED, Limit.below(30)), 0))
    tests = [TestResult("t.py::test_a", "passed", [said], [judged]), TestResult("t.py::test_b", "skipped")]
    path = folder / "run.json"
    path.write_text(record_text({"date": "2026-11-26", "commit": "0123456789abcdef"}, tests), encoding="utf-8")
    return path


def _write_baseline(folder: Path) -> Path:
    path = folder / "test_it.perplexity@cpu.json"
    recorded = {"date": "2026-11-24", "commit": "0123456789abcdef", "python": "3.11.7"}
    baselines.write(path, as_baseline(MEASURED, Identity("weights", "tokenizer"), recorded))
    return path


def _read_noted(path: Path) -> object:
    before = path.with_suffix(".before")
    if not before.exists():
        before.write_bytes(path.read_bytes())
    told = list(lines([StagedBaseline("b.json", before.read_bytes(), path.read_bytes())]))
    if "unreadable" in told[1]:
        raise ToldError(told[1])
    return told


def _write_history(folder: Path) -> Path:
    add_run(folder, run(1, gate(44.1)))
    return add_run(folder, run(2, gate(45.2), gate(0.71, metric="bleu", lower_is_better=False, limit=None)))


def _write_corpus(folder: Path) -> Path:
    swap = Edit(4, 8, "film", "flim", "typo.swap")
    entries = [
        Entry("test_typos[en]", "The film was wonderful", (swap,), state="accepted", observed="p 0.93 → 0.31"),
        Entry("test_value", "[17, 0.5]", drawn="value", given={"value": [17, 0.5]}, model={"name": "tiny"}),
    ]
    path = folder / "test_it.jsonl"
    write_corpus(path, entries)
    return path


def _read_corpus(path: Path) -> object:
    return {name: json.loads(entry.line()) for name, entry in read_corpus(path).items()}


def _write_reference(folder: Path) -> Path:
    drawn = np.random.default_rng(0)
    path = folder / "reference.safetensors"
    StoredReference(
        model="a model, float32 on cpu",
        vocabulary=50,
        prefix_token=7,
        max_length=16,
        tokenizer_hash="abc",
        texts={"a": StoredText(fingerprint("one two"), token_hash([1, 2]), 0, 2)},
        top_tokens=drawn.integers(0, 50, (2, 4)).astype(np.uint16),
        top_log_probs=drawn.normal(size=(2, 4)).astype(np.float16),
        tail_log_prob=drawn.normal(size=2).astype(np.float32),
        log_prob=drawn.normal(size=2).astype(np.float32),
    ).write(path)
    return path


_QUESTION = Question(b"q" * 32, "tiny", "Score()")
_ANSWERS = {fingerprint(str(place)).encode()[:32]: np.linspace(-9, -place, 30).tobytes() for place in range(40)}


def _write_cache(folder: Path) -> Path:
    file = CacheFile(folder / NAME)
    file.keep(_QUESTION, _ANSWERS, 10**9)
    file.close()
    return folder / NAME


def _read_cache(path: Path) -> object:
    """Answers that are missing are asked again, which changes no number; one that is another would.

    A file that is none of ours is set aside with a warning by `inference.cache.Cache`, which catches these errors and no others.
    """
    try:
        file = CacheFile(path)
        try:
            found = file.find(list(_ANSWERS))
        finally:
            file.close()
    except (ForeignFileError, sqlite3.Error) as error:
        raise ToldError from error
    finally:
        for left in path.parent.glob(f"{NAME}*"):
            left.unlink()
    if found.items() < _ANSWERS.items():
        raise ToldError
    return found


def _write_answers(folder: Path) -> Path:
    path = folder / "answers.jsonl"
    answers = [
        Answer("Ann", "q1", "new", "new", "old", "good", "2026-01-01T12:00:00+00:00", "abc"),
        Answer("Ann", "q2", "tie", "old", "new", revision=0),
        Answer("Bob", "q1", None, "old", "new"),
        Answer("Ann", "q1", "old", "new", "old", revision=1),
    ]
    path.write_bytes(b"".join(map(as_line, answers)))
    return path


def _read_answers(path: Path) -> object:
    """As `rate` takes them up."""
    with AnswerFile(path) as file:
        answers, repair = [answer.as_row() for answer in file.answers], file.repair
    if "torn" in repair:
        raise ToldError(repair)
    return sorted(answers, key=str)


def _read_preferences(path: Path) -> object:
    """As they are judged."""
    return sorted(
        (one.rater, one.item, one.first, one.second, one.preferred or "tie") for one in read_preferences(path)
    )


def _jsonl_ratings(folder: Path) -> Path:
    rows = [
        {"rater": rater, "item": item, "score": score, "comment": "ok"}
        for rater, item, score in (("Ann", "p1", 4), ("Bob", "p1", 5), ("Ann", "p2", 2.5))
    ]
    rows.append({"rater": "Ann", "item": "p1", "score": 3, "revision": 1})
    path = folder / "ratings.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _csv_ratings(folder: Path) -> Path:
    path = folder / "ratings.csv"
    path.write_text(
        'rater,item,score,comment\nAnn,p1,4,"good, and short"\nBob,p1,5,\nAnn,p2,2.5,fine\n', encoding="utf-8"
    )
    return path


def _read_ratings(path: Path) -> object:
    return sorted((rating.rater, rating.item, float(rating.value)) for rating in read_ratings(path))


def _write_thresholds(folder: Path) -> Path:
    path = folder / "limits.toml"
    path.write_text(
        "# what the release has to hold\n[release]\nperplexity_below = 25.5\naccuracy_above = 0.71\n\n"
        '["tests/test_a.py::test_b"]\nwer_below = 0.2\n',
        encoding="utf-8",
    )
    return path


def _read_thresholds(path: Path) -> object:
    tables = ThresholdFile.read(path).tables
    return {
        key: {f"{one.metric}_{one.limit.side}": one.limit.value for one in limits.values()}
        for key, limits in tables.items()
    }


def _write_tiers(folder: Path) -> Path:
    path = folder / "tiers"
    path.write_text("pr: limit=200, budget=120s\nnightly: stop=sequential\nweekly:\n", encoding="utf-8")
    return path


def _read_tiers(path: Path) -> object:
    """As pytest hands the lines of an ini key on."""
    try:
        given = [line.strip() for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise MisuseError("pytest refuses such a file") from error
    return [
        (tier.name, tier.sample.size if tier.sample else None, tier.stop, tier.budget)
        for tier in parse_tiers(given).tiers
    ]


FORMATS = (
    Format("run record", _write_record, lambda path: meaning(read_record(path))),
    Format("baseline", _write_baseline, lambda path: meaning(baselines.read(path))),
    Format(
        "baseline's arrays",
        lambda folder: _write_baseline(folder).with_suffix(".npz"),
        lambda path: meaning(baselines.read(path.with_suffix(".json"))),
    ),
    Format("baseline in a commit", _write_baseline, _read_noted),
    Format("history", _write_history, lambda path: meaning(read_runs(path.parent))),
    Format("counter-examples", _write_corpus, _read_corpus, corpus_says),
    Format("stored reference", _write_reference, lambda path: meaning(read_reference(path))),
    Format("cache", _write_cache, _read_cache),
    Format("answers, taken up", _write_answers, _read_answers, answers_say),
    Format("answers, judged", _write_answers, _read_preferences, preferences_say),
    Format("ratings, JSONL", _jsonl_ratings, _read_ratings, jsonl_says),
    Format("ratings, CSV", _csv_ratings, _read_ratings, csv_says),
    Format("thresholds", _write_thresholds, _read_thresholds, toml_says),
    Format("tiers", _write_tiers, _read_tiers, tiers_say, pytest_names_it=True),
)
