"""Which baselines a session wrote: each with its value before and after, for a reader who is about to commit them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from pytest_llm.reports.properties import WRITTEN
from pytest_llm.wording import counted, number


def written_lines(
    reports: Iterable[tuple[str, Iterable[tuple[str, object]]]], root: Path, failed: Collection[str] = ()
) -> Iterator[str]:
    """A table: metric, before, after, what changed, file; nothing where none was written.

    Args:
        reports: pairs of a test's id and its report's user properties, from whichever xdist worker.
        root: what files are named from.
        failed: files, as they are named from there, that could not be written.
    """
    told = [json.loads(str(value)) for _, properties in reports for name, value in properties if name == WRITTEN]
    rows = [("metric", "before", "after", "change", "file")]
    for one in sorted(told, key=lambda one: str(one["file"])):
        before = "–" if one["before"] is None else number(one["before"])
        file = os.path.relpath(one["file"], root)
        if file not in failed:
            rows.append((one["metric"], before, number(one["after"]), one["change"], file.replace(os.sep, "/")))
    if len(rows) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield f"{counted(len(rows) - 1, 'baseline')} written:"
    for metric, before, after, change, file in rows:
        yield f"  {metric:<{widths[0]}}  {before:>{widths[1]}}  {after:>{widths[2]}}  {change:<{widths[3]}}  {file}"
