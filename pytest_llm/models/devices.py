"""Which device a model runs on: a small inventory of GPUs, and choices made from it without asking torch again.

Nothing here imports torch until `gpus()` is called; tests put a list of `Gpu` in its place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

from pytest_llm.binding import bound
from pytest_llm.errors import MisuseError

_MEMORY = re.compile(r"(\d{1,30}(?:\.\d{1,30})?) *([KMGT]i?)?B?", re.IGNORECASE | re.ASCII)
_FACTORS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class Gpu:
    """One CUDA device, as numbered inside the caller's CUDA_VISIBLE_DEVICES."""

    index: int
    name: str
    memory: int
    """Total memory in bytes."""
    capability: tuple[int, int]

    def __str__(self) -> str:
        return f"cuda:{self.index} ({self.name}, {format_bytes(self.memory)}, capability {dotted(self.capability)})"


def device_class(device: str) -> str:
    """What kind of device it is, whatever its number: "cpu", "cuda-NVIDIA H100", …; as it is called in file names."""
    if not device.startswith("cuda"):
        return device.partition(":")[0] or "unknown"
    import torch

    return f"cuda-{torch.cuda.get_device_name(device)}"


@dataclass(frozen=True, slots=True)
class GpuRequirement:
    """What a test marked `llm_gpu` needs."""

    count: int = 1
    memory: int = 0
    capability: tuple[int, int] = (0, 0)
    exclusive: bool = False
    """No other test of the run uses them meanwhile; see `exclusive`."""

    def missing(self, gpus: Sequence[Gpu]) -> str | None:
        """What these GPUs lack, as a reason to skip; None if `count` of them will do."""
        if not gpus:
            return f"needs {self}; no CUDA device is visible"
        if len(self.suitable(gpus)) >= self.count:
            return None
        return f"needs {self}; there is only {', '.join(map(str, gpus))}"

    def suitable(self, gpus: Sequence[Gpu]) -> list[Gpu]:
        return [gpu for gpu in gpus if gpu.memory >= self.memory and gpu.capability >= self.capability]

    def __str__(self) -> str:
        wants = [f"{self.count} GPU{'s' if self.count > 1 else ''}"]
        if self.memory:
            wants.append(f"of at least {format_bytes(self.memory)}")
        if self.capability > (0, 0):
            wants.append(f"of compute capability {dotted(self.capability)} or newer")
        return " ".join(wants)


def gpus() -> list[Gpu]:
    """The CUDA devices that this process sees: CUDA_VISIBLE_DEVICES has been applied by the driver."""
    import torch

    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        capability = (properties.major, properties.minor)
        found.append(Gpu(index, properties.name, properties.total_memory, capability))
    return found


def assigned_gpus(available: Sequence[Gpu], worker: int, requirement: GpuRequirement | None = None) -> list[Gpu]:
    """The GPUs that xdist worker number `worker` uses: its own `count`, round robin over those that meet the requirement."""
    needs = requirement or GpuRequirement()
    pool = needs.suitable(available)
    if len(pool) < needs.count:
        return []
    return [pool[(worker * needs.count + offset) % len(pool)] for offset in range(needs.count)]


def skip_reason(requirement: GpuRequirement, available: Sequence[Gpu], worker: int, asked: str) -> str | None:
    """Why a test marked `llm_gpu` cannot run here; None if it can.

    Args:
        requirement: what its marker asks for.
        available: the machine's GPUs.
        worker: this xdist worker's number, which decides on its default device.
        asked: what `--llm-device` says.
    """
    if asked in ("cpu", "mps"):
        return f"needs {requirement}; --llm-device is {asked}"
    if (missing := requirement.missing(available)) is not None:
        return missing
    named = [gpu for gpu in available if asked == f"cuda:{gpu.index}"]
    (own,) = named or assigned_gpus(available, worker)
    if own in requirement.suitable(available):
        return None
    better = requirement.suitable(available)[0]
    return f"needs {requirement}; llm_device is {own}, while {better} would do: choose it with --llm-device cuda:{better.index}"


def worker_number() -> int:
    """0 for `gw0` and outside xdist, 3 for `gw3`."""
    digits = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", ""))
    return int(digits or 0)


_computing: ContextVar[int] = ContextVar("pytest_llm_computing", default=0)


def computing_at_once(workers: int) -> AbstractContextManager[None]:
    """Say for the length of a `with` block how many xdist workers can ask models at a time, if it may be fewer than all.

    Where the tests of one model are on one worker, the others have none of its work, and cores kept for them would be idle.
    """
    return bound(_computing, workers)


def shares() -> int:
    """Among how many processes the machine's cores are divided: the xdist workers that can ask models at a time."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    return min(workers, _computing.get() or workers)


@cache  # once a process: what is shared out is not shared out again
def share_cores() -> None:
    """Give this xdist worker its part of the threads that torch takes, unless OMP_NUM_THREADS has decided.

    Two workers of two threads each on two cores wait for each other's: they take longer than one process alone.
    """
    if shares() > 1 and "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, torch.get_num_threads() // shares()))


def choose_device(asked: str) -> str:
    """The torch device string for "auto", "cpu", "cuda", "cuda:1" or "mps".

    "auto" is the worker's GPU if there is one, else Apple's GPU, else the CPU; "cuda" is the worker's GPU too.

    Raises:
        MisuseError: not a device, or one that this machine does not have.
    """
    if asked == "cpu":
        return asked
    if not re.fullmatch(r"auto|mps|cuda(:\d+)?", asked):
        raise MisuseError(f"device {asked!r}: expected auto, cpu, cuda, cuda:<number> or mps")
    if asked in ("auto", "cuda") and (own := assigned_gpus(gpus(), worker_number())):
        return f"cuda:{own[0].index}"
    if asked in ("auto", "mps") and _mps_available():
        return "mps"
    if asked == "auto":
        return "cpu"
    if asked in {f"cuda:{gpu.index}" for gpu in (gpus() if asked.startswith("cuda:") else [])}:
        return asked
    raise MisuseError(f"device {asked!r} is not there; this machine has: {', '.join(_available())}")


def parse_memory(amount: str | float) -> int:
    """Bytes of "40GB" (decimal), "40 GiB" (binary) or a number of bytes."""
    match = _MEMORY.fullmatch(str(amount).strip())
    if match is None:
        raise MisuseError(f"memory {amount!r}: expected something like '40GB', '512 MiB' or a number of bytes")
    number, prefix = float(match[1]), match[2] or ""
    base = 1024 if prefix.lower().endswith("i") else 1000
    return int(number * base ** _FACTORS[prefix[:1].upper()])


def format_bytes(amount: int) -> str:
    return f"{amount / 1e9:.4g} GB"


def dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def _available() -> list[str]:
    return ["cpu", *(str(gpu) for gpu in gpus()), *(["mps"] if _mps_available() else [])]


def _mps_available() -> bool:
    import torch

    return torch.backends.mps.is_available()
