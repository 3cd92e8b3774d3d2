"""Which actor is asked what: stretches go to whoever is free, those of an actor that ended to another one; each counts once."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.inference.cluster import connection
from pytest_llm.inference.cluster.agreement import Agreement
from pytest_llm.inference.cluster.offers import Offer, Offers
from pytest_llm.inference.cluster.seat import Held, Seat, environment, refuse_other_environment
from pytest_llm.inference.cluster.sending import packed_items, packed_work, separate, unpacked_result
from pytest_llm.inference.cluster.settings import Cluster
from pytest_llm.wording import counted

logger = logging.getLogger(__name__)

ASKED_AT_ONCE = 2
"""Stretches that an actor has: one that it answers, and the next one, which is there when it is done."""
MOST_DEATHS = 3
"""So many actors may end over one stretch, or before they hold the model, in a row."""
PATIENCE = 120.0
"""Seconds until an actor has to be placed, if none is."""
ROOM_HOLDS = 5.0
"""Seconds until the cluster is asked again what it has room for: the answer takes milliseconds, and lists each node."""


@dataclass
class Stretch:
    """Items that one actor answers about together."""

    number: int
    items: Sequence[Any]
    deaths: int = 0
    """How many actors ended while they answered about it."""

    def __str__(self) -> str:
        names = [getattr(item, "label", None) or f"{item!r:.40}" for item in self.items]
        shown = ", ".join(map(str, names[:3])) + f" and {len(names) - 3} more" * (len(names) > 3)
        return f"{counted(len(names), 'item')} ({shown})"


@dataclass(eq=False)
class _Call:
    """What an actor was asked."""

    question: _Question
    stretch: Stretch | None = None
    done: Callable[[Any], None] | None = None
    """Takes the result of what is about no stretch."""


@dataclass(eq=False)
class _Question:
    """What all actors work on."""

    source: Iterator[Sequence[Any]]
    work: Any
    """Of Ray, to what they do."""
    deterministic: bool
    models: list[tuple[Any, Offer]]
    asked: int = 0
    """Stretches that some actor has."""
    error: Exception | None = None
    """What ended the source of stretches."""
    _taken: int = 0
    _again: deque[Stretch] = field(default_factory=deque)

    def next(self) -> Stretch | None:
        """The next stretch; None where there is none left."""
        if self._again:
            return self._again.popleft()
        if self.error is not None:
            return None
        try:
            items = next(self.source)
        except Exception as error:  # it waits until what was asked before is answered
            self.error = error
            return None
        self._taken += 1
        return Stretch(self._taken - 1, items)

    def ask_again(self, stretches: Sequence[Stretch]) -> None:
        """Those come next."""
        self.asked -= len(stretches)
        self._again.extendleft(reversed(stretches))

    @property
    def is_answered(self) -> bool:
        return self.error is not None and not self.asked and not self._again


@dataclass(eq=False)
class _Place:
    """An actor, as this process sees it."""

    actor: Any
    calls: deque[_Call] = field(default_factory=deque)
    """In the order in which it answers them."""
    held: tuple[str, ...] = ()
    is_placed: bool = False
    is_lost: bool = False


class Pool:
    """The actors of a cluster. They stay for the next question, until `close`.

    Raises:
        MisuseError: Ray is not installed, no cluster is there, or it has no room.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._ray = connection.connected(cluster)
        self._agreement = Agreement()
        self._offers = Offers()
        self._places: list[_Place] = []
        self._events: SimpleQueue[tuple[_Place, _Call, Any]] = SimpleQueue()
        self._own = environment()
        self._failed_starts = 0
        self._room: tuple[float, int] = (-math.inf, 0)

    @property
    def is_connected(self) -> bool:
        """Whether the connection with the cluster is the one that the actors were made through."""
        return bool(self._ray.is_initialized())

    @property
    def size(self) -> int:
        """How many actors there are to be."""
        now = time.monotonic()
        if now - self._room[0] > ROOM_HOLDS:
            self._room = now, connection.room(self._ray, self.cluster)
        return self._room[1]

    def close(self) -> None:
        """End all actors."""
        if not self.is_connected:  # they ended with the connection
            self._places.clear()
        while self._places:
            self._let_go(self._places[-1])
        self._agreement.close()

    def answers(
        self,
        compute: Callable[..., Any],
        model: Any,
        stretches: Iterable[Sequence[Any]],
        *,
        deterministic: bool,
        others: Sequence[Any] = (),
    ) -> Iterator[tuple[int, list[Any]]]:
        """The number of each stretch with the answers about it, as they come, each once.

        Only so many stretches are taken as can be worked on. What raises an error when the next one is taken is raised when
        those before it are answered.

        Args:
            compute: called in an actor with the model and the items of a stretch.
            model: what is asked.
            stretches: the items.
            deterministic: whether actors ask about one item at a time.
            others: other models that are among the settings of `compute`.

        Raises:
            MisuseError: a model that cannot be sent, actors that end again and again, an environment that is not this one.
            Exception: what the model raises.
        """
        models = [model, *others]
        if any(hasattr(one, "module") for one in models):
            self._agreement.join()
        offers = [self._offers.offer(one) for one in models]
        names = {id(one): offer.name for one, offer in zip(models, offers, strict=True)}
        work = self._ray.put(packed_work(partial(compute, model), names))
        question = _Question(iter(stretches), work, deterministic, list(zip(models, offers, strict=True)))
        wanted = self.size
        while True:
            self._staff(question, wanted)
            for depth in range(1, ASKED_AT_ONCE + 1):  # nobody has a second one while another has none
                for place in self._places:
                    self._occupy(place, question, depth)
            if question.is_answered:
                break
            try:
                place, call, future = self._events.get(timeout=PATIENCE)
            except Empty:
                self._refuse_to_wait()
                continue
            if place.is_lost:
                continue
            if self._is_loss(future.exception()):
                self._lose(place, question, future.exception())
                continue
            place.calls.remove(call)
            if call.done is not None:
                self._conclude(place, call.done, future)
            elif call.question is question and call.stretch is not None:
                question.asked -= 1
                yield call.stretch.number, separate(unpacked_result(future.result()))
        if question.error is not None and not isinstance(question.error, StopIteration):
            raise question.error

    def _staff(self, question: _Question, wanted: int) -> None:
        """Make as many actors as there are to be."""
        while len(self._places) < wanted:
            cluster = self.cluster
            kind = self._ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus, scheduling_strategy="SPREAD")(Seat)
            actor = kind.remote(cluster.cpus, bool(cluster.gpus), self._agreement.agree, cluster.spread)
            place = _Place(actor)
            self._places.append(place)
            self._call(place, _Call(question, done=partial(self._placed, place)), actor.environment.remote())

    def _conclude(self, place: _Place, done: Callable[[Any], None], future: Any) -> None:
        """Take what an actor says of itself; one that cannot be asked is let go, so that the next question finds it nowhere."""
        try:
            done(unpacked_result(future.result()))
        except Exception:
            self._let_go(place)
            raise

    def _placed(self, place: _Place, there: Mapping[str, str]) -> None:
        refuse_other_environment(self._own, there)
        place.is_placed = True

    def _occupy(self, place: _Place, question: _Question, depth: int) -> None:
        """Give an actor the models that it lacks, and then so many stretches."""
        if not place.is_placed:
            return
        for model, offer in question.models:
            if offer.name not in place.held:
                if not place.calls:
                    self._hold(place, question, model, offer)
                return
        while len(place.calls) < depth and (stretch := question.next()) is not None:
            question.asked += 1
            items = packed_items(stretch.items)
            self._call(
                place,
                _Call(question, stretch),
                place.actor.answer.remote(question.work, items, question.deterministic),
            )

    def _hold(self, place: _Place, question: _Question, model: Any, offer: Offer) -> None:
        origin = offer.origin

        def held(there: Held) -> None:
            place.held = there.names
            self._failed_starts = 0
            if offer.name not in there.names:
                offer.refused(origin)
            elif not self.cluster.gpus:
                refuse_other_environment({"device": offer.place}, {"device": there.place})

        given = offer.given(self._ray, model)
        self._call(place, _Call(question, done=held), place.actor.hold.remote(offer.name, offer.key, given))

    def _call(self, place: _Place, call: _Call, reference: Any) -> None:
        place.calls.append(call)
        reference.future().add_done_callback(lambda future: self._events.put((place, call, future)))

    def _is_loss(self, error: BaseException | None) -> bool:
        """Whether an actor, or the node with it or with its answer, is gone; errors within an actor are none."""
        ray_errors = self._ray.exceptions
        return isinstance(error, ray_errors.RayError) and not isinstance(error, ray_errors.RayTaskError)

    def _lose(self, place: _Place, question: _Question, error: BaseException | None) -> None:
        """An actor is gone: what it had is asked of others.

        Raises:
            MisuseError: that happened too often.
        """
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        logger.warning("an actor ended, what it was asked goes to another one: %s", reason)
        own = [call.stretch for call in place.calls if call.question is question and call.stretch is not None]
        first = place.calls[0].stretch if place.calls else None  # the others were waiting
        self._let_go(place)
        question.ask_again(own)
        if first is None:
            self._failed_starts += 1
            if self._failed_starts >= MOST_DEATHS:
                raise MisuseError(
                    f"{self._failed_starts} actors in a row ended before they held the model: {reason}"
                ) from error
            return
        first.deaths += 1
        if first.deaths >= MOST_DEATHS:
            raise MisuseError(
                f"{first.deaths} actors in a row ended while they answered about {first}: memory runs out there, or the model ends "
                f"its process: {reason}"
            ) from error

    def _let_go(self, place: _Place) -> None:
        place.is_lost = True
        self._places.remove(place)
        self._ray.kill(place.actor)

    def _refuse_to_wait(self) -> None:
        """Raise MisuseError if no actor was placed all this time; those that compute may take as long as they like."""
        if not any(place.is_placed for place in self._places):
            left = {name: self._ray.available_resources().get(name, 0.0) for name in ("CPU", "GPU")}
            sharing = connection.workers()
            shared = f"; {sharing} workers of pytest-xdist share it, each with its own actors: start fewer of them"
            raise MisuseError(
                f"no actor with {connection.demand(self.cluster)} could start in {PATIENCE:g} s: the Ray cluster has "
                f"{left['CPU']:g} CPUs and {left['GPU']:g} GPUs that are free{shared * (sharing > 1)}"
            )
