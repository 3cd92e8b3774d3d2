"""`--llm-mlflow URI`: a session as a run of MLflow, in the experiment "pytest-llm" or that of MLFLOW_EXPERIMENT_NAME.

    metrics     <metric>/<test>, and behind it .low, .high, .limit, .seconds
    params      model, precision, commit, versions
    tags        the verdict of each gate, under the name of its metric; `verdict` of the session
    artifacts   the run record, if there is one

Names have the characters that MLflow allows: "::" becomes "/", what else it refuses "_".
"""

from __future__ import annotations

import math
import os
import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from pytest_llm.errors import MisuseError
from pytest_llm.reports.rows import Row

if TYPE_CHECKING:
    from mlflow import MlflowClient

Item = TypeVar("Item")

EXPERIMENT = "pytest-llm"
_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "file", "databricks")
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # by itself it waits for minutes for a server that is down
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""Of the environment, where the user has set nothing else; MLflow reads them when it is imported."""
_LONGEST_NAME = 250
_LONGEST_PARAM = 500
_AT_ONCE = 100
"""So many params or tags, and more metrics, MLflow takes in one call."""


class MlflowReporter:
    """Sends a session to a tracking server or store.

    Args:
        target: its tracking URI, such as "sqlite:///mlflow.db" or "https://mlflow.example.org".

    Raises:
        MisuseError: no such URI; or MLflow is not installed.
    """

    def __init__(self, target: str) -> None:
        scheme = urlsplit(target).scheme.partition("+")[0]
        if scheme not in _SCHEMES:
            raise MisuseError(f"{target!r} is no tracking URI of MLflow; it begins with one of {', '.join(_SCHEMES)}")
        if find_spec("mlflow") is None:
            raise MisuseError("it needs the extra: pip install 'pytest-llm-regression[mlflow]'")
        self.target = target
        self.run: Mapping[str, str] = {}
        self.rows: list[Row] = []

    def begin(self, run: Mapping[str, str]) -> None:
        self.run = run

    def report(self, row: Row) -> None:
        self.rows.append(row)

    def end(self, record: Path | None) -> None:
        """Everything at once, when all of it is known."""
        with _quietly():
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=self.target)
            sent = client.create_run(_experiment(client, self.target), run_name=f"pytest {self.run['date'][:19]}")
            self._log(client, sent.info.run_id)
            if record is not None:
                client.log_artifact(sent.info.run_id, str(record))
            client.set_terminated(sent.info.run_id)

    def _log(self, client: MlflowClient, run_id: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in metrics_of(self.rows).items()]
        params = [Param(name, value[:_LONGEST_PARAM]) for name, value in params_of(self.rows, self.run).items()]
        tags = [RunTag(name, value) for name, value in tags_of(self.rows).items()]
        for part in _parts(metrics):
            client.log_batch(run_id, metrics=part)
        for some in _parts(params):
            client.log_batch(run_id, params=some)
        for few in _parts(tags):
            client.log_batch(run_id, tags=few)


def metrics_of(rows: Sequence[Row]) -> dict[str, float]:
    """What is sent of each gate's numbers."""
    sent: dict[str, float] = {}
    for name, row in names_of(rows).items():
        figures, seconds = row.figures, None if row.effort is None else row.effort.seconds
        numbers = {"low": figures.low, "high": figures.high, "limit": figures.limit, "seconds": seconds}
        sent[name] = figures.value
        sent |= {f"{name}.{part}": number for part, number in numbers.items() if number is not None}
    return {name: number for name, number in sent.items() if not math.isinf(number)}  # which MLflow makes finite


def params_of(rows: Sequence[Row], run: Mapping[str, str]) -> dict[str, str]:
    """With what was measured."""
    models = {"model": (row.model for row in rows), "precision": (row.device for row in rows)}
    of_models = {name: ", ".join(dict.fromkeys(filter(None, said))) for name, said in models.items()}
    return {name: value for name, value in {**of_models, **run}.items() if value and name != "date"}


def tags_of(rows: Sequence[Row]) -> dict[str, str]:
    """How each gate ended, and all together."""
    together = "passed" if all(row.passed for row in rows) else "failed"
    return {**{name: row.verdict for name, row in names_of(rows).items()}, "verdict": together}


def names_of(rows: Iterable[Row]) -> dict[str, Row]:
    """Each gate under a name of its own; of a test that holds a metric more than once, the later ones are numbered."""
    named: dict[str, Row] = {}
    for row in rows:
        name = base = _allowed(f"{row.metric}/{row.test}")
        count = 1
        while name in named:
            count += 1
            name = f"{base}.{count}"
        named[name] = row
    return named


def _allowed(name: str) -> str:
    """As MLflow takes it: of long names the end is a digest. No segment is "." or ".."."""
    clean = re.sub(r"[^\w\-./ ]", "_", name.replace("::", "/"))
    clean = re.sub(r"(?<![^/])\.{1,2}(?![^/])|//+", "_", clean).strip("/")
    most = _LONGEST_NAME - len(".seconds.99")
    if len(clean) <= most:
        return clean
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{clean[: most - len(digest) - 1]}-{digest}"


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[place : place + _AT_ONCE] for place in range(0, len(items), _AT_ONCE))


def _experiment(client: MlflowClient, target: str) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name, _artifacts(target)) if found is None else found.experiment_id)


def _artifacts(target: str) -> str | None:
    """Where artifacts are kept: beside the file of SQLite, rather than where the tests happen to run; else as MLflow decides."""
    if not target.startswith("sqlite"):
        return None
    file = Path(target.partition(":///")[2].partition("?")[0])
    return (file.absolute().parent / "mlruns").as_uri()


@contextmanager
def _quietly() -> Iterator[None]:
    """MLflow's own warnings and progress are not the user's, and it tells nobody that it was used."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
