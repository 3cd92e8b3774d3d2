"""Readers of what we write, and of what people write for us: results, limits, options."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from pytest_llm import options
from pytest_llm.adversarial import corpus
from pytest_llm.adversarial.corpus import Entry, read_corpus
from pytest_llm.adversarial.edit import Edit
from pytest_llm.adversarial.perturbations.length import Context
from pytest_llm.adversarial.perturbations.prompt import PromptFormat
from pytest_llm.baselines import files as baselines
from pytest_llm.baselines.baseline import Baseline, as_baseline
from pytest_llm.data import stored_reference
from pytest_llm.data.provenance import Identity
from pytest_llm.data.ratings import read_preferences, read_ratings
from pytest_llm.data.sampling import parse_sample
from pytest_llm.data.stored_reference import read_reference
from pytest_llm.errors import MisuseError
from pytest_llm.history.files import read_runs
from pytest_llm.history.run import run_line
from pytest_llm.inference.cache_file import CacheFile, ForeignFileError, Question
from pytest_llm.inference.stored_values import from_bytes, to_bytes
from pytest_llm.inference.time_budget import parse_duration
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.limit import Limit, parse_share
from pytest_llm.models.devices import choose_device, parse_memory
from pytest_llm.rating.answer_file import AnswerFile, as_line
from pytest_llm.rating.answers import Answer
from pytest_llm.rating.sheet import read_sheet
from pytest_llm.records.measurement import measurement_as_data
from pytest_llm.records.run_record import TestResult, checksum_of_record, read_record, record_text
from pytest_llm.records.verdicts import verdict_as_data
from pytest_llm.reports import staged
from pytest_llm.statistics.repeats import Noise
from pytest_llm.storage.checksum import sealed
from pytest_llm.storage.numbers import encoded
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.thresholds import ThresholdFile
from pytest_llm.tiers import parse_tiers
from pytest_llm.tolerance import parse_amount
from tests.data.test_stored_reference import reference
from tests.fuzzing.parser import Parser, of_text, texts
from tests.simulated_changes import documents, measured
from tests.simulated_history import nights

_ANSWERS = (
    Answer("ann", "q1", "new", "new", "old", "a note\nof two lines", "2026-01-01T12:00:00+00:00", "abc"),
    Answer("bob", "q1", 4, revision=2),
    Answer("bob", "q2", None),
)


@cache
def _baseline() -> tuple[bytes, bytes]:
    m = measured(documents(4, np.random.default_rng(1)), clusters=["x", "x", "y", "y"])
    made = as_baseline(
        m, Identity("weights", "tokenizer"), {"date": "2026-11-24", "commit": "0123", "python": "3.11.7"}
    )
    return baselines.encoded(dataclasses.replace(made, interval=(1.0, 2.0), noise=Noise((1.0, 2.0))))


def _resealed(
    seal: Callable[[dict[str, Any]], Mapping[str, Any]], read: Callable[[Path], Any]
) -> Callable[[Path], Any]:
    """A reader of what has right checksums, line by line, whatever else is wrong: who sends it has computed them."""

    def made(path: Path) -> Any:
        path.write_bytes(b"\n".join(_resealed_line(line, seal) for line in path.read_bytes().split(b"\n")))
        return read(path)

    return made


def _resealed_line(line: bytes, seal: Callable[[dict[str, Any]], Mapping[str, Any]]) -> bytes:
    try:
        return encoded(seal(dict(json.loads(line)))).encode()
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):  # as it is, then
        return line


def _of_arrays(content: dict[str, Any]) -> Mapping[str, Any]:
    return sealed({**content, "arrays": hashlib.sha256(_baseline()[1]).hexdigest()})


def _of_record(content: dict[str, Any]) -> Mapping[str, Any]:
    return {**content, "checksum": checksum_of_record(content, Path("run.json"))}


def _of_entry(content: dict[str, Any]) -> Mapping[str, Any]:
    names = {one.name for one in dataclasses.fields(Entry)}
    entry = Entry(**{name: value for name, value in content.items() if name in names})
    edits = tuple(Edit(**edit) for edit in content["edits"])
    content = {**content, "id": dataclasses.replace(entry, edits=edits, given=content.get("given", {})).id}
    content.pop("checksum", None)
    return {**content, "checksum": corpus._checksum(content)}


def _read_baseline(path: Path) -> Baseline:
    """What was recorded has no order, and is written by name."""
    found = baselines.read(path)
    in_order: Any = {name: dict(sorted(told.items())) for name, told in vars(found).items() if isinstance(told, dict)}
    return dataclasses.replace(found, **in_order)


def _arrays(path: Path) -> object:
    beside = path.with_suffix(".json")
    content = {**json.loads(_baseline()[0]), "arrays": hashlib.sha256(path.read_bytes()).hexdigest()}
    beside.write_bytes(json.dumps(sealed(content)).encode())
    return baselines.read(beside)


@cache
def _record() -> bytes:
    m = measured(documents(3, np.random.default_rng(1)), clusters=["x", "x", None])
    m = dataclasses.replace(m, identity=lambda: Identity("weights", "tokenizer"))
    verdict = judge(m, Limit.below(100.0))
    test = TestResult(
        "t.py::test_it", "passed", [encoded(measurement_as_data(m))], [encoded(verdict_as_data(verdict, 0))]
    )
    text = record_text({"date": "2026-11-24", "commit": "0123"}, [test])
    return encoded(json.loads(text)).encode()  # on one line


def _reference() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reference.safetensors")
        reference().write(path)
        return [path.read_bytes(), _described(path)]


def _described(path: Path) -> bytes:
    with safe_open(path, framework="numpy") as file:
        return str(file.metadata()["description"]).encode()


def _read_reference(path: Path) -> object:
    return read_reference(path)


def _read_description(path: Path) -> object:
    """Only the description is given, and the checksum over it and sound numbers is right."""
    description = path.read_bytes().decode("utf-8", "replace")
    stored = reference()
    tensors = {name: getattr(stored, name) for name in ("log_prob", "tail_log_prob", "top_log_probs", "top_tokens")}
    digest = stored_reference._digest(description, tensors)
    metadata = {"kind": stored_reference.KIND, "version": stored_reference.VERSION, "description": description}
    try:
        content = safetensors.numpy.save(tensors, {**metadata, "sha256": digest})
    except SafetensorError:
        return None
    whole = path.with_suffix(".safetensors")
    whole.write_bytes(content)
    return read_reference(whole)


@cache
def _cache_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answers.sqlite3")
        file = CacheFile(path)
        file.keep(Question(b"q" * 32, "a model", "score"), {b"k" * 32: b'j"text"', b"l" * 32: b"add"}, 2**20)
        file.close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        return path.read_bytes()


def _read_cache(path: Path) -> object:
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    try:
        with closing(CacheFile(path)) as file:
            found = file.find([b"k" * 32, b"l" * 32])
            assert all(value in (b'j"text"', b"add") for value in found.values()), "an answer that nobody gave"
            return found, file.entries(), file.verify()
    except sqlite3.Error as error:
        raise MisuseError(str(error)) from error  # as the command does


def _entries() -> list[bytes]:
    edit = Edit(4, 8, "film", "flim", "typo.swap")
    made = [
        Entry("test_typos[en]", "The film was", (edit,), observed="p 0.9", model={"name": "tiny"}),
        Entry("test_it", "plain", drawn="text", relation="invariant_label", state="fixed"),
        Entry("test_it", "[1, 2]", drawn="value", given={"value": [1, 2]}),
        Entry("test_it", "layout", drawn="layout", given=dataclasses.asdict(PromptFormat())),
        Entry("test_it", "context", drawn="context", given=_context()),
    ]
    return ["\n".join(entry.line() for entry in made).encode(), made[0].line().encode(), made[-1].line().encode()]


def _context() -> dict[str, Any]:
    return dataclasses.asdict(Context("needle", 20, 0.5, "hay hay needle hay", 8))


def _read_corpus(path: Path) -> object:
    found = read_corpus(path)
    for entry in found.values():
        entry.explains("another")
        entry.line()
    return found


def _read_answers(path: Path) -> object:
    path.with_name(f"{path.name}.torn").unlink(missing_ok=True)
    with AnswerFile(path) as file:
        return list(file.answers)


def _option(text: str) -> object:
    for read in (options._processes, options._exit_code, options._runs):
        try:
            read(text)
        except argparse.ArgumentTypeError:
            continue
    return None


def _decoding(text: str) -> object:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return None
    names = {one.name for one in dataclasses.fields(Decoding)}
    if not isinstance(given, Mapping):
        return None
    return Decoding(**{name: value for name, value in given.items() if name in names}).signature


def _staged(path: Path) -> object:
    lines = list(staged.lines([staged.StagedBaseline("a.json", path.read_bytes(), _baseline()[0])]))
    for line in lines:
        assert line.isprintable(), line
        assert len(line) < 4000, line
    staged.is_noted(path.read_bytes().decode("utf-8", "replace"))
    return lines


def _array(value: object) -> bytes:
    data = to_bytes(value)
    assert data is not None, value
    return data


_RATINGS = (
    '{"rater": "ann", "item": "1", "score": 3, "revision": 0}\n'
    '{"rater": "bob", "item": "1", "score": "4", "skipped": false}\n'
)
_PREFERENCES = (
    '{"rater": "ann", "item": "1", "first": "a", "second": "b", "preferred": "a", "revision": 1}\n'
    '{"rater": "bob", "item": "1", "first": "a", "second": "b", "preferred": "tie"}\n'
)

PARSERS: dict[str, Parser] = {
    "sheet": Parser(
        read_sheet, texts('{"id": "1", "prompt": "p", "output": "o"}\n{"id": 2, "question": "q", "answer": "a"}\n'), "new.jsonl"
    ),
    "ratings": Parser(read_ratings, texts(_RATINGS), "ratings.jsonl", names_file=False),
    "categories": Parser(
        lambda path: read_ratings(path, categories=True), texts("rater,item,score\nann,1,good\nbob,1,bad\n"), "ratings.csv",
        names_file=False,
    ),
    "preferences": Parser(read_preferences, texts(_PREFERENCES), "ratings.jsonl", names_file=False),
    "answer_file": Parser(
        _read_answers, lambda: [b"".join(map(as_line, _ANSWERS)), as_line(_ANSWERS[0])[:-1]], "answers.jsonl",
        write=lambda answers: b"".join(map(as_line, answers)),
    ),
    "thresholds": Parser(
        ThresholdFile.read, texts('[prose]\nperplexity_below = 25.5\n["tests/test_it.py::test_a"]\nacc_above = 0.5\n'),
        "limits.toml",
    ),
    "amount": Parser(of_text(lambda text: parse_amount("tolerance", text)), texts("1%", "1 pp", "0.5", "1e-3"), names_file=False),
    "share": Parser(of_text(lambda text: parse_share("share", text)), texts("5%", " 5 %", "0.05"), names_file=False),
    "sample": Parser(of_text(parse_sample), texts("50", "0.1", "10%"), names_file=False),
    "duration": Parser(of_text(parse_duration), texts("90s", "5min", "1h 30min", "2.5", "off"), names_file=False),
    "device": Parser(of_text(choose_device), texts("cpu", "auto"), names_file=False),
    "memory": Parser(of_text(parse_memory), texts("40GB", "512 MiB", "1.5T", "123"), names_file=False),
    "tiers": Parser(
        of_text(lambda text: [str(tier) for tier in parse_tiers(text.split("\n")).tiers]),
        texts("pr: limit=200, budget=2min\nnightly: stop=sequential\nweekly:"), names_file=False,
    ),
    "options": Parser(of_text(_option), texts("2", "7", "126"), names_file=False),
    "decoding": Parser(
        of_text(_decoding),
        texts('{"max_tokens": 5, "stop": ["a"], "temperature": 0.5, "top_k": 4, "top_p": 0.9, "seed": 1, "beams": 1}'),
        names_file=False,
    ),
    "baseline": Parser(
        _resealed(_of_arrays, _read_baseline), lambda: [encoded(json.loads(_baseline()[0])).encode()], "it.json",
        beside=lambda: {"it.npz": _baseline()[1]},
        write=lambda value: encoded(json.loads(baselines.encoded(value)[0])).encode(),
    ),
    "baseline_arrays": Parser(_arrays, lambda: [_baseline()[1]], "it.npz"),
    "staged_baseline": Parser(_staged, lambda: [_baseline()[0], b"Message\n\nBaselines: why\n"], names_file=False),
    "run_record": Parser(_resealed(_of_record, read_record), lambda: [_record()], "run.json"),
    "history": Parser(
        _resealed(sealed, lambda path: read_runs(path.parent)),
        lambda: ["\n".join(map(run_line, nights([1.0, 2.5]))).encode()], "2026.jsonl",
        write=lambda runs: "\n".join(map(run_line, runs)).encode(),
    ),
    "cached_answer": Parser(
        lambda path: from_bytes(path.read_bytes()),
        lambda: list(map(_array, (np.array([0.5, 1 / 3]), np.array([1], np.float32), "text", {"a": 0.5}, [(0, 4, "PER")]))),
        allowed=(ValueError,), names_file=False, write=_array,
    ),
    "cache_file": Parser(
        _read_cache, lambda: [_cache_file()], "answers.sqlite3", allowed=(MisuseError, ForeignFileError, OSError),
        names_file=False,
    ),
    "corpus": Parser(_resealed(_of_entry, _read_corpus), _entries, "test_it.jsonl"),
    "reference": Parser(_read_reference, lambda: _reference()[:1], "reference.safetensors"),
    "reference_description": Parser(_read_description, lambda: _reference()[1:], "reference.json"),
}  # fmt: skip
