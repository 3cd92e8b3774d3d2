"""Requests at set times, under a clock of the tests: who waits is counted, and what stalls is seen by all who would have waited."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import numpy as np
import pytest

from pytest_llm.data.loading import load_examples
from pytest_llm.errors import BudgetError, MisuseError
from pytest_llm.inference import probe
from pytest_llm.inference.open_loop import at_set_times
from pytest_llm.inference.probe import asked_at_once, time_requests
from pytest_llm.metrics.efficiency import RequestTimes
from pytest_llm.tasks.arrival import Arrival
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.timed import Timed
from tests.virtual_time import VirtualTime

Seconds = Callable[[str, float], float]


class Served:
    """Answers each prompt after some seconds, any number of them at once.

    Args:
        time: of the tests.
        seconds: from a prompt and the moment at which it is asked to how long its answer takes.
    """

    def __init__(self, time: VirtualTime, seconds: Seconds, concurrency: int = 1000) -> None:
        self.time, self.seconds, self.concurrency = time, seconds, concurrency
        self.asked: list[tuple[str, float]] = []

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
        (prompt,) = prompts
        self.asked.append((prompt, self.time.now))
        self.time.sleep(self.seconds(prompt, self.time.now))
        return ["an answer"]


class Stalling(Served):
    """As a garbage collector stops a server: from one moment to another it answers nobody, and then all."""

    def __init__(self, time: VirtualTime, begin: float, stall: float, usual: float = 0.01) -> None:
        def seconds(_: str, now: float) -> float:
            done = now + usual
            since = begin + time_zero
            return (since + stall if since <= done < since + stall else done) - now

        time_zero = time.now
        super().__init__(time, seconds)


def run(
    monkeypatch: pytest.MonkeyPatch, count: int, task: Timed, make: Callable[[VirtualTime], Served]
) -> tuple[list[RequestTimes], Served]:
    arrival = task.arrival
    examples = load_examples([{"id": str(place), "text": f"prompt {place}"} for place in range(count)])
    wanted = 1 if arrival is None else min(count, arrival.connections)
    time = VirtualTime(1)
    model = make(time)
    time.threads = min(wanted, model.concurrency)
    monkeypatch.setattr(probe, "clock", time)
    monkeypatch.setattr(probe, "pause", time.sleep)
    return time_requests(model, examples, task), model


def whole(times: Sequence[RequestTimes]) -> list[float]:
    return [float(of_prompt.whole[0]) for of_prompt in times]


def constant(rate: float, connections: int = 1000) -> Timed:
    return Timed(warmup=0, arrival=Arrival(rate, "constant", connections))


def test_requests_are_sent_when_they_are_due_whoever_is_still_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    times, model = run(monkeypatch, 5, constant(2), lambda time: Served(time, lambda *_: 10.0))
    assert sorted(model.asked) == [(f"prompt {place}", 1000 + place / 2) for place in range(5)]
    assert whole(times) == pytest.approx([10.0] * 5)
    assert [of_prompt.due for of_prompt in times] == [0, 0.5, 1.0, 1.5, 2.0]


def test_a_poisson_process_is_sent_as_it_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    arrival = Arrival(3, seed=7)
    _, model = run(monkeypatch, 20, Timed(warmup=0, arrival=arrival), lambda time: Served(time, lambda *_: 1.0))
    sent = [moment - 1000 for _, moment in sorted(model.asked, key=lambda pair: pair[1])]
    assert sent == pytest.approx(arrival.send_times(20).tolist())


@pytest.mark.parametrize(("rate", "stall"), [(5, 2.0), (10, 1.0)])
def test_a_stall_is_seen_by_all_who_would_have_waited_and_by_one_in_a_closed_loop(
    monkeypatch: pytest.MonkeyPatch, rate: float, stall: float
) -> None:
    """The law of coordinated omission: at rate r, a stall of S seconds delays about S · r requests, by S, S − 1/r and so on."""
    count = int(rate * 4)

    def make(time: VirtualTime) -> Served:
        return Stalling(time, begin=0.105, stall=stall)

    enough = constant(rate, connections=int(stall * rate) + 3)
    opened = np.array(whole(run(monkeypatch, count, enough, make)[0]))
    closed = np.array(whole(run(monkeypatch, count, Timed(warmup=0, rounds=1), make)[0]))
    slow = opened > 0.0101
    assert slow.sum() == pytest.approx(stall * rate, abs=1)
    assert (closed > 0.0101).sum() == 1
    assert opened.max() == pytest.approx(closed.max(), abs=1 / rate)
    assert np.diff(np.sort(opened[slow])) == pytest.approx(1 / rate)
    assert opened.sum() - count * 0.01 == pytest.approx(rate * stall**2 / 2, rel=0.2)


def test_who_finds_no_connection_waits_and_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections, four requests at once in effect: the second two wait for the first two."""
    times, model = run(monkeypatch, 4, constant(1000, connections=2), lambda time: Served(time, lambda *_: 3.0))
    assert whole(times) == pytest.approx([3.0, 3.0, 6.0, 6.0], abs=0.01)
    assert [float(of_prompt.waited[0]) for of_prompt in times] == pytest.approx([0, 0, 3.0, 3.0], abs=0.01)
    assert max(moment for _, moment in model.asked) == pytest.approx(1003, abs=0.01)


def test_a_model_that_does_not_say_otherwise_is_asked_by_this_thread_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue: at twice what the model can do, each request waits half a second longer than the one before it."""
    names = []

    class Local(Served):
        def generate(self, prompts: Sequence[str], decoding: Decoding) -> list[str]:
            names.append(threading.current_thread().name)
            return super().generate(prompts, decoding)

    times, _ = run(monkeypatch, 5, constant(2), lambda time: Local(time, lambda *_: 1.0, concurrency=1))
    assert whole(times) == pytest.approx([1.0, 1.5, 2.0, 2.5, 3.0])
    assert set(names) == {threading.current_thread().name}
    assert asked_at_once(object()) == 1


def test_tokens_of_a_stream_count_from_when_the_request_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection, tokens at 1, 2 and 3 seconds: the second request, due at 1, is sent at 3."""

    class Streaming(Served):
        def stream(self, prompt: str, decoding: Decoding) -> Iterator[str]:
            for _ in range(3):
                self.time.sleep(1.0)
                yield "token "

    task = Timed(warmup=0, tokens=True, arrival=Arrival(1, "constant", 1))
    times, _ = run(monkeypatch, 2, task, lambda time: Streaming(time, lambda *_: 0))
    assert [float(of_prompt.first[0]) for of_prompt in times] == [1.0, 3.0]
    assert [float(of_prompt.per_token[0]) for of_prompt in times] == [1.0, 1.0]


def test_the_first_error_ends_the_run_and_nothing_more_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(prompt: str, _: float) -> float:
        if prompt == "prompt 3":
            raise MisuseError("the server is gone")
        return 0.1

    sent: list[Served] = []

    def make(time: VirtualTime) -> Served:
        sent.append(Served(time, seconds, concurrency=4))
        return sent[0]

    with pytest.raises(MisuseError, match="the server is gone"):
        run(monkeypatch, 1000, constant(1), make)
    assert len(sent[0].asked) <= 4 + 3


def test_a_budget_ends_it_with_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))

    def refuse() -> None:
        if next(calls) == 3:
            raise BudgetError("1s", "1.5s", 3, kept=False)

    monkeypatch.setattr(probe, "refuse_overrun", refuse)
    with pytest.raises(BudgetError) as caught:
        run(monkeypatch, 6, constant(1), lambda time: Served(time, lambda *_: 0.5, concurrency=1))
    assert caught.value.outputs is not None
    assert {place: output.whole.tolist() for place, output in caught.value.outputs.items()} == {
        place: [0.5] for place in range(3)
    }


def test_threads_see_the_context_of_who_asks() -> None:
    bound: ContextVar[str] = ContextVar("bound", default="nothing")
    bound.set("a budget")
    seen = []
    at_set_times([0.0] * 3, lambda _: seen.append(bound.get()), at_once=3, clock=lambda: 1.0)
    assert seen == ["a budget"] * 3


def test_real_time_passes_between_requests() -> None:
    """Not how exactly, which a loaded machine decides, but that none is early."""
    from time import perf_counter

    began = perf_counter()
    early: list[float] = []
    due = [began + place * 0.02 for place in range(5)]
    at_set_times(due, lambda place: early.append(due[place] - perf_counter()), at_once=2)
    assert len(early) == 5
    assert max(early) <= 0
    assert not any(map(math.isnan, early))
