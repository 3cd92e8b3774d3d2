"""What files that people write say, by readers that have nothing of ours: the other opinion of the suite of mutations."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_llm.tiers import USUAL

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def toml_says(content: bytes, original: bytes = b"") -> object:
    return tomllib.loads(content.decode("utf-8"))


def jsonl_says(content: bytes, original: bytes = b"") -> object:
    return _ratings(json.loads(line) for line in content.decode("utf-8-sig").split("\n") if line.strip())


def csv_says(content: bytes, original: bytes = b"") -> object:
    return _ratings(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def _ratings(rows: Iterable[Mapping[str, Any]]) -> object:
    """Of each rater and item the score with the highest revision."""
    latest: dict[tuple[str, str], tuple[float, float]] = {}
    for row in rows:
        key, revision = (str(row["rater"]).strip(), str(row["item"]).strip()), float(row.get("revision") or 0)
        latest[key] = max(latest.get(key, (-1.0, 0.0)), (revision, float(row["score"])))
    return sorted((rater, item, score) for (rater, item), (_, score) in latest.items())


def tiers_say(content: bytes, original: bytes = b"") -> object:
    """An ini key without a line is one that nobody set."""
    if not content.strip():
        return tiers_say("\n".join(USUAL).encode())
    tiers = []
    for line in re.split("\n", content.decode("utf-8")):
        if not line.strip():
            continue
        name, _, rest = line.partition(":")
        given = dict(re.findall(r"(\w+)\s*=\s*([^,]*?)\s*(?:,|$)", rest.strip()))
        limit, budget = given.get("limit"), given.get("budget")
        size = None if limit in (None, "all") else float(limit[:-1]) / 100 if limit.endswith("%") else int(limit)
        seconds = None if budget is None else float(budget.rstrip("smin ")) * (60 if budget.endswith("min") else 1)
        tiers.append((name.strip(), size, given.get("stop", "off"), seconds))
    return tiers


def corpus_says(content: bytes, original: bytes) -> object:
    """Lines may go, and states be edited; nothing else."""
    rows, known = (
        [json.loads(line) for line in text.decode().split("\n") if line.strip()] for text in (content, original)
    )
    if not rows or any({**row, "state": ""} not in [{**one, "state": ""} for one in known] for row in rows):
        raise ValueError("it was changed elsewhere")
    return {row["id"]: row for row in rows}


def answers_say(content: bytes, original: bytes) -> object:
    """Lines may go, and come in another order; what is left is as it was."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _untouched(content, original):
        key = row["rater"], row["item"]
        if key not in latest or row.get("revision", 0) > latest[key].get("revision", 0):
            latest[key] = {name: value for name, value in row.items() if name != "checksum"}
    return sorted(latest.values(), key=str)


def preferences_say(content: bytes, original: bytes) -> object:
    latest: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in _untouched(content, original):
        key = row["rater"], row["item"], row["first"], row["second"]
        if key not in latest or row.get("revision", 0) > latest[key].get("revision", 0):
            latest[key] = row
    return sorted((*key, row["preferred"]) for key, row in latest.items() if "preferred" in row)


def _untouched(content: bytes, original: bytes) -> list[dict[str, Any]]:
    rows, known = (
        [json.loads(line) for line in text.decode().split("\n") if line.strip()] for text in (content, original)
    )
    if any(row not in known for row in rows):
        raise ValueError("an answer was changed")
    return rows
