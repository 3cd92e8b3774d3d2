"""A Ray within this process: actors answer at once, and die when the model does what ends a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class Died(BaseException):
    """Raised by a model that ends its process."""


class Reference:
    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def future(self) -> Future[Any]:
        return self._future


class Put:
    """What lies in the object store."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Actor:
    """Counts what it is asked; once dead it answers nothing."""

    def __init__(self, make: Callable[[], Any], ray: FakeRay) -> None:
        self.seat, self.ray = make(), ray
        self.dead = False
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments: Reference(self._asked(name, arguments)))

    def _asked(self, name: str, arguments: Sequence[Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.ray.places:  # it waits for room
            return future
        if not self.dead:
            self.asked.append(name)
            given = [one.value if isinstance(one, Put) else one for one in arguments]
            try:
                future.set_result(getattr(self.seat, name)(*given))
            except Died:
                self.dead = True
        if self.dead:
            future.set_exception(RayError("The actor died unexpectedly\nmore of it"))
        return future


class FakeRay:
    """As many actors as there are CPUs."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, cpus: int = 2) -> None:
        self.cpus = cpus
        self.places = True
        self.actors: list[Actor] = []
        self.killed: list[Actor] = []
        self.stored: list[Any] = []

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": float(self.cpus)}}]

    def available_resources(self) -> dict[str, float]:
        return {"CPU": 0.0}

    def put(self, value: Any) -> Put:
        self.stored.append(value)
        return Put(value)

    def remote(self, **options: Any) -> Callable[[Any], Any]:
        def of(kind: Any) -> Any:
            def made(*arguments: Any) -> Actor:
                self.actors.append(Actor(lambda: kind(*arguments), self))
                return self.actors[-1]

            return SimpleNamespace(remote=made)

        return of

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor)
