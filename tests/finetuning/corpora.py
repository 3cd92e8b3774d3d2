"""Shipped rows for fine-tuning, cut short, and split by cluster: no page is on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from pytest_llm import embedded, load_examples

Rows = list[dict[str, Any]]


def split(name: str, labels: Sequence[str], *, words: int = 12, held_out: int = 3) -> tuple[Rows, Rows]:
    """Rows to train on, and rows that are held out, cut to so many words."""
    rows = [
        {
            "id": example.id,
            "text": " ".join(example.text.split()[:words]),
            "target": example.target,
            "cluster": example.cluster,
        }
        for example in load_examples(embedded(f"data/{name}.jsonl"))
        if example.target in labels
    ]
    return by_cluster(rows, held_out=held_out)


def by_cluster(rows: Rows, *, held_out: int) -> tuple[Rows, Rows]:
    """All rows of a cluster on one side; one of so many clusters is held out."""
    clusters = sorted({row["cluster"] for row in rows}, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    outside = set(clusters[::held_out])
    return [row for row in rows if row["cluster"] not in outside], [row for row in rows if row["cluster"] in outside]
