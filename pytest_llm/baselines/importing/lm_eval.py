"""`samples_<task>_<date>.jsonl`, which lm-evaluation-harness writes with `--log_samples`, as its version 0.4.13 does.

One line a document and filter: `doc` (the row), `target`, `arguments` (prompt and continuation of each request), `filtered_resps`,
`filter`, `metrics` and, under their names, what these make of the document. Version, dtype and model stand in
`results_<date>.json` beside it; without that they are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytest_llm.baselines.importing.bounded import json_lines, json_object, numbers, refuse_too_large, taken, text_of
from pytest_llm.baselines.importing.log import Answer, Log
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.multiple_choice import ChoiceScores

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)")


def read(path: Path, chosen: str | None = None) -> Log:
    """One filter's answers.

    Args:
        path: the samples.
        chosen: which filter; None: the only one.

    Raises:
        MisuseError: no such file, or filter; several filters and none chosen.
    """
    samples = list(json_lines(path))
    filters = list(dict.fromkeys(taken(place, sample, "filter", str) for place, sample in samples))
    if chosen is None and len(filters) > 1:
        raise MisuseError(
            f"{path.name} holds what {len(filters)} filters made of it: choose one of {', '.join(filters)}"
        )
    chosen = filters[0] if chosen is None and filters else chosen
    if chosen not in filters:
        raise MisuseError(f"{path.name} has no filter {chosen!r}; it has {', '.join(filters) or 'no sample at all'}")
    kept = [(place, sample) for place, sample in samples if sample["filter"] == chosen]
    named = _NAME.fullmatch(path.stem)
    results = _results(path, named)
    task = named["task"] if named else path.stem
    config = results.get("configs", {}).get(task, {}) if isinstance(results.get("configs"), dict) else {}
    delimiter = config["target_delimiter"] if text_of(config, "target_delimiter") else " "
    answers, other = _answers(kept, delimiter)
    version = text_of(results, "lm_eval_version") or "of unknown version"
    return Log(
        f"lm-eval {version}, task {task}, filter {chosen}",
        answers,
        other,
        text_of(results, "model_name"),
        text_of(results, "config", "model_dtype").removeprefix("torch."),
        text_of(results, "config", "device"),
        named["date"][:10] if named else "",
    )


def _results(path: Path, named: re.Match[str] | None) -> dict[str, Any]:
    beside = path.with_name(f"results_{named['date']}.json") if named else None
    if beside is None or not beside.is_file():
        return {}
    refuse_too_large(beside)
    return json_object(beside.name, beside.read_bytes())


def _answers(
    samples: Sequence[tuple[str, dict[str, Any]]], delimiter: str
) -> tuple[dict[str, tuple[Answer, ...]], tuple[str, ...]]:
    of_all = [taken(place, sample, "metrics", list) for place, sample in samples]
    names = [name for name in of_all[0] if isinstance(name, str) and all(name in metrics for metrics in of_all)]
    answers = {}
    for name in names:
        make = _READERS.get(name)
        if make is not None and all(_fits(name, sample) for _, sample in samples):
            answers[name] = tuple(make(place, sample, name, delimiter) for place, sample in samples)
    return answers, tuple(name for name in names if name not in answers)


def _fits(name: str, sample: dict[str, Any]) -> bool:
    """Whether a metric that several kinds of task have is here about what ours is about."""
    requests = len(sample["filtered_resps"]) if isinstance(sample.get("filtered_resps"), list) else 0
    if name == "acc":
        return requests > 1  # with one it says whether the continuation is the most probable one
    return requests == 1 if name == "exact_match" else True


def _choice(place: str, sample: dict[str, Any], name: str, delimiter: str) -> Answer:
    requests = _requests(place, sample)
    if len({prompt for prompt, _ in requests}) > 1:
        raise MisuseError(f"{place}: each choice has a prompt of its own, which no task of ours has")
    if not all(isinstance(continuation, str) and continuation for _, continuation in requests):
        raise MisuseError(f"{place}: expected a continuation for each choice")
    given = taken(place, sample, "filtered_resps", list)
    scores = numbers(place, [one[0] if isinstance(one, list) and one else one for one in given])
    if len(scores) != len(requests):
        raise MisuseError(f"{place}: {len(scores)} log-likelihoods for {len(requests)} choices")
    target = taken(place, sample, "target", str)
    return Answer(
        name=place,
        row=_row(place, sample),
        output=ChoiceScores.of(scores, [continuation.removeprefix(delimiter) for _, continuation in requests]),
        target=int(target) if target.isdecimal() and len(target) < 10 else target,
        prompt=requests[0][0],
        score=_score(place, sample, name),
    )


def _written(place: str, sample: dict[str, Any], name: str, delimiter: str) -> Answer:
    (output,) = taken(place, sample, "filtered_resps", list)
    return Answer(
        name=place,
        row=_row(place, sample),
        output=output,
        target=taken(place, sample, "target", str),
        prompt=_requests(place, sample)[0][0],
        score=_score(place, sample, name),
    )


def _compared(place: str, sample: dict[str, Any], name: str, delimiter: str) -> Answer:
    """Of a metric of the whole corpus, the sample holds the reference and what was written."""
    pair = taken(place, sample, name, list)
    if len(pair) != 2:
        raise MisuseError(f"{place}: {name!r} is {pair!r:.60}; expected reference and output")
    prompt = _requests(place, sample)[0][0]
    return Answer(name=place, row=_row(place, sample), output=pair[1], target=pair[0], prompt=prompt)


def _surprise(place: str, sample: dict[str, Any], name: str, delimiter: str) -> Answer:
    """(log-likelihood, words or bytes) of the whole text."""
    pair = numbers(place, taken(place, sample, name, list))
    if len(pair) != 2 or not pair[1] > 0:
        raise MisuseError(f"{place}: {name!r} is {pair!r}; expected a log-likelihood and a number of words or bytes")
    per_unit = -pair[0] / pair[1]
    score = per_unit / np.log(2) if name == "bits_per_byte" else np.exp(min(per_unit, 700.0))
    text = _requests(place, sample)[0][0]
    return Answer(name=place, row=_row(place, sample), output=np.array([pair[0]]), text=text, score=float(score))


_READERS: dict[str, Callable[[str, dict[str, Any], str, str], Answer]] = {
    **dict.fromkeys(("acc", "acc_norm", "acc_bytes"), _choice),
    **dict.fromkeys(("word_perplexity", "byte_perplexity", "bits_per_byte"), _surprise),
    **dict.fromkeys(("bleu", "chrf", "ter"), _compared),
    "exact_match": _written,
}


def _row(place: str, sample: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = taken(place, sample, "doc", dict)
    return row


def _requests(place: str, sample: dict[str, Any]) -> list[tuple[str, Any]]:
    """Prompt and continuation (or settings) of each request, in order."""
    arguments = taken(place, sample, "arguments", dict)
    found = []
    for number in range(len(arguments)):
        request = taken(place, arguments, f"gen_args_{number}", dict)
        found.append((taken(place, request, "arg_0", str), request.get("arg_1")))
    if not found:
        raise MisuseError(f"{place} holds no request")
    return found


def _score(place: str, sample: dict[str, Any], name: str) -> float:
    return numbers(place, [sample.get(name)])[0]
