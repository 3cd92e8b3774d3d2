"""`pytest-llm baseline import`: make a baseline of what another harness has stored of a run."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from pytest_llm.command.main import DONE
from pytest_llm.data.loading import Columns
from pytest_llm.errors import MisuseError

HELP = "make a baseline of what another harness has stored of a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="samples_….jsonl of lm-evaluation-harness, details_….parquet of lighteval, a log of Inspect (.eval, .json)",
    )
    parser.add_argument("--metric", metavar="M", help="which of its metrics, by the name here; default: the only one")
    parser.add_argument("--filter", metavar="NAME", help="of several filters, or scorers, the one to read")
    parser.add_argument(
        "--out", metavar="PATH", type=Path, help="the baseline's .json; default: ./<FILE>.<metric>.json"
    )
    parser.add_argument("--force", action="store_true", help="replace a baseline that is there")
    for column in fields(Columns):
        explained = f"the column of the rows that holds the {column.name}; default: {column.default}"
        parser.add_argument(f"--{column.name}", metavar="COLUMN", default=column.default, help=explained)


def run(options: argparse.Namespace) -> int:
    """Write a baseline that `assert_no_regression(…, baseline=Path(…))` takes."""
    from pytest_llm.baselines.files import write
    from pytest_llm.baselines.importing.reading import import_baseline
    from pytest_llm.wording import number

    columns = Columns(**{column.name: getattr(options, column.name) for column in fields(Columns)})
    made = import_baseline(options.file, options.metric, chosen=options.filter, columns=columns)
    path = options.out or Path(f"{options.file.stem}.{made.metric}.json")
    if path.suffix != ".json":
        raise MisuseError(f"--out {path}: a baseline is a .json file, with an .npz beside it")
    if path.exists() and not options.force:
        raise MisuseError(f"{path} is there already: --force replaces it, --out writes elsewhere")
    write(path, made)
    print(f"{path}: {made.metric} {number(made.value)} of {len(made.ids)} examples")
    print(f"  from    {made.source}")
    print(f"  model   {made.provenance}")
    print(f"  to use  assert_no_regression(model, rows, {made.metric!r}, baseline=Path({str(path)!r}))")
    return DONE
