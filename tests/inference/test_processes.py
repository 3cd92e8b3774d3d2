"""Several processes: the numbers of one, in its order, from workers that stay while nothing changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm import load_model
from pytest_llm.errors import MisuseError
from pytest_llm.inference import processes
from pytest_llm.inference.engine import Engine, ask, using
from pytest_llm.models.language_model import Window
from pytest_llm.models.memory import Budget
from pytest_llm.models.plain import scores_in_batches
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding
from tests.stub_models import WorkerModel

TWO = Engine(processes=2)


@pytest.fixture(autouse=True)
def end_of_workers() -> Iterator[None]:
    """No process outlives its test."""
    yield
    for pool in list(processes._pools.values()):
        pool.executor.shutdown(cancel_futures=True)
    processes._pools.clear()


def windows_of(lengths: list[int]) -> list[Window]:
    generator = np.random.default_rng(4)
    return [Window(tuple(map(int, generator.integers(1, 2000, n))), max(1, n - 2)) for n in lengths]


def own_scores(model: TransformersModel, windows: list[Window]) -> np.ndarray[Any, Any]:
    return torch.cat(scores_in_batches(model.module, windows, Budget(1))).double().numpy()


def test_two_processes_answer_as_one_does_and_see_changed_weights() -> None:
    model = load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    windows, prompts = windows_of([30, 2, 17, 50, 9, 40, 3, 21, 8, 33]), ["It is a truth", "Catherine", "The"]
    expected = own_scores(model, windows)
    texts = model.generate(prompts, Decoding(max_tokens=5))
    with using(TWO):
        found = ask(model, "score_windows", windows)
        pool = processes._pools[model]
        assert [len(answer) for answer in found] == [window.scored for window in windows]
        assert np.concatenate(found) == pytest.approx(expected, rel=1e-5, abs=1e-5)

        assert ask(model, "generate", prompts, decoding=Decoding(max_tokens=5)) == texts
        assert processes._pools[model] is pool  # the second question starts no processes

        with torch.no_grad():
            model.module.model.norm.weight[:90] *= 3
        changed = np.concatenate(ask(model, "score_windows", windows[:3]))
        assert processes._pools[model] is not pool
    assert changed == pytest.approx(own_scores(model, windows[:3]), rel=1e-5, abs=1e-5)
    assert np.abs(changed - expected[: len(changed)]).max() > 0.1


def test_neighbours_stay_together_and_answers_keep_their_order() -> None:
    model = WorkerModel(state=5)
    texts = [f"text {number}" for number in range(20)]
    with using(TWO):
        first, again = ask(model, "report", texts), ask(model, "report", texts)
        assert ask(model, "report", []) == []
    assert [text for text, *_ in first] == [text for text, *_ in again] == texts
    workers = {process for _, process, *_ in first + again}
    assert os.getpid() not in workers
    assert len(workers) <= 2
    assert {state for _, _, state, _ in first} == {5}
    assert {count for *_, count in first} == {3, 2}  # more stretches than processes, so that none waits long


def test_a_deterministic_engine_asks_one_thing_at_a_time_in_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_model", WorkerModel())
    assert [count for *_, count in processes._work("report", ["a", "b"], {}, True)] == [1, 1]
    assert [count for *_, count in processes._work("report", ["a", "b"], {}, False)] == [2, 2]


def test_a_process_that_dies_is_named_and_the_next_question_starts_anew() -> None:
    model = WorkerModel()
    with using(TWO):
        with pytest.raises(MisuseError, match=r"a process of Engine\(.*processes=2.* died, .*: use fewer processes"):
            ask(model, "report", ["live", "die"])
        with pytest.raises(ZeroDivisionError, match="the model's own mistake"):
            ask(model, "report", ["live", "fail"])
        assert [text for text, *_ in ask(model, "report", ["live", "again"])] == ["live", "again"]


def test_a_model_that_cannot_be_sent_is_refused() -> None:
    model = WorkerModel()
    model.state = lambda: 0  # type: ignore[assignment]  # a function without a name cannot be sent
    with using(TWO), pytest.raises(MisuseError, match=r"WorkerModel cannot be sent to other processes .*processes=1"):
        ask(model, "report", ["text"])
    assert not processes._pools


def test_a_model_without_fingerprint_is_sent_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have changed; whether it did cannot be told."""
    pools = []

    class Executor:
        def __init__(self, *arguments: Any) -> None:
            pools.append(self)

        def shutdown(self, **_: Any) -> None:
            pass

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Executor)
    for state, expected in ((None, 3), (5, 1)):
        pools.clear()
        model = WorkerModel(state)  # type: ignore[arg-type]
        for _ in range(3):
            processes._pool(TWO, model)
        assert len(pools) == expected


def test_another_engine_gets_processes_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    class Executor:
        def __init__(self, *arguments: Any) -> None:
            self.seats = arguments[3][0]

        def shutdown(self, **_: Any) -> None:
            ended.append(self)

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Executor)
    model = WorkerModel()
    first: Any = processes._pool(TWO, model).executor
    second: Any = processes._pool(Engine(devices=("cpu", "meta")), model).executor
    assert ended == [first]
    assert [device for _, device in first.seats] == [None, None]
    assert [device for _, device in second.seats] == ["cpu", "meta"]
