"""`details_<task>|<shots>_<date>.parquet`, which lighteval writes with `--save-details`, as its version 0.13.0 does.

A row a document, with three structs: `doc` (query, choices, gold_index), `model_response` (text, logprobs), `metric`. A task that
both writes and chooses has its documents twice, each time with the metrics of one way. The row that a task made its query of
is not kept, so the text is the query, or what stands in it between "Question: " and "\\nAnswer:", our own default prompt. What
the model read is known only where `model_response` has it as a text (`input`). The model's name and dtype stand in
`results_<date>.json`; lighteval's version nowhere.

Its `chrf` and `ter` are not read: 0.13.0 compares the first output with the references of all documents, and no other output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_llm.baselines.importing.bounded import (
    LARGEST_FILE,
    json_object,
    numbers,
    refuse_too_large,
    taken,
    text_of,
)
from pytest_llm.baselines.importing.log import Answer, Log
from pytest_llm.data import parquet
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.multiple_choice import ChoiceScores

_NAME = re.compile(r"details_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)")
_QUESTION = re.compile(r"Question: (.*)\nAnswer:", re.DOTALL)
_COLUMNS = ["doc", "metric", "model_response"]

Row = Mapping[str, Any]


def read(path: Path, chosen: str | None = None) -> Log:
    """The answers of one task.

    Args:
        path: the details.
        chosen: nothing; there are no filters.

    Raises:
        MisuseError: no such file, or one that lighteval did not write.
    """
    if chosen is not None:
        raise MisuseError(f"--filter {chosen}: a log of lighteval has no filters")
    rows = [(f"{path.name}, row {number}", row) for number, row in enumerate(_rows(path), 1)]
    if not rows:
        raise MisuseError(f"{path.name} holds no document")
    named = _NAME.fullmatch(path.stem)
    config = _config(path, named)
    answers, other = _answers(rows)
    return Log(
        f"lighteval, task {named['task'] if named else path.stem}",
        answers,
        other,
        text_of(config, "model_name"),
        text_of(config, "dtype").removeprefix("torch."),
        text_of(config, "device"),
        named["date"][:10] if named else "",
    )


def _rows(path: Path) -> list[Row]:
    refuse_too_large(path)
    return list(parquet.rows(path, _COLUMNS, LARGEST_FILE))


def _config(path: Path, named: re.Match[str] | None) -> dict[str, Any]:
    """The model's settings, if the results are where lighteval puts them, or beside the details."""
    for results in _places(path, f"results_{named['date']}.json") if named else ():
        if results.is_file():
            refuse_too_large(results)
            general = json_object(results.name, results.read_bytes()).get("config_general")
            config = general.get("model_config") if isinstance(general, dict) else None
            return config if isinstance(config, dict) else {}
    return {}


def _places(path: Path, name: str) -> Iterator[Path]:
    """Details lie in `details/<model>/<date>/`, results in `results/<model>/`; a model's name may hold a slash."""
    yield path.with_name(name)
    of_model = path.resolve().parent.parent
    for folder in of_model.parents:
        if folder.name == "details":
            yield folder.parent / "results" / of_model.relative_to(folder) / name


def _answers(rows: Sequence[tuple[str, Row]]) -> tuple[dict[str, tuple[Answer, ...]], tuple[str, ...]]:
    scored = [(place, row, taken(place, row, "metric", dict)) for place, row in rows]
    names = list(dict.fromkeys(name for _, _, metrics in scored for name in metrics))
    answers = {}
    for name in names:
        if name in _READERS:
            ours, make = _READERS[name]
            with_it = [(place, row) for place, row, metrics in scored if metrics[name] is not None]
            _refuse_gaps(name, with_it, rows)
            answers[ours] = tuple(make(place, row, name) for place, row in with_it)
    return answers, tuple(_FLAWED.get(name, name) for name in names if name not in _READERS)


def _refuse_gaps(name: str, with_it: Sequence[tuple[str, Row]], rows: Sequence[tuple[str, Row]]) -> None:
    """Rows without a metric are those of another way to ask, so each document has to be there with it too."""
    there = {_query(place, row) for place, row in with_it}
    for place, row in rows:
        if _query(place, row) not in there:
            raise MisuseError(f"{place}: the document has no {name!r}, which others have")


def _choice(place: str, row: Row, name: str) -> Answer:
    choices = [choice.removeprefix(" ") for choice in _choices(place, row)]
    given = numbers(place, taken(place, taken(place, row, "model_response", dict), "logprobs", list))
    if len(given) != len(choices) or len(choices) < 2:
        raise MisuseError(f"{place}: {len(given)} log-likelihoods for {len(choices)} choices")
    right = _right(place, row)
    return Answer(
        name=place,
        row={},
        output=ChoiceScores.of(given, choices),
        target=right[0] if len(right) == 1 else right,
        text=_text(place, row),
        prompt=_prompt(row),
        score=_score(place, row, name),
    )


def _written(place: str, row: Row, name: str) -> Answer:
    choices, response = _choices(place, row), taken(place, row, "model_response", dict)
    is_cleaned = response.get("text_post_processed") is not None
    written = taken(place, response, "text_post_processed" if is_cleaned else "text", list)
    if len(written) != 1 or not isinstance(written[0], str):
        raise MisuseError(f"{place}: {len(written)} outputs; a baseline holds one of each example")
    golds = [choices[index] for index in _right(place, row)]
    of_corpus = isinstance(row["metric"][name], dict)
    if of_corpus:  # then a document has no score, and lighteval compares with its first reference only
        golds = golds[:1]
    return Answer(
        name=place,
        row={},
        output=written[0],
        target=golds[0] if len(golds) == 1 else golds,
        text=_text(place, row),
        prompt=_prompt(row),
        score=None if of_corpus else _score(place, row, name),
    )


def _surprise(place: str, row: Row, name: str) -> Answer:
    sums = taken(place, row["metric"], name, dict)
    nats, units = numbers(place, [sums.get("logprobs"), sums.get("weights")])
    if not units > 0:
        raise MisuseError(f"{place}: {name!r} counts {units} words or bytes")
    per_unit = -nats / units
    score = per_unit / np.log(2) if name == "bits_per_byte" else np.exp(min(per_unit, 700.0))
    text = text_of(row, "doc", "original_query") or _query(place, row)  # as lighteval counts
    return Answer(name=place, row={}, output=np.array([nats]), text=text, score=float(score))


_READERS: dict[str, tuple[str, Callable[[str, Row, str], Answer]]] = {
    "acc": ("acc", _choice),
    "em": ("exact_match", _written),
    "bleu": ("bleu", _written),
    **{name: (name, _surprise) for name in ("word_perplexity", "byte_perplexity", "bits_per_byte")},
}
_FLAWED = {name: f"{name} (of the first output only)" for name in ("chrf", "chrf++", "ter")}


def _query(place: str, row: Row) -> str:
    query: str = taken(place, taken(place, row, "doc", dict), "query", str)
    return query


def _prompt(row: Row) -> str | None:
    return text_of(row, "model_response", "input") or None


def _text(place: str, row: Row) -> str:
    found = _QUESTION.fullmatch(_query(place, row))
    return found[1] if found else _query(place, row)


def _choices(place: str, row: Row) -> list[str]:
    choices = taken(place, row["doc"], "choices", list)
    if not all(isinstance(choice, str) for choice in choices):
        raise MisuseError(f"{place}: the choices are {choices!r:.60}; expected texts")
    return list(choices)


def _right(place: str, row: Row) -> list[int]:
    given = taken(place, row["doc"], "gold_index", (int, list))
    right = given if isinstance(given, list) else [given]
    if not right or not all(isinstance(index, int) and 0 <= index < len(row["doc"]["choices"]) for index in right):
        raise MisuseError(f"{place}: gold_index is {given!r}, of {len(row['doc']['choices'])} choices")
    return right


def _score(place: str, row: Row, name: str) -> float:
    return numbers(place, [row["metric"][name]])[0]
