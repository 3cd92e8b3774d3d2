"""Sides of a comparison: each run is a fresh process, the sides take turns, and all must have computed the same.

A side is a piece of Python that defines `run()`, which returns what it computed. Peers live in `.venv-peers`, which is made on
first use; PIP_CONSTRAINT is passed on, so that all sides have the same torch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_llm.models.loading import Dtype
    from pytest_llm.models.transformers_model import TransformersModel

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv-peers"
PACKAGES = ["lm-eval>=0.4.13", "transformers", "gguf", "accelerate", "torchmetrics"]

PREAMBLE = """
import json, os, resource, sys, time, warnings
warnings.simplefilter("ignore")
given = json.load(open(sys.argv[1]))

def ours():
    import pytest_llm
    return pytest_llm.load_model(given["gguf"], device=given["device"], dtype=given["dtype"])

def theirs():
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    folder, name = os.path.split(given["gguf"])
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    dtype = getattr(torch, given["dtype"])
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype)
    return model.eval().to(given["device"]), tokenizer

def harness(batch_size):
    from lm_eval.models.huggingface import HFLM
    model, tokenizer = theirs()
    return HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, dtype=given["dtype"])
"""

FINISH = """
if given["device"] != "cpu":  # the first run on a GPU loads kernels, and ours holds them against plain ones
    run()
    import torch
    torch.cuda.reset_peak_memory_stats()
began = time.perf_counter()
computed = run()
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
if given["device"] != "cpu":
    peak = torch.cuda.max_memory_allocated() / 2**20
print("RESULT", json.dumps({"seconds": seconds, "peak": peak, "computed": computed}))
"""


@dataclass(frozen=True)
class Side:
    """One of those that are compared."""

    name: str
    code: str
    peer: bool = False
    """Runs in the peers' environment."""
    slow: bool = False
    """Run once, not in every round."""


@dataclass(frozen=True)
class Run:
    """What one process reported.

    Seconds are of the work alone, after loading; the peak is the whole process's, or of a GPU's memory, in MiB.
    """

    seconds: float
    peak: float
    computed: Any


def interleaved(sides: Sequence[Side], given: Mapping[str, Any], rounds: int) -> dict[str, list[Run]]:
    """Run all sides in turn, `rounds` times; slow ones in the first round only."""
    runs: dict[str, list[Run]] = {side.name: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "given.json")
        path.write_text(json.dumps(dict(given)))
        for number in range(rounds):
            for side in sides:
                if number == 0 or not side.slow:
                    runs[side.name].append(_run(side, path))
                    print(f"  round {number + 1}  {side.name}: {runs[side.name][-1].seconds:.1f} s", file=sys.stderr)
    return runs


def require_same(runs: Mapping[str, Sequence[Run]], reference: str, same: Callable[[Any, Any], str | None]) -> None:
    """End the benchmark unless `same` finds no complaint about what any run computed, compared with the reference's."""
    expected = runs[reference][0].computed
    for name, of_side in runs.items():
        for run in of_side:
            if complaint := same(run.computed, expected):
                raise SystemExit(f"{name} computed something else than {reference}: {complaint}")


def report(title: str, runs: Mapping[str, Sequence[Run]]) -> None:
    """One line a side: median seconds, the ratio to our own of the same round, and the peak of memory."""
    print(title)
    ours = next(iter(runs.values()))
    for name, of_side in runs.items():
        seconds = statistics.median(run.seconds for run in of_side)
        ratio = statistics.median(run.seconds / own.seconds for run, own in zip(of_side, ours, strict=False))
        peak = statistics.median(run.peak for run in of_side)
        print(f"{name:>32}  {seconds:6.1f} s  {ratio:5.2f} × ours  peak {peak:6.0f} MiB  ({len(of_side)} runs)")


def parser(description: str) -> argparse.ArgumentParser:
    """What all comparisons can be told."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    made.add_argument("--device", default="cpu")
    made.add_argument("--rounds", type=int, default=3)
    return made


def smollm2() -> str:
    """The GGUF file that all sides load."""
    from pytest_llm.models.sources import smollm2_file

    return str(smollm2_file())


def load_smollm2(dtype: Dtype = "float32") -> TransformersModel:
    """The model in this process."""
    from pytest_llm.models.loading import load_model
    from pytest_llm.models.transformers_model import TransformersModel

    model = load_model(smollm2(), device="cpu", dtype=dtype)
    assert isinstance(model, TransformersModel)
    return model


def _run(side: Side, given: Path) -> Run:
    python = peers_python() if side.peer else sys.executable
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    if not side.peer:
        environment["PYTHONPATH"] = str(ROOT)
    code = PREAMBLE + side.code + FINISH
    done = subprocess.run(
        [python, "-c", code, str(given)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{side.name} failed:\n{done.stderr[-2000:]}")
    return Run(**json.loads(done.stdout.partition("RESULT ")[2]))


def peers_python() -> str:
    """The interpreter of the peers' environment; made on first use."""
    python = str(PEERS / "bin" / "python")
    made = PEERS / "installed"
    if not made.exists() or made.read_text() != " ".join(PACKAGES):
        venv.create(PEERS, with_pip=True)
        for packages in (["--upgrade", "pip"], ["torch"], PACKAGES):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        made.write_text(" ".join(PACKAGES))
    return python
