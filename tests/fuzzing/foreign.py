"""Readers of files that others write: checkpoints, data, logs of other harnesses, what models write."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import safetensors.numpy

from pytest_llm.baselines.importing.conversion import as_baseline
from pytest_llm.baselines.importing.reading import READERS
from pytest_llm.data.example import Example
from pytest_llm.data.hub import parse_address
from pytest_llm.data.loading import Columns, load_examples
from pytest_llm.data.predictions import as_predictions, paired
from pytest_llm.inference.extracting import in_text
from pytest_llm.metrics.extraction import EntityScore, spans_of
from pytest_llm.models.checkpoint_files import check_folder
from pytest_llm.models.embedding_model import recipe_of
from pytest_llm.models.gguf_header import check_gguf
from pytest_llm.models.tensor_heads import heads
from pytest_llm.rating.label_studio import read_export, tasks_of
from pytest_llm.tasks.extract import Extract
from pytest_llm.tasks.generate import Generate
from pytest_llm.transformer.weights import files as weights
from pytest_llm.transformer.weights.index import INDEX, shards
from tests.fuzzing.parser import Parser, of_text, texts
from tests.models.tiny_gguf import write_tiny_gguf
from tests.rating.sheets import PAIRS, SCORED

_LOGS = Path(__file__).parents[1] / "baselines" / "importing" / "data"
_LIGHTEVAL = _LOGS / "lighteval"
_DATE = "2026-11-25T22-32-47.127400"
_TEXT = "Anna Karenina met Alexei in Moscow, and Anna left."


@cache
def _gguf() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_tiny_gguf(Path(folder, "tiny.gguf")).read_bytes()


@cache
def _tensors() -> bytes:
    return safetensors.numpy.save(
        {"wte.weight": np.zeros((8, 4), np.float32), "h.0.weight": np.ones((4, 4), np.float16)}, {"format": "pt"}
    )


def _config(**settings: Any) -> bytes:
    usual = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 1, "n_embd": 4, "vocab_size": 8}
    return json.dumps({**usual, "text_config": {"hidden_size": 4}, **settings}).encode()


def _checkpoint() -> Mapping[str, bytes]:
    return {"config.json": _config(), "tokenizer.json": b"{}", "model.safetensors": _tensors()}


@cache
def _ours() -> Mapping[str, bytes]:
    """A folder that `weights.save` wrote."""
    from pytest_llm.transformer.architectures import SequenceClassifier
    from pytest_llm.transformer.config import Config

    with tempfile.TemporaryDirectory() as folder:
        model = SequenceClassifier(Config(vocabulary=8, width=4, layers=1, heads=2, max_length=16, labels=2))
        saved = weights.save(model, Path(folder, "saved"))
        return {file.name: file.read_bytes() for file in saved.iterdir()} | {"tokenizer.json": b"{}"}


def _checked_folder(path: Path) -> object:
    check_folder(path.parent)
    return weights.is_ours(path.parent)


def _folder_of_ours(path: Path) -> object:
    """As `load_model` does."""
    check_folder(path.parent)
    return weights.load(path.parent) if weights.is_ours(path.parent) else None


def _read_parquet_of(path: Path) -> object:
    """The rows of a log of lighteval, given as JSON: bytes of Parquet that are changed at random say little to our code."""
    details = path.with_name(f"details_task|0_{_DATE}.parquet")
    try:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(json.loads(path.read_bytes())), details)
    except (pyarrow.ArrowException, ValueError, TypeError, AttributeError, RecursionError, OverflowError, KeyError):
        return None  # no table
    return _imported(details)


def _imported(path: Path) -> object:
    log = READERS[path.suffix](path, None)
    return [as_baseline(log, path.name, metric, Columns(text=_column(log.answers[metric]))) for metric in log.answers]


def _column(answers: Sequence[Any]) -> str:
    return next(iter(answers[0].row), "text") if answers and answers[0].text is None else "text"


def _first_lines(name: str, count: int = 2) -> bytes:
    return b"\n".join((_LOGS / name).read_bytes().split(b"\n")[:count])


@cache
def _inspect_log() -> dict[str, Any]:
    (path,) = (one for one in _LOGS.glob("*.json") if "next-word" in one.name)
    log: dict[str, Any] = json.loads(path.read_bytes())
    log["samples"] = log["samples"][:2]
    return {name: log[name] for name in ("version", "status", "eval", "samples")}


def _inspect_samples() -> list[bytes]:
    log = _inspect_log()
    for sample in log["samples"]:
        for name in ("messages", "events", "model_usage", "timelines"):
            sample.pop(name, None)
    return [json.dumps(log).encode()]


def _archive(method: int) -> bytes:
    log, stream = json.loads(_inspect_samples()[0]), io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for number, sample in enumerate(log.pop("samples")):
            archive.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps(log))
    return stream.getvalue()


def _archives() -> list[bytes]:
    whole = [path.read_bytes() for path in _LOGS.glob("*.eval")]
    return [*whole, *map(_archive, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))]


def _lighteval_rows() -> list[bytes]:
    rows = [pyarrow.parquet.read_table(path).slice(0, 2).to_pylist() for path in _LIGHTEVAL.glob("*.parquet")]
    return [json.dumps(some, default=str).encode() for some in rows]


def _parquet(rows: list[dict[str, Any]], **settings: Any) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), stream, **settings)
    return stream.getvalue()


_ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "one two", "target": "eins", "cluster": "x", "n": 1},
    {"id": "b", "text": "three", "target": "drei", "cluster": "x", "n": None},
]
_JSON_LINES = "\n".join(map(json.dumps, _ROWS)) + "\n"


def _findings(text: str) -> object:
    example = Example("1", _TEXT, "#1", target=[(0, 4, "PER")])
    tasks = (Extract(Generate("{text}")), Extract(Generate("{text}"), read="lines", label="PER"))
    for task in tasks:
        found = in_text(example, task.findings(example, text))
        EntityScore(match="overlap", labels=("PER",)).statistics(example, found)
    return None


def _tags(text: str) -> object:
    tags = text.split("\n")
    spans_of(tags, stray="begin")
    score = EntityScore(labels=("PER",))
    return score.statistics(Example("1", "", "#1", target=tags), tags)


def _outputs(path: Path) -> object:
    """Predictions beside targets, as a test reads them from a file of its own."""
    try:
        given = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    predictions = as_predictions(given.get("predictions")) if isinstance(given, dict) else None
    return None if predictions is None else paired(predictions, given.get("data"))


def _exports() -> list[bytes]:
    theirs = json.loads((Path(__file__).parents[1] / "rating" / "data" / "label_studio.json").read_bytes())
    tasks = tasks_of(PAIRS)[:3]
    for task, results in zip(tasks, theirs["pairs"], strict=True):
        task["annotations"] = [{"id": 1, "completed_by": {"email": "a@b"}, "result": results, "created_at": "2026"}]
    return [json.dumps(tasks).encode()]


def _ratings_exports() -> list[bytes]:
    theirs = json.loads((Path(__file__).parents[1] / "rating" / "data" / "label_studio.json").read_bytes())
    tasks = tasks_of(SCORED)[:2]
    for task, results in zip(tasks, theirs["ratings"], strict=False):
        task["annotations"] = [{"id": 1, "completed_by": 7, "result": results, "created_at": "2026"}]
    return [json.dumps(tasks).encode()]


PARSERS: dict[str, Parser] = {
    "gguf": Parser(check_gguf, lambda: [_gguf()], "tiny.gguf"),
    "safetensors_head": Parser(lambda path: list(heads(path.parent)), lambda: [_tensors()], "model.safetensors"),
    "safetensors_index": Parser(
        lambda path: sorted(shards(path.parent)),
        texts('{"metadata": {"total_size": 1}, "weight_map": {"wte.weight": "model-1-of-1.safetensors"}}'),
        INDEX,
    ),
    "checkpoint_config": Parser(
        _checked_folder,
        lambda: [_config(), _config(model_type=weights.MODEL_TYPE)],
        "config.json",
        beside=_checkpoint,
    ),
    "model_of_ours": Parser(_folder_of_ours, lambda: [_ours()["config.json"]], "config.json", beside=_ours),
    "embedding_recipe": Parser(
        lambda path: recipe_of(str(path.parent)),
        texts(
            '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},'
            '{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]'
        ),
        "modules.json",
        beside=lambda: {
            "1_Pooling/config.json": b'{"word_embedding_dimension": 4, "pooling_mode_mean_tokens": true}',
            "sentence_bert_config.json": b'{"max_seq_length": 256}',
        },
    ),
    "embedding_pooling": Parser(
        lambda path: recipe_of(str(path.parent.parent)),
        texts('{"word_embedding_dimension": 4, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}'),
        "1_Pooling/config.json",
        names_file=False,
        beside=lambda: {"modules.json": b'[{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]'},
    ),
    "json_lines": Parser(load_examples, texts(_JSON_LINES), "data.jsonl"),
    "csv": Parser(load_examples, texts("id,text,target\na,one two,eins\nb,\"thr\n\"\"ee\"\"\",drei\n"), "data.csv"),
    "parquet": Parser(
        load_examples,
        lambda: [_parquet(_ROWS), _parquet(_ROWS, compression="none", use_dictionary=False)],
        "data.parquet",
    ),
    "plain_text": Parser(load_examples, texts("One document.\nIts second line.", "\ufeffÜber\r\n"), "data.txt"),
    "hub_address": Parser(
        of_text(parse_address), texts("hf://datasets/wmt/wmt14@b199e406/de-en#test", "hf://datasets/a/b#c"), names_file=False
    ),
    "lm_eval": Parser(
        _imported,
        lambda: [_first_lines(path.name) for path in sorted(_LOGS.glob("samples_*.jsonl"))],
        f"samples_radio_{_DATE}.jsonl",
        beside=lambda: {f"results_{_DATE}.json": (_LOGS / f"results_{_DATE}.json").read_bytes()},
    ),
    "lm_eval_results": Parser(
        lambda path: _imported(path.with_name(f"samples_radio_{_DATE}.jsonl")),
        lambda: [(_LOGS / f"results_{_DATE}.json").read_bytes()],
        f"results_{_DATE}.json",
        beside=lambda: {f"samples_radio_{_DATE}.jsonl": _first_lines(f"samples_radio_{_DATE}.jsonl")},
        names_file=False,
    ),
    "lighteval": Parser(
        _imported, lambda: [path.read_bytes() for path in _LIGHTEVAL.glob("*.parquet")], f"details_task|0_{_DATE}.parquet"
    ),
    "lighteval_rows": Parser(_read_parquet_of, _lighteval_rows, "rows.json", names_file=False),
    "inspect_json": Parser(_imported, _inspect_samples, "log.json"),
    "inspect_archive": Parser(_imported, _archives, "log.eval"),
    "label_studio": Parser(lambda path: read_export(path, PAIRS), _exports, "export.json"),
    "label_studio_ratings": Parser(lambda path: read_export(path, SCORED), _ratings_exports, "export.json"),
    "predictions": Parser(
        _outputs, texts('{"predictions": ["a", "b"], "data": [{"text": "x", "target": "a"}, {"text": "y", "target": "c"}]}',
                        '{"predictions": [[0.1, 0.9]], "data": [1]}'), names_file=False,
    ),
    "findings_in_output": Parser(
        of_text(_findings),
        texts('Sure: {"PER": ["Anna", "Alexei"], "LOC": ["Moscow"]}', '[{"text": "Anna", "label": "PER"}]', "Anna\nOslo"),
        names_file=False,
    ),
    "tags": Parser(of_text(_tags), texts("B-PER\nI-PER\nO\nB-PER\nB-PER"), names_file=False),
}  # fmt: skip
