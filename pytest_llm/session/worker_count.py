"""`pytest -n auto`: as many workers as the suite's model fits into memory for, and no more than xdist would start.

Each worker that runs tests of a model has a copy of its weights. How much memory is free on GPUs is asked by a process of its own,
so that xdist's controller, which measures nothing, holds no part of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.fixtures import named_model

ROOM = 1.3
"""So many times its weights a model takes with what it computes."""
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""NVIDIA's, AMD's, and that of Linux within Windows."""
_ASK = (
    "import json, torch; print(json.dumps([torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]))"
)


def as_many_as_fit(config: pytest.Config, usual: int) -> int:
    """The number of workers for `-n auto`.

    Args:
        config: pytest's; of a suite that names no model in an option, the environment or its ini file, nothing is known.
        usual: what xdist would start.
    """
    _, source = named_model(config)
    if source is None or "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ or config.getoption("llm_rejudge"):
        return usual
    device = config.getoption("llm_device")
    free = [] if device in ("cpu", "mps") else free_on_gpus()
    if device.startswith("cuda:"):
        free = free[int(device[5:]) :][:1]
    need = _need(source, config.getoption("llm_dtype"), on_gpu=bool(free))
    if not free:
        from pytest_llm.models.host_memory import free_host_memory

        host = free_host_memory()
        free = [] if host is None else [host]
    return usual if need is None or not free else workers_for(free, ROOM * need, usual)


def workers_for(free: Sequence[int], need: float, usual: int) -> int:
    """How many workers fit, going round the devices as `assigned_gpus` does: the fullest one decides; at least one.

    Args:
        free: bytes on each device.
        need: bytes of each worker.
        usual: no more than these.
    """
    fit = len(free) * min(int(bytes_ // need) for bytes_ in free)
    return max(1, min(usual, fit))


def free_on_gpus() -> list[int]:
    """Free bytes of each CUDA device that is visible; none where there is no driver for one."""
    if not any(Path(driver).exists() for driver in _DRIVERS):
        return []
    try:
        done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True)
        return [int(free) for free in json.loads(done.stdout)]
    except (OSError, subprocess.CalledProcessError, ValueError):  # nothing is known: tests will say what is wrong
        return []


def _need(source: str, dtype: str, *, on_gpu: bool) -> int | None:
    from pytest_llm.models.footprint import bytes_when_loaded
    from pytest_llm.models.sources import checkpoint_at

    try:
        checkpoint = checkpoint_at(source)
    except MisuseError:  # the fixture says it to the tests
        return None
    return None if checkpoint is None else bytes_when_loaded(checkpoint, dtype=dtype, on_gpu=on_gpu)
