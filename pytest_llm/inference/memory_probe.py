"""How much memory a request takes: of this process on the host, or of torch on a device.

*Host.* Linux keeps the most that a process ever had in memory (`VmHWM`), and forgets it when 5 is written to
`/proc/self/clear_refs`; so the most of one request can be read, to the page, without watching. Where that is not allowed, a
thread reads the resident pages every millisecond, and may miss what is held for less. Memory that the allocator kept from
earlier work is given back first (`malloc_trim`), so that it does not hide what the request takes.

*Device.* `torch.cuda.max_memory_allocated` after a reset: what tensors take, not what the caching allocator keeps.
"""

from __future__ import annotations

import ctypes
import gc
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pytest_llm.data.example import Example
from pytest_llm.errors import BudgetError, MisuseError
from pytest_llm.inference.probe import prompts_of, requests_to, synchronise
from pytest_llm.inference.time_budget import note_answers, refuse_overrun
from pytest_llm.metrics.efficiency import PeakMemory
from pytest_llm.models.language_model import AnyModel
from pytest_llm.models.size import bytes_in_memory
from pytest_llm.tasks.timed import Place, Watched

_SELF = Path("/proc/self")
_EVERY = 0.001
"""Seconds between two looks of the thread."""


class Gauge(Protocol):
    """Sees how much memory is in use."""

    def begin(self) -> None:
        """Forget what was before."""

    def taken(self) -> int:
        """The most bytes in use at once since `begin`, less those in use then."""


def watch_requests(model: AnyModel, examples: Sequence[Example], task: Watched) -> list[PeakMemory]:
    """The model's weights, and what the worst moment of each request takes besides.

    Raises:
        MisuseError: a model that writes no text, a place that it is not in, a system that does not say.
    """
    device = str(getattr(model, "device", "cpu"))
    place = task.place or place_of(model)
    ask = requests_to(model, task.generate.decoding, tokens=False)
    prompts = prompts_of(model, examples, task.generate.prompt)
    gauge = gauge_for(place, device)
    for number in range(task.warmup):
        ask(prompts[number % len(prompts)], None)
    weights = bytes_in_memory(model, place)
    found: list[PeakMemory] = []
    try:
        for prompt in prompts:
            refuse_overrun()
            gc.collect()
            synchronise(model)
            gauge.begin()
            ask(prompt, None)
            found.append(PeakMemory(weights, gauge.taken()))
            note_answers(1, kept=False)
    except BudgetError as error:
        error.outputs = dict(enumerate(found))
        raise
    return found


def place_of(model: object) -> Place:
    """Where a model is: on a GPU, or on the host."""
    return "device" if str(getattr(model, "device", "cpu")).startswith("cuda") else "host"


def gauge_for(place: Place, device: str) -> Gauge:
    """What can see the memory there.

    Raises:
        MisuseError: nothing can.
    """
    if place == "device":
        if not device.startswith("cuda"):
            raise MisuseError(
                f"the model is on {device}, so it takes no memory of a GPU: watch the host (where='host')"
            )
        return DeviceGauge(device)
    if not (_SELF / "statm").is_file():
        raise MisuseError("this system has no /proc to read a process' memory from: watch a GPU, or run on Linux")
    return HighWater() if _can_be_reset() else Sampler()


class DeviceGauge:
    """Bytes of tensors on a CUDA device."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._before = 0

    def begin(self) -> None:
        import torch

        torch.cuda.reset_peak_memory_stats(self._device)
        self._before = torch.cuda.memory_allocated(self._device)

    def taken(self) -> int:
        import torch

        return max(0, int(torch.cuda.max_memory_allocated(self._device)) - self._before)


class HighWater:
    """Resident bytes of this process, by the system's own high-water mark."""

    def __init__(self) -> None:
        self._before = 0

    def begin(self) -> None:
        _trim()
        (_SELF / "clear_refs").write_text("5", encoding="ascii")
        self._before = _status("VmRSS")

    def taken(self) -> int:
        return max(0, _status("VmHWM") - self._before)


class Sampler:
    """Resident bytes of this process, looked at every millisecond: for systems that do not let the mark be reset."""

    def __init__(self) -> None:
        self._before = self._most = 0
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        _trim()
        self._before = self._most = _resident()
        self._done.clear()
        self._thread = threading.Thread(target=self._watch, name="pytest-llm memory", daemon=True)
        self._thread.start()

    def taken(self) -> int:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        return max(self._most, _resident()) - self._before

    def _watch(self) -> None:
        while not self._done.wait(_EVERY):
            self._most = max(self._most, _resident())


def _can_be_reset() -> bool:
    try:
        (_SELF / "clear_refs").write_text("5", encoding="ascii")
        return _status("VmHWM") > 0
    except (OSError, StopIteration):  # a container may not allow it, or its kernel not know it
        return False


def _status(name: str) -> int:
    lines = (_SELF / "status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _resident() -> int:
    return int((_SELF / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _trim() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)
