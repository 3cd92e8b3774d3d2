"""Several processes: the numbers of one, in its order, from workers that stay while nothing changed."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
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
from tests.stub_models import Late, WorkerModel

TWO = Engine(processes=2)


@pytest.fixture(scope="module", autouse=True)
def end_of_workers() -> Iterator[None]:
    """No process outlives this file."""
    yield
    for pool in list(processes._pools.values()):
        pool.executor.shutdown(cancel_futures=True)
    processes._pools.clear()


def windows_of(lengths: list[int]) -> list[Window]:
    generator = np.random.default_rng(4)
    return [Window(tuple(map(int, generator.integers(1, 2000, n))), max(1, n - 2)) for n in lengths]


def test_two_processes_answer_as_one_does_and_stay_for_the_next_question() -> None:
    model = load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    windows, prompts = windows_of([30, 2, 17, 50, 9, 40, 3, 21, 8, 33]), ["It is a truth", "Catherine", "The"]
    expected = torch.cat(scores_in_batches(model.module, windows, Budget(1))).double().numpy()
    texts = model.generate(prompts, Decoding(max_tokens=5))  # a model that was asked before can be sent as well
    with using(TWO):
        found = ask(model, "score_windows", windows)
        pool = processes._pools[model]
        assert [len(answer) for answer in found] == [window.scored for window in windows]
        assert np.concatenate(found) == pytest.approx(expected, rel=1e-5, abs=1e-5)
        assert ask(model, "generate", prompts, decoding=Decoding(max_tokens=5)) == texts
        assert processes._pools[model] is pool


@pytest.fixture(scope="module")
def worker_model(end_of_workers: None) -> WorkerModel:
    """Its processes serve several tests: each start of them takes seconds."""
    return WorkerModel(state=5)


def test_neighbours_stay_together_and_answers_keep_their_order(worker_model: WorkerModel) -> None:
    texts = [f"text {number}" for number in range(20)]
    with using(TWO):
        answers = ask(worker_model, "report", texts)
        assert ask(worker_model, "report", []) == []
    assert [text for text, *_ in answers] == texts
    assert {state for _, _, state, _ in answers} == {5}
    assert {count for *_, count in answers} == {3, 2}  # more stretches than processes, so that none waits long
    workers = {process for _, process, *_ in answers}
    assert os.getpid() not in workers
    assert len(workers) <= 2


def test_an_error_of_the_model_comes_back_as_it_is(worker_model: WorkerModel) -> None:
    with using(TWO), pytest.raises(ZeroDivisionError, match="the model's own mistake"):
        ask(worker_model, "report", ["live", "fail"])


def test_a_process_that_dies_is_an_error_and_the_next_question_starts_anew(worker_model: WorkerModel) -> None:
    with using(TWO):
        with pytest.raises(MisuseError, match=r"a process of Engine\(.*processes=2.* ended: .*use fewer processes"):
            ask(worker_model, "report", ["live", "die"])
        assert [text for text, *_ in ask(worker_model, "report", ["live", "again"])] == ["live", "again"]


def test_a_deterministic_engine_asks_one_thing_at_a_time_in_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_model", WorkerModel())
    assert [count for *_, count in processes._work("report", ["a", "b"], {}, True)] == [1, 1]
    assert [count for *_, count in processes._work("report", ["a", "b"], {}, False)] == [2, 2]


def test_a_model_that_cannot_be_sent_is_refused() -> None:
    model = WorkerModel()
    model.state = lambda: 0  # type: ignore[assignment]  # a function without a name cannot be sent
    with using(TWO), pytest.raises(MisuseError, match=r"WorkerModel cannot be sent to other processes .*processes=1"):
        ask(model, "report", ["text"])
    assert model not in processes._pools


def test_a_model_that_cannot_be_told_from_others_is_refused() -> None:
    @dataclass
    class Unhashable:
        size: int = 8

    with using(TWO), pytest.raises(MisuseError, match=r"Unhashable cannot be asked by several processes: .*unhashable"):
        ask(Unhashable(), "report", ["text"])


def test_to_share_weights_leaves_the_fingerprint_as_it_was(tiny: TransformersModel) -> None:
    """Else all that was remembered before would be asked again."""
    module = deepcopy(tiny.module)
    model = TransformersModel(module, tiny.tokenizer)
    before = model.fingerprint()
    module.share_memory()
    assert model.fingerprint() == before


class Executor:
    """Stands in for processes, and counts."""

    def __init__(self, *arguments: Any) -> None:
        self.seats, self.places = arguments[3]
        self.ended = False

    def shutdown(self, **_: Any) -> None:
        self.ended = True


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ProcessPoolExecutor", Executor)


def executor_of(model: Any, engine: Engine = TWO) -> Any:
    return processes._pool(engine, model).executor


@pytest.mark.usefixtures("no_processes")
def test_a_changed_model_gets_new_processes(tiny: TransformersModel) -> None:
    model = TransformersModel(deepcopy(tiny.module), tiny.tokenizer)
    first = executor_of(model)
    assert executor_of(model) is first
    with torch.no_grad():
        model.module.model.norm.weight[3] += 1  # in place, in memory that the processes share
    second = executor_of(model)
    assert second is not first
    assert first.ended
    assert not second.ended


@pytest.mark.usefixtures("no_processes")
def test_a_model_without_fingerprint_is_sent_anew_each_time() -> None:
    """It may have changed; whether it did cannot be told."""
    for state, expected in ((None, 3), (5, 1)):
        model = WorkerModel(state)  # type: ignore[arg-type]
        executors = [executor_of(model) for _ in range(3)]
        assert len(set(map(id, executors))) == expected


@pytest.mark.usefixtures("no_processes")
def test_another_engine_gets_processes_of_its_own() -> None:
    model = WorkerModel()
    first = executor_of(model)
    second = executor_of(model, Engine(devices=("cpu", "meta")))
    assert first.ended
    assert [device for _, device in first.seats] == [None, None]
    assert [device for _, device in second.seats] == ["cpu", "meta"]


@pytest.mark.usefixtures("no_processes")
def test_a_process_that_starts_late_takes_no_place_of_the_next_pool(tmp_path: Path) -> None:
    model, awaited = WorkerModel(), tmp_path / "now"
    late = multiprocessing.get_context("spawn").Process(
        target=processes._start, kwargs={"places": executor_of(model).places, "seats": Late(awaited)}, daemon=True
    )
    late.start()
    while not awaited.with_suffix(".asked").exists():  # until it has taken up the places
        time.sleep(0.01)
    del processes._pools[model], model
    gc.collect()  # the pool ends with its model
    model = WorkerModel()
    places = executor_of(model).places
    awaited.touch()
    late.join()
    assert late.exitcode == 0
    assert [places.get(), places.get()] == [0, 1]
    assert places.empty()
