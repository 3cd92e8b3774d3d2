"""What a request takes, and nothing of what was before: by gauges that the tests hold, and on this process itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference import memory_probe
from pytest_llm.inference.memory_probe import DeviceGauge, HighWater, Sampler, gauge_for, place_of, watch_requests
from pytest_llm.metrics.efficiency import PeakMemory
from pytest_llm.models.size import bytes_in_memory
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.timed import Watched

MIB = 2**20
linux = pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs /proc")


class Taker:
    """Does something with memory for each prompt."""

    def __init__(self, take: Callable[[str], object]) -> None:
        self.take = take

    def generate(self, prompts: Any, decoding: Decoding) -> list[str]:
        for prompt in prompts:
            self.take(prompt)
        return ["done"] * len(prompts)


class Scale:
    """A gauge that is told what is in use."""

    def __init__(self) -> None:
        self.used = self.most = self.before = 0

    def take(self, amount: int) -> None:
        self.used += amount
        self.most = max(self.most, self.used)

    def begin(self) -> None:
        self.before = self.most = self.used

    def taken(self) -> int:
        return self.most - self.before


def test_each_request_is_weighed_from_its_own_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    scale = Scale()
    monkeypatch.setattr(memory_probe, "gauge_for", lambda place, device: scale)

    def take(prompt: str) -> None:
        scale.take(len(prompt) * 100)
        scale.take(len(prompt) * -90)  # some of it is kept

    found = watch_requests(Taker(take), load_examples(["abcdefgh", "ab", "abcd"]), Watched(warmup=2))
    assert found == [PeakMemory(0, 800), PeakMemory(0, 200), PeakMemory(0, 400)]


def test_weights_are_counted_where_the_work_is(monkeypatch: pytest.MonkeyPatch, tiny: TransformersModel) -> None:
    monkeypatch.setattr(memory_probe, "gauge_for", lambda place, device: Scale())
    (found,) = watch_requests(tiny, load_examples(["It is"]), Watched(Generate(max_tokens=2)))
    assert found == PeakMemory(bytes_in_memory(tiny, "host"), 0)
    assert found.weights > 4 * 1_500_000


@linux
@pytest.mark.parametrize("gauge", [HighWater, Sampler])
def test_what_was_taken_and_given_back_is_seen(gauge: Callable[[], Any]) -> None:
    if gauge is HighWater and not memory_probe._can_be_reset():
        pytest.skip("this system does not let the high-water mark be reset")
    own = gauge()
    past = bytearray(200 * MIB)
    del past  # the process' own high-water mark is above all that follows
    own.begin()
    work = bytearray(b"x") * (64 * MIB)
    if gauge is Sampler:
        import time

        time.sleep(0.05)  # it looks every millisecond; no limit on how long that takes
    del work
    assert 60 * MIB < own.taken() < 120 * MIB


@linux
@pytest.mark.parametrize("gauge", [HighWater, Sampler])
def test_memory_that_the_allocator_kept_is_given_back_first(
    monkeypatch: pytest.MonkeyPatch, gauge: Callable[[], Any]
) -> None:
    """Else a request that uses it again would seem to take nothing."""
    steps: list[str] = []
    monkeypatch.setattr(memory_probe, "_trim", lambda: steps.append("trim"))

    def read(*_: str) -> int:
        steps.append("read")
        return 1

    monkeypatch.setattr(memory_probe, "_status", read)
    monkeypatch.setattr(memory_probe, "_resident", read)
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: 1)
    own = gauge()
    own.begin()
    own.taken()
    assert steps[0] == "trim"
    assert steps.count("trim") == 1


@linux
def test_a_request_of_this_process_is_seen_and_its_past_is_not() -> None:
    sizes = {"small": 1, "large": 96}
    model = Taker(lambda prompt: bytearray(b"x") * (sizes[prompt] * MIB))
    small, large = watch_requests(model, load_examples(["small", "large"]), Watched(place="host"))
    assert large.work > 90 * MIB
    assert small.work < 60 * MIB  # the warm-up took 1 MiB, the past of this process far more
    again = watch_requests(model, load_examples(["large", "small"]), Watched(place="host"))
    assert again[1].work < 60 * MIB  # after the large one


def test_a_device_is_reset_and_what_it_held_before_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"reset": "", "now": 1000, "most": 9999}

    def reset(device: str) -> None:
        state.update(reset=device, most=1000)

    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", reset)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda device: state["now"])
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda device: state["most"])
    gauge = DeviceGauge("cuda:1")
    gauge.begin()
    state["most"] = 1700
    assert gauge.taken() == 700
    assert state["reset"] == "cuda:1"


def test_the_system_s_mark_is_used_where_it_can_be_reset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory_probe, "_SELF", tmp_path)
    with pytest.raises(MisuseError, match="this system has no /proc"):
        gauge_for("host", "cpu")
    (tmp_path / "statm").write_text("9 9 9")
    assert isinstance(gauge_for("host", "cpu"), Sampler)  # no status to read the mark from
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  12 kB\nVmRSS:\t  9 kB\n")
    assert isinstance(gauge_for("host", "cpu"), HighWater)
    assert (tmp_path / "clear_refs").read_text() == "5"
    assert isinstance(gauge_for("device", "cuda:0"), DeviceGauge)


def test_a_model_on_the_host_takes_no_memory_of_a_gpu(tiny: TransformersModel) -> None:
    with pytest.raises(MisuseError, match=r"the model is on cpu, so it takes no memory of a GPU: .*where='host'"):
        watch_requests(tiny, load_examples(["It is"]), Watched(place="device"))


@pytest.mark.parametrize(
    ("device", "place"), [("cpu", "host"), (torch.device("cuda", 1), "device"), ("cuda", "device"), (None, "host")]
)
def test_where_a_model_is(device: Any, place: str) -> None:
    model = Taker(len)
    if device is not None:
        model.device = device  # type: ignore[attr-defined]
    assert place_of(model) == place
