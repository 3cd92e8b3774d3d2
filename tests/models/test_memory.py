"""Budgets: as much as memory has room for, half of it where that was too much, and nothing done twice."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm.models import host_memory, memory
from pytest_llm.models.language_model import Window
from pytest_llm.models.memory import LEAST_TOKENS, Budget, budget_for, free_memory, is_out_of_memory
from pytest_llm.models.packed import distributions_packed, scores_packed
from pytest_llm.models.plain import scores_in_batches
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding

OUT_OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1.00 GB)"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:20])
def test_memory_that_runs_out_halves_the_budget(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    budget, seen = Budget(1000), []

    def work() -> None:
        seen.append(budget.tokens)
        if budget.tokens > 300:
            raise error

    budget.run(work)
    assert seen == [1000, 500, 250]
    assert budget == Budget(250, longest_segment=250)  # and long texts are read in steps
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory reading 1000 tokens at once: 500 from here on",
        "out of memory reading 500 tokens at once: 250 from here on",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_work_that_fits_leaves_the_budget_alone(caplog: pytest.LogCaptureFixture) -> None:
    budget = Budget(1000)
    budget.run(lambda: None)
    assert budget == Budget(1000)
    assert not caplog.records


def test_at_the_least_the_error_is_passed_on() -> None:
    budget, seen = Budget(150), []

    def work() -> None:
        seen.append(budget.tokens)
        raise MemoryError("nothing is left")

    with pytest.raises(MemoryError, match="nothing is left"):
        budget.run(work)
    assert seen == [150, 75, LEAST_TOKENS]


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes cannot be multiplied"), ValueError("out of memory"), KeyError()]
)
def test_other_errors_are_passed_on_at_once(error: Exception) -> None:
    budget = Budget(1000)

    def work() -> None:
        raise error

    with pytest.raises(type(error)):
        budget.run(work)
    assert budget == Budget(1000)


def test_an_error_is_out_of_memory_by_what_it_says() -> None:
    assert all(is_out_of_memory(error) for error in OUT_OF_MEMORY)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.fixture
def small_memory(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Make the tiny-decoder run out of memory for more than so many tokens at once; the sizes of what it did read."""

    def limit(tokens: int) -> list[int]:
        read: list[int] = []
        inner = tiny.module.base_model.forward

        def forward(input_ids: torch.Tensor, *arguments: Any, **settings: Any) -> Any:
            if input_ids.numel() > tokens:
                raise torch.OutOfMemoryError("out of memory")
            read.append(input_ids.numel())
            return inner(input_ids, *arguments, **settings)

        monkeypatch.setitem(vars(tiny.module.base_model), "forward", forward)  # of setattr, the bound method would stay
        return read

    return limit


def windows_of(lengths: Sequence[int], *, shared: int = 0) -> list[Window]:
    generator = np.random.default_rng(3)
    tokens = [tuple(map(int, generator.integers(1, 2000, length))) for length in lengths]
    return [Window(tokens[0][:shared] + rest, max(1, len(rest) - 1 - n % 3)) for n, rest in enumerate(tokens)]


@pytest.mark.parametrize("score", [scores_packed, scores_in_batches])
def test_scores_are_the_same_however_little_memory_there_is(
    tiny: TransformersModel, small_memory: Callable[[int], list[int]], score: Any
) -> None:
    windows = windows_of([40, 64, 5, 2, 17, 30, 30], shared=20)
    expected = score(tiny.module, windows, Budget(1024))
    read = small_memory(90)
    budget = Budget(1024)
    found = score(tiny.module, windows, budget)
    assert budget.tokens < 90 <= 2 * max(read) + 90
    for answer, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(answer, reference, rtol=1e-4, atol=1e-4)


def test_a_text_longer_than_memory_has_room_for_is_read_in_steps(
    tiny: TransformersModel, small_memory: Callable[[int], list[int]]
) -> None:
    windows = windows_of([230])
    expected = scores_packed(tiny.module, windows, Budget(1024))
    read = small_memory(80)
    found = scores_packed(tiny.module, windows, Budget(256))
    assert read == [64, 64, 64, 37]
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-4)


def test_distributions_are_the_same_however_little_memory_there_is(
    tiny: TransformersModel, small_memory: Callable[[int], list[int]]
) -> None:
    windows = windows_of([40, 64, 5], shared=20)
    expected = distributions_packed(tiny.module, windows, Budget(1024))
    small_memory(70)
    for answer, reference in zip(distributions_packed(tiny.module, windows, Budget(1024)), expected, strict=True):
        torch.testing.assert_close(answer, reference, rtol=1e-4, atol=1e-4)


def test_texts_are_the_same_however_little_memory_there_is(
    tiny: TransformersModel, small_memory: Callable[[int], list[int]]
) -> None:
    prompts = ["It is a truth " * count for count in (1, 20, 3, 11)]
    decoding = Decoding(max_tokens=6)
    model = TransformersModel(tiny.module, tiny.tokenizer)
    expected = model.generate(prompts, decoding)
    small_memory(70)
    assert model.generate(prompts, decoding) == expected


@pytest.mark.parametrize("score", [scores_packed, scores_in_batches])
def test_what_was_scored_before_memory_ran_out_is_not_read_again(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch, score: Any
) -> None:
    windows = windows_of([100, 100, 100, 90])  # each fills a row of its own
    expected = score(tiny.module, windows, Budget(100))
    lengths: list[int] = []
    inner = tiny.module.base_model.forward

    def forward(input_ids: torch.Tensor, *arguments: Any, **settings: Any) -> Any:
        lengths.append(input_ids.numel())
        if len(lengths) == 3:
            raise MemoryError
        return inner(input_ids, *arguments, **settings)

    monkeypatch.setitem(vars(tiny.module.base_model), "forward", forward)
    found = score(tiny.module, windows, Budget(100))
    assert lengths[:3] == [99, 99, 99]
    assert sum(lengths[3:]) == 99 + 89  # the third and the fourth window, and nothing of the first two
    for answer, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(answer, reference, rtol=1e-4, atol=1e-4)


def test_the_models_budget_stays_small_for_its_next_work(
    tiny: TransformersModel, small_memory: Callable[[int], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    model = TransformersModel(tiny.module, tiny.tokenizer)
    small_memory(100)
    for _ in range(2):
        model.score_windows(windows_of([80, 80, 80]))
    assert len({record.getMessage() for record in caplog.records}) == len(caplog.records) > 0


@pytest.mark.parametrize(("free", "tokens"), [(None, 1024), (10**12, 1024), (0, LEAST_TOKENS)])
def test_a_budget_lies_between_the_least_and_what_makes_it_faster(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch, free: int | None, tokens: int
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    assert budget_for(tiny.module) == Budget(tokens)


def test_a_budget_takes_a_quarter_of_the_free_memory(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda device: 4 * 500 * memory.bytes_per_token(tiny.module))
    assert budget_for(tiny.module) == Budget(500)


def test_a_devices_free_memory_is_asked_for() -> None:
    assert free_memory(torch.device("meta")) is None
    free = free_memory(torch.device("cpu"))
    assert free is None or free > 0


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int | None]:
    """What is free where the system's files say so; None: there is no such file."""

    def free(meminfo: str | None, *of_container: str) -> int | None:
        files = dict(zip(["/proc/meminfo", *host_memory.LIMITS], [meminfo, *of_container], strict=False))
        for name, content in files.items():
            if content is not None:
                (tmp_path / name.replace("/", "_")).write_text(content)
        monkeypatch.setattr(host_memory, "Path", lambda name: tmp_path / str(name).replace("/", "_"))
        return free_memory(torch.device("cpu"))

    return free


MEMINFO = "MemTotal:       32000 kB\nMemFree:         100 kB\nMemAvailable:    2000 kB\n"
CACHED = "anon 30000\nfile 9000\ninactive_anon 20000\ninactive_file 5000\nactive_file 2000\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((MEMINFO,), 2000 * 1024),
        ((MEMINFO, "max\n", "500\n", CACHED), 2000 * 1024),
        ((MEMINFO, "100000\n", "40000\n", "anon 40000\n"), 60000),
        ((MEMINFO, "100000\n", "40000\n", CACHED), 67000),  # what is cached is given back when it is wanted
        ((MEMINFO, "100000000\n", "40000\n", CACHED), 2000 * 1024),
        ((MEMINFO, "100000\n", "140000\n", CACHED), 0),
        ((MEMINFO, "100000\n"), 2000 * 1024),
        ((None, "100000\n", "40000\n", CACHED), 67000),
        (("MemTotal:       32000 kB\n",), None),
        ((None,), None),
    ],
)
def test_free_memory_is_the_less_of_the_systems_and_the_containers(
    system: Callable[..., int | None], files: tuple[str | None, ...], expected: int | None
) -> None:
    assert system(*files) == expected


def test_a_token_costs_its_widest_layer_and_a_tile_of_logits() -> None:
    class Module(torch.nn.Module):
        dtype = torch.float16

        def __init__(self, vocabulary: int) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(vocabulary, 64)
            self.up = torch.nn.Linear(64, 300)
            self.head = torch.nn.Linear(64, vocabulary)

        def get_input_embeddings(self) -> Any:
            return self.embed

    assert memory.bytes_per_token(Module(100)) == (3 * 300 + 8 * 64) * 2 + 16384
    # the head of a large vocabulary never exists as a whole
    assert memory.bytes_per_token(Module(5000)) == memory.bytes_per_token(Module(50_000))


def test_memory_of_the_failed_attempt_is_free_before_the_next_one() -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    free: list[bool] = []

    def work() -> None:
        if held:
            free.append(held[0]() is None)
            return
        large = torch.zeros(3)
        held.append(weakref.ref(large))
        raise MemoryError

    gc.disable()  # it has to be gone at once, not some time later
    try:
        Budget(200).run(work)
    finally:
        gc.enable()
    assert free == [True]
