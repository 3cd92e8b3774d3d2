"""Processes that a launcher started (torchrun, accelerate launch) share the work: the first judges, the others serve.

Each rank holds the model on its own device: loaded by name where that gives the same model, else sent by the first one. A question
is cut into stretches of neighbours; whoever is free takes the next one, the first rank too. Answers come back in their order.

    first rank     ask_ranks(model, method, items)      stretch → rank, answers ← rank
    other ranks    serve(connection, …)                 until the first one says that it ends, or is gone

What is sent are pickles, over connections that both sides have made with a secret of this launch (`rank_connections`).
"""

from __future__ import annotations

import io
import pickle
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from pytest_llm.binding import bound
from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine, ask_here, using
from pytest_llm.models.origin import Origin, place_of, placeless_key

STRETCHES_PER_RANK = 4
"""The work is cut into more stretches than there are ranks, so that none waits long for the last one."""
MOST_HELD = 2
"""Models in a rank: the one under test, and what it is compared with. The one that came first goes first."""


class Connection(Protocol):
    """What is used of `multiprocessing.connection.Connection`."""

    def send_bytes(self, buf: bytes, /) -> None: ...
    def recv_bytes(self) -> bytes: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Hold:
    """Take a model by this name: load it from where the first rank has it from, or unpack it."""

    name: int
    key: str | None
    place: str
    """Where the model computes at the first rank; see `place_of`."""
    device: str
    """The kind of it: "cpu", "cuda"; empty for a model of one's own."""
    given: Origin | bytes


@dataclass(frozen=True)
class Held:
    """What a rank has after it was told to take a model."""

    names: tuple[int, ...]
    same: bool
    """Whether the model is among them: what was made there is the same one."""


@dataclass(frozen=True)
class Work:
    """What is asked of the model of this name, about items that are sent beside it."""

    name: int
    method: str
    settings: Mapping[str, Any]
    deterministic: bool

    def done(self, model: Any, items: list[Any]) -> list[Any]:
        return ask_here(model, self.method, items, self.settings, deterministic=self.deterministic)


@dataclass(frozen=True)
class End:
    """The session is over, with this exit status."""

    status: int


class Rank:
    """One of the other ranks, as the first one sees it."""

    def __init__(self, number: int, connection: Connection) -> None:
        self.number, self._connection = number, connection
        self.names: tuple[int, ...] = ()
        """Models that it holds."""

    def asked(self, message: Hold | tuple[Work, list[Any]]) -> Any:
        """What it says.

        Raises:
            MisuseError: it is gone.
            Exception: what the model raised there.
        """
        try:
            self._connection.send_bytes(pickle.dumps(message))
            value, error = pickle.loads(self._connection.recv_bytes())
        except (OSError, EOFError) as gone:
            raise MisuseError(
                f"rank {self.number} ended before it had answered ({type(gone).__name__}): memory ran out, or it was killed; its "
                f"own output says more. Answers that were kept on disk are found when the run is repeated"
            ) from gone
        if error is not None:
            raise error
        return value

    def end(self, status: int) -> None:
        """Say that the session is over, if anybody is there."""
        with suppress(OSError):
            self._connection.send_bytes(pickle.dumps(End(status)))


@dataclass
class Offer:
    """A model in one state, as the other ranks are given it."""

    name: int
    hold: Hold
    packed: bytes | None = None


class Ranks:
    """The other ranks, at the first one.

    Args:
        open_connections: gives one connection for each of them, in order; called with the first question.
        size: how many ranks there are, the first one too.
    """

    def __init__(self, open_connections: Callable[[], Sequence[Connection]], size: int) -> None:
        self.size = size
        self._open = open_connections
        self._others: list[Rank] | None = None
        self._offers: WeakKeyDictionary[Any, tuple[Hashable, Offer]] = WeakKeyDictionary()
        self._numbers = count()

    def answers(
        self, model: Any, method: str, items: Sequence[Any], settings: Mapping[str, Any], *, deterministic: bool
    ) -> list[Any]:
        """`model.method(items, **settings)`, the items divided among all ranks."""
        if self._others is None:
            self._others = [Rank(number, connection) for number, connection in enumerate(self._open(), 1)]
        offer = self._offer(model)
        with ThreadPoolExecutor(len(self._others)) as threads:
            # before this rank computes, which changes the model for the time being
            self._give(model, offer, threads)
            return self._shared(model, Work(offer.name, method, settings, deterministic), items, threads)

    def _shared(self, model: Any, work: Work, items: Sequence[Any], threads: ThreadPoolExecutor) -> list[Any]:
        size = max(1, -(-len(items) // (STRETCHES_PER_RANK * self.size)))
        left = deque(range(0, len(items), size))
        found: dict[int, list[Any]] = {}

        def take(answer: Callable[[list[Any]], list[Any]]) -> None:
            """Stretch after stretch, until none is left."""
            while left:
                try:
                    first = left.popleft()
                except IndexError:  # another one was faster
                    return
                try:
                    found[first] = answer(list(items[first : first + size]))
                except BaseException:
                    left.clear()  # nobody takes more
                    raise

        def served_by(rank: Rank) -> None:
            take(lambda some: rank.asked((work, some)))

        serving = [threads.submit(served_by, rank) for rank in self._others or ()]
        take(partial(work.done, model))
        for done in serving:
            done.result()
        return [answer for first in range(0, len(items), size) for answer in found[first]]

    def close(self, status: int) -> bool:
        """Say that the session is over; whether anybody was asked before."""
        for rank in self._others or ():
            rank.end(status)
        return self._others is not None

    def _offer(self, model: Any) -> Offer:
        state = model.fingerprint() if hasattr(model, "fingerprint") else None
        try:
            known = self._offers.get(model)
        except TypeError:  # not hashable, or nothing can refer to it weakly
            return self._new_offer(model)
        if known is None or state is None or known[0] != state:
            known = self._offers[model] = state, self._new_offer(model)
        return known[1]

    def _new_offer(self, model: Any) -> Offer:
        key, origin = placeless_key(model), getattr(model, "origin", None)
        device = model.device.type if hasattr(model, "module") else ""
        # without a key nobody could tell that it was not changed since it was loaded
        given = b"" if key is None or origin is None else origin
        name = next(self._numbers)
        return Offer(name, Hold(name, key, place_of(model), device, given))

    def _give(self, model: Any, offer: Offer, threads: ThreadPoolExecutor) -> None:
        """Let all hold the model: loaded by name, and where that gives another one, sent."""
        hold, lacking = offer.hold, [rank for rank in self._others or () if offer.name not in rank.names]
        if isinstance(hold.given, Origin):
            lacking = [
                rank for rank, held in zip(lacking, threads.map(partial(_take, hold), lacking), strict=True) if not held
            ]
        if not lacking:
            return
        if offer.packed is None:
            offer.packed = packed(model)
        for rank, held in zip(
            lacking, threads.map(partial(_take, replace(hold, given=offer.packed)), lacking), strict=True
        ):
            if not held:
                raise MisuseError(
                    f"rank {rank.number} has not the same {type(model).__name__} as this one: it has hooks or replaced functions "
                    f"that exist in this process only, or the ranks' devices or installed versions differ; use one kind of "
                    f"machine, or ask this model with engine=Engine()"
                )


def _take(hold: Hold, rank: Rank) -> bool:
    held: Held = rank.asked(hold)
    rank.names = held.names
    return held.same


def serve(connection: Connection, local_rank: int) -> int:
    """Answer the first rank until the session is over; its exit status, or 1 if it is gone before."""
    models: dict[int, Any] = {}
    while True:
        try:
            message = pickle.loads(connection.recv_bytes())
        except (OSError, EOFError):
            return 1
        if isinstance(message, End):
            _wait_for_its_end(connection)
            return message.status
        try:
            made = _held(models, message, local_rank) if isinstance(message, Hold) else _answered(models, *message)
            reply = pickle.dumps((made, None))
        except Exception as error:  # whatever the model raises is for the first rank to raise
            reply = _pickled_error(error)
        try:
            connection.send_bytes(reply)
        except OSError:
            return 1


def _wait_for_its_end(connection: Connection) -> None:
    """A launcher ends all ranks when one ends with an error: the first one, which has a report to write, is not cut short."""
    with suppress(OSError, EOFError):
        connection.recv_bytes()


def _held(models: dict[int, Any], hold: Hold, local_rank: int) -> Held:
    while len(models) >= MOST_HELD:
        del models[next(iter(models))]
    model = _made(hold, f"cuda:{local_rank}" if hold.device == "cuda" else hold.device)
    same = model is not None and placeless_key(model) == hold.key and place_of(model) == hold.place
    if same:
        models[hold.name] = model
    return Held(tuple(models), same)


def _made(hold: Hold, device: str) -> Any:
    """The model on its device; None where it cannot be loaded."""
    if not isinstance(hold.given, Origin):
        model = unpacked(hold.given)
        if device:
            model.module.to(device)
        return model
    try:
        return hold.given.load(device)
    except MisuseError:  # another machine may not have it, or something else in its place
        return None


def _answered(models: Mapping[int, Any], work: Work, items: list[Any]) -> list[Any]:
    with using(Engine()):
        return work.done(models[work.name], items)


def _pickled_error(error: Exception) -> bytes:
    try:
        reply = pickle.dumps((None, error))
        pickle.loads(reply)  # some can be written down and not read
    except Exception:
        return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))
    return reply


def packed(model: Any) -> bytes:
    """The model with its weights, for whatever device.

    Raises:
        MisuseError: something that it holds cannot be sent.
    """
    import torch

    from pytest_llm.models.placement import refuse_spread

    refuse_spread(model)
    file = io.BytesIO()
    try:
        torch.save(model, file)
    except Exception as error:  # whatever a model holds decides what is raised
        raise MisuseError(
            f"{type(model).__name__} cannot be sent to other ranks ({error}): ask it with engine=Engine()"
        ) from error
    return file.getvalue()


def unpacked(data: bytes) -> Any:
    """The model again, on the CPU."""
    import torch

    try:
        return torch.load(
            io.BytesIO(data), map_location="cpu", weights_only=False
        )  # of the first rank, which runs our code
    except (ImportError, AttributeError) as error:
        raise MisuseError(
            f"a rank cannot import what it was sent ({error}): define it in a module or a conftest.py, not in a test file"
        ) from error


_current: ContextVar[Ranks | None] = ContextVar("pytest_llm_ranks", default=None)


def sharing(ranks: Ranks) -> AbstractContextManager[None]:
    """Bind those who are asked by an Engine(ranks=True), for the length of a `with` block."""
    return bound(_current, ranks)


def size() -> int:
    """How many share the work."""
    ranks = _current.get()
    return 1 if ranks is None else ranks.size


def ask_ranks(
    model: Any, method: str, items: Sequence[Any], settings: Mapping[str, Any], *, deterministic: bool
) -> list[Any]:
    """As `Ranks.answers`, of those that are bound; here, where there are none.

    Raises:
        MisuseError: a model that cannot be sent to other processes, or a rank that ended.
    """
    ranks = _current.get()
    if ranks is None:
        return ask_here(model, method, items, settings, deterministic=deterministic)
    return ranks.answers(model, method, items, settings, deterministic=deterministic)
