"""Who is asked what: each stretch is answered once, whoever ends meanwhile, and no more is taken than can be worked on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_llm.data.loading import load_examples
from pytest_llm.data.streaming import stream
from pytest_llm.errors import BudgetError, MisuseError
from pytest_llm.inference import in_batches
from pytest_llm.inference.cluster import asking, connection, offers, pool, seat
from pytest_llm.inference.cluster.sending import Sent
from pytest_llm.inference.cluster.settings import Cluster
from pytest_llm.inference.engine import Engine, ask, current_engine, using
from pytest_llm.inference.measure import measure
from pytest_llm.inference.memo import remembered, remembering, text_of
from pytest_llm.models import loading, placement
from pytest_llm.models.transformers_model import TransformersModel
from tests.inference.cluster.fake_ray import Died, FakeRay
from tests.stub_models import UniformModel

fatal: Counter[str] = Counter()
"""How many more actors end over a text."""
answered: Counter[str] = Counter()


class Mortal:
    """Doubles texts; what it does is counted by all copies of it together."""

    def __init__(self, state: int | None = 0) -> None:
        self.state = state

    def fingerprint(self) -> int | None:
        return self.state

    def double(self, texts: Sequence[str]) -> list[str]:
        for text in texts:
            if fatal[text] > 0:
                fatal[text] -= 1
                raise Died
            if text == "fail":
                raise ZeroDivisionError("the model's own mistake")
            answered[text] += 1
        return [2 * text for text in texts]


def double(model: Mortal, texts: list[str]) -> list[str]:
    return model.double(texts)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    fake = FakeRay()
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)  # workers share what room there is
    monkeypatch.setattr(connection, "connected", lambda cluster: fake)
    monkeypatch.setattr(
        pool, "Agreement", lambda: SimpleNamespace(agree=lambda shape, own: own, join=lambda: None, close=lambda: None)
    )
    fatal.clear()
    answered.clear()
    yield fake
    asking.close()


def doubled(stretches: Sequence[Sequence[str]], model: object = None, deterministic: bool = False) -> dict[int, Any]:
    found = asking.answers(Cluster(), model or Mortal(), double, iter(stretches), deterministic=deterministic)
    numbered = list(found)
    assert len(numbered) == len(dict(numbered)), "a stretch was answered twice"
    return dict(numbered)


STRETCHES = [["a", "b"], ["c"], ["d", "e"], ["f"], ["g"]]
DOUBLED = {0: ["aa", "bb"], 1: ["cc"], 2: ["dd", "ee"], 3: ["ff"], 4: ["gg"]}


def test_all_actors_share_the_work_and_stay_for_the_next_question(ray: FakeRay) -> None:
    model = Mortal()
    assert doubled(STRETCHES, model) == doubled(STRETCHES, model) == DOUBLED
    assert len(ray.actors) == 2
    assert all(actor.asked.count("hold") == 1 and actor.asked.count("answer") >= 2 for actor in ray.actors)
    assert sum(isinstance(stored, Sent) for stored in ray.stored) == 1  # the model, once for all of them


def test_the_cluster_is_not_asked_what_it_has_with_each_question(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, told = [0.0], ray.nodes
    asked: list[float] = []

    def nodes() -> list[dict[str, Any]]:
        asked.append(clock[0])
        return told()

    monkeypatch.setattr(pool, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(ray, "nodes", nodes)
    later = pool.ROOM_HOLDS + 0.1
    for clock[0], size in ((0.0, 2), (1.0, 2), (2.0, 2), (later, 3)):
        assert asking.actors(Cluster()) == size
        assert doubled(STRETCHES) == DOUBLED
        assert len(ray.actors) == size
        ray.cpus = 3
    assert asked == [0.0, later]


def test_what_an_actor_had_goes_to_another_one(ray: FakeRay) -> None:
    fatal["c"] = 2
    assert doubled(STRETCHES) == DOUBLED
    assert set(answered.values()) == {1}
    assert len(ray.killed) == 2
    assert len(ray.actors) == 4  # each that ended has a successor


def test_one_stretch_that_ends_actors_again_and_again_is_named(ray: FakeRay) -> None:
    fatal["e"] = 99
    with pytest.raises(MisuseError) as caught:
        doubled(STRETCHES)
    assert str(caught.value).startswith("3 actors in a row ended while they answered about 2 items ('d', 'e'): ")
    assert str(caught.value).endswith("The actor died unexpectedly")  # its first line
    assert fatal["e"] == 96
    fatal.clear()
    assert doubled(STRETCHES) == DOUBLED  # the next question finds new actors


def test_who_only_waited_behind_it_is_not_blamed(ray: FakeRay) -> None:
    ray.cpus = 1
    fatal["a"] = fatal["c"] = 2
    assert doubled(STRETCHES) == DOUBLED


def test_actors_that_end_before_they_hold_the_model_are_not_made_for_ever(ray: FakeRay) -> None:
    class Heavy(Mortal):
        def __reduce__(self) -> Any:
            return _end, ()

    with pytest.raises(MisuseError, match=r"3 actors in a row ended before they held the model: The actor died"):
        doubled(STRETCHES, Heavy())


def _end() -> None:
    raise Died


def test_an_error_of_the_model_is_raised_as_it_is_and_not_asked_again(ray: FakeRay) -> None:
    with pytest.raises(ZeroDivisionError, match="the model's own mistake"):
        doubled([["a"], ["fail"], ["b"]])
    assert not ray.killed
    assert doubled(STRETCHES) == DOUBLED  # what was still under way is not taken for an answer


def test_no_more_is_taken_than_can_be_worked_on(ray: FakeRay) -> None:
    taken, most = 0, 0

    def stretches() -> Iterator[list[str]]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield [str(number)]

    for count, _ in enumerate(asking.answers(Cluster(), Mortal(), double, stretches(), deterministic=False)):
        most = max(most, taken - count)
    assert taken == 100
    assert most <= 2 * pool.ASKED_AT_ONCE + 1


def test_what_ends_the_stretches_is_raised_when_those_before_it_are_answered(ray: FakeRay) -> None:
    def stretches() -> Iterator[list[str]]:
        yield ["a"]
        yield ["b"]
        raise BudgetError("1s", "2s", 1, kept=False)

    with pytest.raises(BudgetError):
        list(asking.answers(Cluster(), Mortal(), double, stretches(), deterministic=False))
    assert answered == {"a": 1, "b": 1}


def test_nobody_waits_for_ever_for_a_place(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE", 0.01)
    ray.places = False
    with pytest.raises(
        MisuseError,
        match=r"no actor with 1 CPU could start in 0.01 s: the Ray cluster has 0 CPUs and 0 GPUs that are free$",
    ):
        doubled(STRETCHES)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    with pytest.raises(
        MisuseError, match="that are free; 3 workers of pytest-xdist share it, each with its own actors"
    ):
        doubled(STRETCHES)


def test_a_changed_model_is_sent_anew_and_one_that_does_not_say_each_time(ray: FakeRay) -> None:
    model = Mortal()
    for state, sent in ((0, 1), (0, 1), (1, 2), (None, 3), (None, 4)):
        model.state = state
        doubled(STRETCHES, model)
        assert sum(isinstance(stored, Sent) for stored in ray.stored) == sent


def test_an_actor_holds_two_models(ray: FakeRay) -> None:
    first, second, third = Mortal(), Mortal(), Mortal()
    for model in (first, second, first, second, third, first):
        assert doubled(STRETCHES, model) == DOUBLED
    assert all(actor.asked.count("hold") == 4 for actor in ray.actors)


@pytest.mark.parametrize("name", ["torch", "pytest-llm-regression"])
def test_a_node_with_other_versions_is_refused(ray: FakeRay, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    own = seat.environment()
    monkeypatch.setattr(pool, "environment", lambda: {**own, name: "0.1"})
    with pytest.raises(MisuseError, match=f"would compute otherwise than this process .{name} .* there, 0.1 here"):
        doubled(STRETCHES)


def test_another_cluster_takes_the_place_of_the_first(ray: FakeRay) -> None:
    doubled(STRETCHES)
    found = asking.answers(Cluster(actors=1), Mortal(), double, iter(STRETCHES), deterministic=False)
    assert dict(found) == DOUBLED
    assert set(ray.killed) == set(ray.actors[:2])


def test_actors_ask_one_at_a_time_where_the_engine_does(ray: FakeRay) -> None:
    for deterministic in (True, False):
        found = asking.answers(Cluster(), Mortal(), policy, [["a"]], deterministic=deterministic)
        assert dict(found) == {0: [Engine(deterministic=deterministic).policy]}


def policy(model: Mortal, texts: list[str]) -> list[str]:
    return [current_engine().policy]


def test_ask_shares_items_evenly(ray: FakeRay) -> None:
    texts = list("abcdefghi")
    with using(Engine(cluster=Cluster())):
        assert ask(Mortal(), "double", texts) == [2 * text for text in texts]
        assert ask(Mortal(), "double", []) == []
    assert sum(actor.asked.count("answer") for actor in ray.actors) == 3  # of four at most, three each


# what the memo makes of it


def lengths(model: object, examples: list[Any]) -> list[float]:
    return [float(len(example.text)) for example in examples]


def test_answers_are_remembered_as_they_come(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [letter * 70_000 for letter in "abcdefgh"]
    added: list[int] = []
    monkeypatch.setattr("pytest_llm.inference.memo.note_answers", lambda count, kept: added.append(count))
    with remembering() as memo, using(Engine(cluster=Cluster())):
        examples = load_examples(texts)
        assert remembered(Mortal(), examples, "length", lengths, text_of) == [70_000.0] * 8
        assert remembered(Mortal(), examples, "length", lengths, text_of) == [70_000.0] * 8
    assert added == [1] * 8  # a part is a stretch
    assert (memo.tally.computed, memo.tally.remembered) == (8, 8)


def test_few_texts_are_shared_among_all_actors(ray: FakeRay) -> None:
    with using(Engine(cluster=Cluster())):
        remembered(Mortal(), load_examples([9 * letter for letter in "abcdefgh"]), "length", lengths, text_of)
    assert all(actor.asked.count("answer") for actor in ray.actors)


def test_a_batch_of_a_stream_has_so_many_examples_for_each_actor(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{number} is a number" for number in range(100)]
    local = measure(UniformModel(), stream({"text": text} for text in texts), "perplexity")
    monkeypatch.setattr(in_batches, "BATCH", 10)
    with remembering(), using(Engine(cluster=Cluster())):
        shared = measure(UniformModel(), stream({"text": text} for text in texts), "perplexity")
    assert (shared.value, shared.n) == (local.value, 100)
    assert shared.statistics.tolist() == local.statistics.tolist()
    batches = 100 / (10 * len(ray.actors))
    asked = sum(actor.asked.count("answer") for actor in ray.actors)
    assert asked == batches * asking.STRETCHES_PER_ACTOR * len(ray.actors)


def test_where_all_is_known_no_cluster_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(cluster: Cluster) -> None:
        pytest.fail("it connected")

    monkeypatch.setattr(connection, "connected", connected)
    examples = load_examples(["one", "two"])
    with remembering():
        remembered(Mortal(), examples, "length", lengths, text_of)
        with using(Engine(cluster=Cluster())):
            assert remembered(Mortal(), examples, "length", lengths, text_of) == [3.0, 3.0]


# how checkpoints reach actors


def names_of(model: Any, items: list[str]) -> list[str]:
    return [f"{model.name} {item}" for item in items]


def test_a_checkpoint_is_loaded_by_each_actor(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    original = loading.load_model

    def load(source: str, **settings: Any) -> Any:
        loaded.append(source)
        return original(source, **settings)

    model = original("tiny-decoder", device="cpu")
    monkeypatch.setattr(loading, "load_model", load)
    found = asking.answers(Cluster(), model, names_of, [["a"], ["b"]], deterministic=False)
    assert dict(found) == {0: ["tiny-decoder a"], 1: ["tiny-decoder b"]}
    assert loaded == ["tiny-decoder"] * 2
    assert not any(isinstance(stored, Sent) for stored in ray.stored)


def test_one_that_has_changed_since_is_sent(ray: FakeRay) -> None:
    import torch

    model = loading.load_model("tiny-decoder", device="cpu")
    assert isinstance(model, TransformersModel)
    with torch.no_grad():
        model.module.model.norm.weight[3] += 1
    found = asking.answers(Cluster(), model, third_of_norm, [["a"]], deterministic=False)
    assert dict(found) == {0: third_of_norm(model, [])}
    assert sum(isinstance(stored, Sent) for stored in ray.stored) == 1


def third_of_norm(model: Any, items: list[str]) -> list[float]:
    return [model.module.model.norm.weight.detach()[3].item()]


def test_a_model_that_does_not_arrive_as_it_left_is_refused(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyed(UniformModel):
        def cache_key(self) -> str:
            return "here" if self.calls else "there"

    monkeypatch.setitem(globals(), "Keyed", Keyed)
    Keyed.__qualname__ = "Keyed"
    model = Keyed()
    offer = offers.Offers().offer(model)
    model.calls.append(["asked"])  # from here on its key is another one
    assert offer.key == "there"
    monkeypatch.setattr(offers.Offers, "offer", lambda self, model: offer)
    with pytest.raises(
        MisuseError, match="a model is not the same in the actors of the cluster: it has hooks or replaced"
    ):
        dict(asking.answers(Cluster(), model, names_of, [["a"]], deterministic=False))
    assert ray.killed  # nobody asks it again


def test_actors_spread_their_models_and_give_the_same_numbers(ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    spread: list[str] = []
    monkeypatch.setattr(placement, "spread", lambda module, word: spread.append(word))
    model: Any = loading.load_model("tiny-decoder", device="cpu")
    texts = ["It is a truth universally acknowledged", "that a single man"]
    on_cluster = Engine(deterministic=True, cluster=Cluster(device_map="auto"))
    here, there = (measure(model, texts, "perplexity", engine=one) for one in (Engine(deterministic=True), on_cluster))
    assert there.statistics.tobytes() == here.statistics.tobytes()
    assert spread == ["auto"] * len(ray.actors)


def test_a_model_on_several_devices_is_refused(ray: FakeRay) -> None:
    model = UniformModel()
    vars(model)["module"] = SimpleNamespace(hf_device_map={"embed": 0, "layers": 1})
    with pytest.raises(
        MisuseError, match=r"load it with device='cpu', and let each actor spread its own: Cluster\(gpus=2\)"
    ):
        offers._offer(model)
