"""Which device is chosen, with inventories of GPUs that this machine need not have."""

from __future__ import annotations

import pytest
import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models import devices
from pytest_llm.models.devices import (
    Gpu,
    GpuRequirement,
    assigned_gpus,
    choose_device,
    computing_at_once,
    parse_memory,
    share_cores,
    shares,
    skip_reason,
    worker_number,
)

SMALL = Gpu(0, "T4", 16_000_000_000, (7, 5))
LARGE = Gpu(1, "H100", 80_000_000_000, (9, 0))
LARGE_TOO = Gpu(2, "H100", 80_000_000_000, (9, 0))
NEEDS_LARGE = GpuRequirement(memory=40_000_000_000)


def machine(monkeypatch: pytest.MonkeyPatch, *gpus: Gpu, mps: bool = False, worker: str = "") -> None:
    """Make this machine seem to have these GPUs, and this process to be that xdist worker."""
    monkeypatch.setattr(devices, "gpus", lambda: list(gpus))
    monkeypatch.setattr(devices, "_mps_available", lambda: mps)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)


@pytest.mark.parametrize(
    ("amount", "size"),
    [
        ("40GB", 40 * 10**9),
        ("40 GiB", 40 * 2**30),
        ("512MiB", 512 * 2**20),
        ("512 mib", 512 * 2**20),
        ("80G", 80 * 10**9),
        ("7 kB", 7000),
        ("12B", 12),
        ("1.5TB", 1_500_000_000_000),
        (1000, 1000),
        (8e9, 8 * 10**9),
        (0, 0),
    ],
)
def test_memory_is_read_as_bytes(amount: str | float, size: int) -> None:
    assert parse_memory(amount) == size


@pytest.mark.parametrize("rubbish", ["", "GB", "much", "-1GB", "40 XB", "40GB more", "1,5GB", "nan", True])
def test_memory_that_is_no_amount_is_refused(rubbish: str) -> None:
    with pytest.raises(MisuseError, match="expected something like '40GB'"):
        parse_memory(rubbish)


@pytest.mark.parametrize(
    ("requirement", "text"),
    [
        (GpuRequirement(), "1 GPU"),
        (GpuRequirement(2, 40_000_000_000), "2 GPUs of at least 40 GB"),
        (GpuRequirement(capability=(9, 0)), "1 GPU of compute capability 9.0 or newer"),
    ],
)
def test_a_requirement_is_missed_where_no_gpu_is_visible(requirement: GpuRequirement, text: str) -> None:
    assert requirement.missing([]) == f"needs {text}; no CUDA device is visible"


@pytest.mark.parametrize(
    "requirement", [GpuRequirement(2), GpuRequirement(memory=16_000_000_001), GpuRequirement(capability=(8, 0))]
)
def test_what_is_missing_names_what_is_there(requirement: GpuRequirement) -> None:
    assert requirement.missing([SMALL]) == f"needs {requirement}; there is only cuda:0 (T4, 16 GB, capability 7.5)"


@pytest.mark.parametrize("requirement", [GpuRequirement(2), GpuRequirement(1, 80_000_000_000, (9, 0))])
def test_nothing_is_missing_where_enough_gpus_meet_the_requirement(requirement: GpuRequirement) -> None:
    assert requirement.missing([SMALL, LARGE]) is None


@pytest.mark.parametrize(
    ("requirement", "shares"),
    [
        (None, [[0], [1], [2], [0]]),
        (GpuRequirement(2), [[0, 1], [2, 0], [1, 2], [0, 1]]),
        (NEEDS_LARGE, [[1], [2], [1], [2]]),
        (GpuRequirement(2, 40_000_000_000), [[1, 2], [1, 2], [1, 2], [1, 2]]),
        (GpuRequirement(4), [[], [], [], []]),
    ],
)
def test_workers_share_the_suitable_gpus_round_robin(
    requirement: GpuRequirement | None, shares: list[list[int]]
) -> None:
    available = [SMALL, LARGE, LARGE_TOO]
    assert [[gpu.index for gpu in assigned_gpus(available, w, requirement)] for w in range(4)] == shares


def test_four_workers_take_turns_on_two_gpus() -> None:
    assert [assigned_gpus([SMALL, LARGE], worker) for worker in range(4)] == [[SMALL], [LARGE], [SMALL], [LARGE]]


@pytest.mark.parametrize("asked", ["cpu", "mps"])
def test_a_gpu_test_is_skipped_where_another_device_is_asked_for(asked: str) -> None:
    assert skip_reason(GpuRequirement(), [LARGE], 0, asked) == f"needs 1 GPU; --llm-device is {asked}"


def test_a_gpu_test_is_skipped_where_its_gpus_are_missing() -> None:
    assert skip_reason(NEEDS_LARGE, [SMALL], 0, "auto") == NEEDS_LARGE.missing([SMALL])


@pytest.mark.parametrize(("worker", "asked"), [(0, "auto"), (1, "cuda:0")])
def test_a_gpu_test_is_skipped_where_its_device_is_not_the_suitable_one(worker: int, asked: str) -> None:
    reason = skip_reason(NEEDS_LARGE, [SMALL, LARGE], worker, asked)
    assert reason is not None
    assert reason.startswith("needs 1 GPU of at least 40 GB; llm_device is cuda:0 (T4")
    assert reason.endswith("would do: choose it with --llm-device cuda:1")


@pytest.mark.parametrize(("worker", "asked"), [(1, "auto"), (1, "cuda"), (0, "cuda:1"), (1, "cuda:7")])
def test_a_gpu_test_runs_where_its_device_is_suitable(worker: int, asked: str) -> None:
    assert skip_reason(NEEDS_LARGE, [SMALL, LARGE], worker, asked) is None


@pytest.mark.parametrize(("worker", "number"), [("", 0), ("gw0", 0), ("gw3", 3), ("gw12", 12), ("master", 0)])
def test_the_worker_number_is_that_of_xdist(monkeypatch: pytest.MonkeyPatch, worker: str, number: int) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    assert worker_number() == number


def test_outside_xdist_the_worker_number_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    assert worker_number() == 0


@pytest.mark.parametrize(
    ("worker", "asked", "chosen"),
    [
        ("", "auto", "cuda:0"),
        ("", "cuda", "cuda:0"),
        ("gw1", "auto", "cuda:1"),
        ("gw2", "cuda", "cuda:0"),
        ("gw1", "cuda:0", "cuda:0"),
        ("gw0", "cuda:1", "cuda:1"),
        ("", "cpu", "cpu"),
    ],
)
def test_a_device_on_a_machine_with_two_gpus(
    monkeypatch: pytest.MonkeyPatch, worker: str, asked: str, chosen: str
) -> None:
    machine(monkeypatch, SMALL, LARGE, worker=worker)
    assert choose_device(asked) == chosen


def test_a_cuda_device_comes_before_apples(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, SMALL, mps=True)
    assert choose_device("auto") == "cuda:0"


@pytest.mark.parametrize(("mps", "chosen"), [(True, "mps"), (False, "cpu")])
def test_auto_falls_back_where_there_is_no_cuda_device(monkeypatch: pytest.MonkeyPatch, mps: bool, chosen: str) -> None:
    machine(monkeypatch, mps=mps)
    assert choose_device("auto") == chosen


def test_apples_gpu_can_be_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, SMALL, mps=True)
    assert choose_device("mps") == "mps"


@pytest.mark.parametrize("asked", ["cuda:1", "cuda:01", "mps"])
def test_a_device_that_is_not_there_is_refused_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    machine(monkeypatch, SMALL)
    with pytest.raises(MisuseError, match=rf"device '{asked}' is not there; this machine has: cpu, cuda:0 \(T4, 16 GB"):
        choose_device(asked)


@pytest.mark.parametrize("mps", [True, False])
def test_cuda_without_a_gpu_is_refused_with_what_there_is(monkeypatch: pytest.MonkeyPatch, mps: bool) -> None:
    machine(monkeypatch, mps=mps)
    with pytest.raises(MisuseError, match=f"this machine has: cpu{', mps' if mps else ''}$"):
        choose_device("cuda")


@pytest.mark.parametrize("nonsense", ["", "gpu", "cuda:", "cuda:-1", "CPU", "auto "])
def test_what_is_no_device_is_refused(monkeypatch: pytest.MonkeyPatch, nonsense: str) -> None:
    machine(monkeypatch, SMALL)
    with pytest.raises(MisuseError, match="expected auto, cpu, cuda, cuda:<number> or mps"):
        choose_device(nonsense)


@pytest.mark.parametrize(
    ("workers", "chosen", "left"),
    [("4", None, 2), ("16", None, 1), ("1", None, 8), (None, None, 8), ("4", "3", 8)],
    ids=["a part", "at least one", "alone", "no xdist", "the user decides"],
)
def test_workers_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, workers: str | None, chosen: str | None, left: int
) -> None:
    threads = [8]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    for name, value in (("PYTEST_XDIST_WORKER_COUNT", workers), ("OMP_NUM_THREADS", chosen)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    share_cores.cache_clear()
    share_cores()
    share_cores()
    assert threads[-1] == left


@pytest.mark.parametrize(
    ("computing", "left"), [(1, 1), (2, 2), (9, 4), (0, 4)], ids=["one", "two", "all", "not known"]
)
def test_workers_that_have_no_model_need_no_cores(monkeypatch: pytest.MonkeyPatch, computing: int, left: int) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "4")
    with computing_at_once(computing):
        assert shares() == left
    assert shares() == 4
