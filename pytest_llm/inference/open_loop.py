"""Work at set times, whether or not what was begun before is done: the threads behind `tasks.arrival`.

Each thread takes the next piece of work in the order of their times, waits until its time has come, and does it. Where no thread is
free, the work begins late, and whoever asked for it waits since the time that was set: nothing is left out because others are slow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event, Thread


def pause(seconds: float, stopped: Event) -> None:
    """Let seconds pass, or fewer if there is no more to wait for."""
    stopped.wait(seconds)


def at_set_times(
    due: Sequence[float],
    work: Callable[[int], object],
    *,
    at_once: int,
    clock: Callable[[], float] = time.perf_counter,
    pause: Callable[[float, Event], None] = pause,
) -> None:
    """Call `work(place)` for each place, none before its time has come, at most `at_once` of them at a time.

    With `at_once=1` all is done by the thread that calls this, in a queue. Else the work is done by threads, each
    of which sees the context variables of the caller.

    Args:
        due: of each place a reading of `clock`, in ascending order.
        work: what is done; it is called by several threads at once.
        at_once: how many pieces of work at most are under way at once.
        clock: seconds.
        pause: how time is let pass.

    Raises:
        Whatever `work` raised first. No further work is begun then; what is under way is waited for.
    """
    places: SimpleQueue[int] = SimpleQueue()
    for place in range(len(due)):
        places.put(place)
    stopped = Event()

    errors: list[BaseException] = []

    def take_turns() -> None:
        try:
            while not stopped.is_set():
                place = places.get_nowait()
                while (left := due[place] - clock()) > 0 and not stopped.is_set():
                    pause(left, stopped)
                if not stopped.is_set():
                    work(place)
        except Empty:
            return
        except BaseException as error:
            errors.append(error)
            stopped.set()

    count = min(at_once, len(due))
    if count <= 1:
        take_turns()
    else:
        threads = [Thread(target=copy_context().run, args=(take_turns,), daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        finally:
            stopped.set()  # Ctrl-C: nothing more is begun
    if errors:
        raise errors[0]
