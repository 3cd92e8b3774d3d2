"""Ranks over pipes, each a thread: the numbers of one process, in its order; a rank that ends is an error and no wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_llm import load_model
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine, ask, using
from pytest_llm.inference.parts import least_effort
from pytest_llm.inference.ranks import Ranks, serve, sharing
from pytest_llm.models.language_model import Window
from tests.stub_models import RankModel


@contextmanager
def ranks_of(count: int, served: Callable[[Connection], object] = lambda end: serve(end, 0)) -> Iterator[Ranks]:
    """So many besides this one."""
    pipes = [Pipe() for _ in range(count)]
    threads = [threading.Thread(target=served, args=(theirs,), daemon=True) for _, theirs in pipes]
    for thread in threads:
        thread.start()
    ranks = Ranks(lambda: [ours for ours, _ in pipes], count + 1)
    with sharing(ranks), using(Engine(ranks=True)):
        yield ranks
    ranks.close(0)
    for (ours, _), thread in zip(pipes, threads, strict=True):
        ours.close()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("count", [1, 3])
def test_answers_are_in_order_and_all_ranks_give_some(count: int) -> None:
    texts = [f"text {number}" for number in range(40)]
    with ranks_of(count):
        model = RankModel(state=7, seconds=0.005)
        answers = ask(model, "score", texts)
    assert [text for text, _, _ in answers] == texts
    assert {state for _, state, _ in answers} == {7}
    assert len({thread for _, _, thread in answers}) == count + 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_items_are_enough_and_none_are_no_question(count: int) -> None:
    with ranks_of(3):
        assert len(ask(RankModel(1), "score", ["a"] * count)) == count


def test_one_at_a_time_is_one_at_a_time_everywhere() -> None:
    with ranks_of(1), using(Engine(ranks=True, deterministic=True)):
        assert ask(RankModel(1), "sizes", list("abcdefgh")) == [1] * 8
    with ranks_of(1):
        assert max(ask(RankModel(1), "sizes", list("abcdefgh"))) == 1
        assert max(ask(RankModel(1), "sizes", list("abcdefgh" * 4))) == 4


def test_a_checkpoint_is_loaded_by_name_and_gives_the_same_bits() -> None:
    model: Any = load_model("tiny-decoder", device="cpu")
    generator = np.random.default_rng(4)
    windows = [Window(tuple(map(int, generator.integers(1, 2000, n))), n - 2) for n in range(5, 30)]
    expected = model.score_windows([windows[3]])[0].tobytes()
    with ranks_of(1) as ranks, using(Engine(ranks=True, deterministic=True)):
        found = ask(model, "score_windows", windows)
        assert found[3].tobytes() == expected
        assert [answer.tobytes() for answer in found] == [model.score_windows([one])[0].tobytes() for one in windows]
        assert ranks._offer(model).packed is None


def test_a_model_that_was_changed_is_sent_as_it_is_now() -> None:
    model: Any = load_model("tiny-decoder", device="cpu")
    windows = [Window((5, 6, 7, 8, 9 + n), 4) for n in range(16)]
    with ranks_of(1) as ranks, using(Engine(ranks=True, deterministic=True)):
        before = ask(model, "score_windows", windows)
        with torch.no_grad():
            next(model.module.parameters()).mul_(1.5)
        after = ask(model, "score_windows", windows)
        assert ranks._offer(model).packed is not None
    assert [answer.tobytes() for answer in after] == [model.score_windows([one])[0].tobytes() for one in windows]
    assert not np.array_equal(before[0], after[0])


def test_a_file_that_has_changed_since_is_not_taken_for_the_model(tmp_path: Path) -> None:
    import shutil

    from pytest_llm import embedded

    folder = shutil.copytree(embedded("models/tiny-decoder"), tmp_path / "model")
    model: Any = load_model(folder, device="cpu")
    shutil.rmtree(folder)
    shutil.copytree(embedded("models/tiny-encoder"), folder)
    windows = [Window((5, 6, 7, 8, 9 + n), 4) for n in range(16)]
    with ranks_of(1) as ranks, using(Engine(ranks=True, deterministic=True)):
        found = ask(model, "score_windows", windows)
        assert ranks._offer(model).packed is not None
    assert [answer.tobytes() for answer in found] == [model.score_windows([one])[0].tobytes() for one in windows]


def test_what_a_model_raises_elsewhere_is_raised_here() -> None:
    with ranks_of(1):
        with pytest.raises(KeyError, match="bad"):
            ask(RankModel(1, seconds=0.005), "score", ["good"] * 20 + ["bad"] + ["good"] * 20)
        assert len(ask(RankModel(1), "score", ["good"] * 5)) == 5  # they are ready for the next question


def test_a_rank_that_ends_is_an_error_at_once() -> None:
    def served(end: Connection) -> None:
        end.recv_bytes()
        end.close()

    with ranks_of(1, served):
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(
                MisuseError, match=r"rank 1 ended before it had answered .*Answers that were kept on disk"
            ):
                ask(RankModel(1, seconds=0.01), "score", ["text"] * 40)
        assert time.monotonic() - began < 5


def test_the_status_of_the_session_is_that_of_its_ranks() -> None:
    statuses: list[int] = []
    with ranks_of(2, lambda end: statuses.append(serve(end, 0))) as ranks:
        ask(RankModel(1), "score", ["text"])
        ranks.close(3)
    assert statuses == [3, 3]


def test_ranks_whose_first_one_is_gone_end_with_an_error() -> None:
    ours, theirs = Pipe()
    ours.close()
    assert serve(theirs, 0) == 1


class Local:
    """Cannot be sent: it holds a function of this process."""

    def __init__(self) -> None:
        self.score: Callable[[Sequence[str]], list[list[float]]] = lambda texts: [[-1.0] for _ in texts]


def test_a_model_that_cannot_be_sent_is_refused() -> None:
    with ranks_of(1), pytest.raises(MisuseError, match=r"Local cannot be sent to other ranks .*engine=Engine\(\)"):
        ask(Local(), "score", ["text"] * 9)


def test_parts_are_as_large_as_all_ranks_need() -> None:
    with using(Engine(ranks=True)):
        alone = least_effort(object(), 0)
    with ranks_of(3):
        assert least_effort(object(), 0) == 4 * alone


def test_without_other_ranks_this_one_answers() -> None:
    with using(Engine(ranks=True)):
        assert ask(Local(), "score", ["text"]) == [[-1.0]]


def test_ranks_and_processes_contradict_each_other() -> None:
    with pytest.raises(MisuseError, match="the launcher's ranks are the processes"):
        Engine(ranks=True, processes=2)
