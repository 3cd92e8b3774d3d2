"""Any of the files that are known, by what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_llm.baselines.baseline import Baseline
from pytest_llm.baselines.importing import inspect_ai, lighteval, lm_eval
from pytest_llm.baselines.importing.conversion import as_baseline
from pytest_llm.baselines.importing.log import Log
from pytest_llm.data.loading import Columns
from pytest_llm.errors import MisuseError

Reader = Callable[[Path, str | None], Log]
READERS: dict[str, Reader] = {
    ".jsonl": lm_eval.read,
    ".parquet": lighteval.read,
    ".eval": inspect_ai.read,
    ".json": inspect_ai.read,
}


def import_baseline(
    path: Path, metric: str | None = None, *, chosen: str | None = None, columns: Columns | None = None
) -> Baseline:
    """What another harness has stored of a run, as a baseline.

    Args:
        path: `samples_….jsonl` of lm-evaluation-harness, `details_….parquet` of lighteval, or a log of Inspect
            (`.eval` or `.json`).
        metric: which of its metrics; None: the only one.
        chosen: of several filters (lm-evaluation-harness) or scorers (Inspect) the one to read.
        columns: where the rows hold text, id, target and cluster; see `load_examples`.

    Raises:
        MisuseError: a file that is none of these, is damaged, or holds no metric that means what ours means.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise MisuseError(
            f"{path.name}: {path.suffix!r} is no kind of log that can be imported; there are samples_….jsonl "
            f"(lm-evaluation-harness), details_….parquet (lighteval), .eval and .json (Inspect)"
        )
    return as_baseline(reader(path, chosen), path.name, metric, columns or Columns())
