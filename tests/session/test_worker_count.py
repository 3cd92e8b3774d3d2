"""How many workers `-n auto` starts, with memory that this machine need not have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pytest_llm.data.embedded import embedded
from pytest_llm.models import host_memory
from pytest_llm.models.footprint import bytes_when_loaded
from pytest_llm.models.loading import load_model
from pytest_llm.models.size import bytes_in_memory
from pytest_llm.session import worker_count
from pytest_llm.session.worker_count import ROOM, as_many_as_fit, workers_for

GIB = 2**30


def test_the_fullest_device_decides_and_one_is_always_started() -> None:
    assert workers_for([80, 80], 10, 64) == 16
    assert workers_for([80, 25], 10, 64) == 4  # they go round: each device gets as many
    assert workers_for([80, 80], 10, 4) == 4
    assert workers_for([5], 10, 64) == 1


@pytest.mark.parametrize("name", ["tiny-decoder", "tiny-encoder"])
def test_what_a_checkpoint_will_take_is_told_from_its_files(name: str) -> None:
    taken = bytes_in_memory(load_model(name, device="cpu"), "host")
    told = bytes_when_loaded(embedded(f"models/{name}"))
    assert told is not None
    assert taken * 0.95 <= told <= taken * 1.25  # tied weights may be stored twice, and buffers not at all


def test_its_type_is_the_one_that_it_is_loaded_in(tmp_path: Path) -> None:
    weights = {"a": torch.zeros(100, 3, dtype=torch.bfloat16), "b": torch.zeros(7, dtype=torch.int64)}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert bytes_when_loaded(tmp_path) == 300 * 4 + 56
    assert bytes_when_loaded(tmp_path, on_gpu=True) == 300 * 2 + 56
    assert bytes_when_loaded(tmp_path, on_gpu=True, dtype="float32") == 300 * 4 + 56
    assert bytes_when_loaded(tmp_path, dtype="float16") == 300 * 2 + 56


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\x02" + b"\x00" * 7 + b"[]", b"\x09" + b"\x00" * 7 + b'{"a": {}}']
)
def test_damaged_files_say_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert bytes_when_loaded(tmp_path) is None


def test_of_a_gguf_file_the_most_is_presumed(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"x" * 1000)
    assert bytes_when_loaded(file) == 8000
    assert bytes_when_loaded(file, dtype="bfloat16", on_gpu=True) == 4000


@pytest.fixture
def need(monkeypatch: pytest.MonkeyPatch) -> int:
    """What a worker takes with the tiny-decoder."""
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.delenv("PYTEST_LLM_MODEL", raising=False)
    own = bytes_when_loaded(embedded("models/tiny-decoder"))
    assert own is not None
    return int(ROOM * own) + 1


@pytest.mark.parametrize(
    ("arguments", "gpus", "host", "expected"),
    [
        ([], [], 3, 64),  # no model is named: nothing is known
        (["--llm-model=tiny-decoder"], [], 3, 3),
        (["--llm-model=tiny-decoder"], [], 100, 64),
        (["--llm-model=tiny-decoder"], [], None, 64),
        (["--llm-model=tiny-decoder"], [5, 4], 1, 8),
        (["--llm-model=tiny-decoder", "--llm-device=cpu"], [5, 4], 3, 3),
        (["--llm-model=tiny-decoder", "--llm-device=cuda:1"], [5, 4], 1, 4),
        (["--llm-model=./missing"], [5], 1, 64),
        (["--llm-model=somebody/model"], [5], 1, 64),
    ],
)
def test_as_many_as_fit(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    need: int,
    arguments: list[str],
    gpus: list[int],
    host: int | None,
    expected: int,
) -> None:
    monkeypatch.setattr(worker_count, "free_on_gpus", lambda: [count * need for count in gpus])
    monkeypatch.setattr(host_memory, "free_host_memory", lambda: None if host is None else host * need)
    assert as_many_as_fit(pytester.parseconfig(*arguments), 64) == expected


def test_what_the_environment_says_is_left(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, need: int
) -> None:
    monkeypatch.setattr(host_memory, "free_host_memory", lambda: need)
    config = pytester.parseconfig("--llm-model=tiny-decoder", "--llm-device=cpu")
    assert as_many_as_fit(config, 7) == 1
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "7")
    assert as_many_as_fit(config, 7) == 7


def test_xdist_asks_us(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, need: int) -> None:
    monkeypatch.setattr(host_memory, "free_host_memory", lambda: need)
    config = pytester.parseconfig("--llm-model=tiny-decoder", "--llm-device=cpu")
    assert config.hook.pytest_xdist_auto_num_workers(config=config) == 1
