"""Time that passes when all threads wait for it, and not otherwise: what is concurrent is then the same in each run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from threading import Event


@dataclass
class VirtualTime:
    """A clock for threads that do nothing but wait for each other and for it.

    Args:
        threads: how many there are; one that has ended no longer counts.
    """

    threads: int
    now: float = 1000.0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _known: set[threading.Thread] = field(default_factory=set)
    _waiting: dict[threading.Thread, float] = field(default_factory=dict)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float, _: Event | None = None) -> None:
        """Let seconds pass; those of others pass too."""
        own, until = threading.current_thread(), self.now + seconds
        with self._changed:
            self._known.add(own)
            self._waiting[own] = until
            while self.now < until:
                if self._all_wait():
                    self.now = min(self._waiting.values())
                    self._changed.notify_all()
                else:
                    self._changed.wait(0.001)  # nobody says when a thread ends
            del self._waiting[own]

    def _all_wait(self) -> bool:
        """Nobody is about to do something at this moment."""
        live = {thread for thread in self._known if thread.is_alive()}
        begun = len(self._known) == self.threads
        return begun and live == set(self._waiting) and min(self._waiting.values()) > self.now
