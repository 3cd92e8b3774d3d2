"""What is timed: single requests, after a warm-up, by a clock that the tests hold."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference import probe
from pytest_llm.inference.engine import Engine, using
from pytest_llm.inference.memo import remembering
from pytest_llm.inference.probe import prompt_length, time_in_turn, time_requests
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.timed import Timed
from tests.timed_models import Clock, Streamer, Writer

PROMPTS = load_examples(["one", "two words", "three more words"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().put_in_place(monkeypatch)


def test_each_prompt_is_asked_alone_in_rounds_that_turn_round(clock: Clock) -> None:
    model = Writer(clock, lambda prompt: len(prompt) / 10)
    times = time_requests(model, PROMPTS, Timed(warmup=0, rounds=3))
    there = [example.text for example in PROMPTS]
    assert model.asked == [(prompt, 1) for prompt in [*there, *reversed(there), *there]]
    assert [of_prompt.whole.tolist() for of_prompt in times] == [
        pytest.approx([len(prompt) / 10] * 3) for prompt in there
    ]


def test_warm_up_requests_are_not_in_the_times(clock: Clock) -> None:
    model = Writer(clock, {"one": [9.0, 1.0, 1.0]})  # the first answer takes long
    (times,) = time_requests(model, PROMPTS[:1], Timed(warmup=1, rounds=2))
    assert times.whole.tolist() == [1.0, 1.0]
    (cold,) = time_requests(Writer(clock, {"one": [9.0, 1.0, 1.0]}), PROMPTS[:1], Timed(warmup=0, rounds=2))
    assert cold.whole.tolist() == [9.0, 1.0]


def test_more_warm_up_than_prompts_begins_again(clock: Clock) -> None:
    model = Writer(clock, lambda _: 1.0)
    time_requests(model, PROMPTS[:2], Timed(warmup=3, rounds=1))
    assert [prompt for prompt, _ in model.asked] == ["one", "two words", "one", "one", "two words"]


def test_an_answer_that_is_known_is_asked_for_again_and_no_other_process_is(clock: Clock) -> None:
    model = Writer(clock, lambda _: 1.0)
    with remembering(), using(Engine(processes=2)):  # a lambda could not be sent to another process
        time_requests(model, PROMPTS, Timed(warmup=0, rounds=2))
        time_requests(model, PROMPTS, Timed(warmup=0, rounds=2))
    assert len(model.asked) == 12


def test_the_prompt_is_what_the_task_makes_of_the_example(clock: Clock) -> None:
    model = Writer(clock, lambda _: 1.0)
    time_requests(model, PROMPTS[:1], Timed(Generate("Say {text}!"), warmup=0, rounds=1))
    assert model.asked == [("Say one!", 1)]


def test_a_stream_tells_when_the_first_and_the_last_token_came(clock: Clock) -> None:
    model = Streamer(clock, tokens=4, first=0.5, each=0.25, after=2.0)
    (times,) = time_requests(model, PROMPTS[1:2], Timed(tokens=True, warmup=0, rounds=1))
    assert (times.first.tolist(), times.last.tolist(), times.whole.tolist()) == ([0.5], [1.25], [3.25])
    assert times.tokens.tolist() == [4]
    assert times.per_token.tolist() == [0.25]
    assert times.prompt_tokens == 2


def test_a_stream_without_a_piece_has_no_first_token(clock: Clock) -> None:
    (times,) = time_requests(Streamer(clock, tokens=0), PROMPTS[:1], Timed(tokens=True, warmup=0, rounds=1))
    assert math.isnan(times.first[0])
    assert times.tokens.tolist() == [0]


def test_whole_answers_are_asked_for_by_generate_also_where_there_is_a_stream(clock: Clock) -> None:
    class Torn(Streamer):
        def stream(self, prompt: str, decoding: Decoding) -> Any:
            raise AssertionError

    (times,) = time_requests(Torn(clock, after=1.0), PROMPTS[:1], Timed(warmup=0, rounds=1))
    assert times.whole.tolist() == pytest.approx([1.9])
    assert times.prompt_tokens is None


def test_two_models_are_asked_a_b_b_a_for_each_prompt(clock: Clock) -> None:
    order: list[tuple[str, str]] = []

    def told(name: str, seconds: float) -> Writer:
        def take(prompt: str) -> float:
            order.append((name, prompt))
            return seconds

        return Writer(clock, take)

    seconds = time_in_turn(
        told("candidate", 2.0), told("baseline", 1.0), PROMPTS[:2], Timed(warmup=1), of="latency", pairs=6
    )
    assert seconds.tolist() == [[2.0, 1.0]] * 6
    assert order[:2] == [("candidate", "one"), ("baseline", "one")]  # warm-up of both
    a_b_b_a = ["baseline", "candidate", "candidate", "baseline"]
    assert order[2:] == [(name, prompt) for prompt in ("one", "two words", "one") for name in a_b_b_a]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (False, r"object cannot say what comes next in words of its own: that takes .* generate\(prompts, decoding\)"),
        (True, r"object cannot say when each token .* stream\(prompt, decoding\)"),
    ],
)
def test_a_model_that_cannot_be_asked_so_is_refused(tokens: bool, message: str) -> None:
    nobody: Any = object()
    with pytest.raises(MisuseError, match=message):
        time_requests(nobody, PROMPTS, Timed(tokens=tokens))


@pytest.mark.parametrize("tokens", [False, True])
def test_an_answer_that_is_no_text_is_refused(clock: Clock, tokens: bool) -> None:
    class Wrong(Streamer):
        def generate(self, prompts: Any, decoding: Decoding) -> Any:
            return [7]

        def stream(self, prompt: str, decoding: Decoding) -> Any:
            yield 7

    with pytest.raises(MisuseError, match="Wrong answered 7; expected a text"):
        time_requests(Wrong(clock), PROMPTS, Timed(tokens=tokens))


def test_a_gpu_is_waited_for_before_the_clock_is_read(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Work that a GPU still had to do when the request began is not the request's."""

    class OnGpu(Writer):
        device = "cuda:1"
        waiting = 5.0

        def generate(self, prompts: Any, decoding: Decoding) -> list[str]:
            answers = super().generate(prompts, decoding)
            self.clock.now += self.waiting
            return answers

    model = OnGpu(clock, lambda _: 1.0)
    waited_for = []

    def synchronize(device: str) -> None:
        waited_for.append(device)
        clock.now += model.waiting
        model.waiting = 0.0

    monkeypatch.setattr("torch.cuda.synchronize", synchronize)
    (times,) = time_requests(model, PROMPTS[:1], Timed(warmup=0, rounds=2))
    assert times.whole.tolist() == [1.0, 1.0]
    assert waited_for == ["cuda:1"] * 2


def test_a_cpu_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, clock: Clock, tiny: TransformersModel) -> None:
    monkeypatch.setattr("torch.cuda.synchronize", lambda *_: pytest.fail("there is no GPU"))
    probe.synchronise(tiny)
    probe.synchronise(object())


def test_the_clock_itself_goes_forward() -> None:
    before = probe.clock()
    assert probe.clock() >= before


def test_a_model_of_transformers_is_asked_by_its_own_generate(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock ticks once whenever it is read: at the beginning, at each token, at the end."""
    calls = []
    own = tiny.module.generate

    def generate(*args: Any, **settings: Any) -> Any:
        calls.append(args)
        return own(*args, **settings)

    monkeypatch.setitem(vars(tiny.module), "generate", generate)  # of setattr, the bound method would stay
    monkeypatch.setitem(vars(tiny), "generate", lambda *_: pytest.fail("the batched way is not what is timed"))
    ticks = iter(range(10_000))
    monkeypatch.setattr(probe, "clock", lambda: float(next(ticks)))
    task = Timed(Generate(max_tokens=6), tokens=True, warmup=1, rounds=2)
    (times,) = time_requests(tiny, load_examples(["It is a truth universally"]), task)
    assert len(calls) == 3
    written = int(times.tokens[0])
    assert 2 <= written <= 6
    assert times.first.tolist() == [1, 1]
    assert times.last.tolist() == [written, written]
    assert times.whole.tolist() == [written + 1, written + 1]
    assert times.prompt_tokens == prompt_length(tiny, "It is a truth universally")


def test_without_a_look_at_tokens_the_clock_is_read_twice(
    tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(10_000))
    monkeypatch.setattr(probe, "clock", lambda: float(next(ticks)))
    (times,) = time_requests(tiny, load_examples(["It is"]), Timed(Generate(max_tokens=3), warmup=1, rounds=1))
    assert times.whole.tolist() == [1]


def test_alone_a_model_writes_what_it_writes_among_others(tiny: TransformersModel) -> None:
    prompts = ["It is a truth", "No one who had ever seen Catherine"]
    decoding = Decoding(max_tokens=12)
    heard: list[int] = []
    alone = [tiny.write_alone(prompt, decoding, lambda: heard.append(1)) for prompt in prompts]
    assert alone == tiny.generate(prompts, decoding)
    assert 2 < len(heard) <= 24


def test_a_prompt_is_counted_with_its_special_tokens(tiny: TransformersModel) -> None:
    assert prompt_length(tiny, "It is") == len(tiny.tokenizer("It is")["input_ids"])
    assert prompt_length(object(), "It is") is None
