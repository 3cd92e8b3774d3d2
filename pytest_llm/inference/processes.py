"""Several processes on one machine share the work: each holds the model and takes the next stretch of the items.

On CPUs the weights lie in shared memory, one copy for all; the cores are divided among the processes. With devices each
process puts a copy on its own. The processes stay for the next question, and end with the model or with this process.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any
from weakref import WeakKeyDictionary, finalize

from pytest_llm.errors import MisuseError
from pytest_llm.inference.engine import Engine, ask_here

STRETCHES_PER_WORKER = 4
"""The work is cut into more stretches than there are processes, so that none waits long for the last one."""


@dataclass(frozen=True)
class _Pool:
    executor: ProcessPoolExecutor
    engine: Engine
    fingerprint: Any


_pools: WeakKeyDictionary[Any, _Pool] = WeakKeyDictionary()


def ask_workers(
    engine: Engine, model: Any, method: str, items: Sequence[Any], settings: Mapping[str, Any]
) -> list[Any]:
    """`model.method(items, **settings)`, the items divided among the engine's processes.

    Neighbours stay together: they are what shares a beginning.

    Raises:
        MisuseError: a model that cannot be sent to another process, or a process that died.
    """
    pool = _pool(engine, model)
    size = max(1, -(-len(items) // (STRETCHES_PER_WORKER * engine.workers)))
    stretches = [items[start : start + size] for start in range(0, len(items), size)]
    try:
        futures = [
            pool.executor.submit(_work, method, list(stretch), dict(settings), engine.deterministic)
            for stretch in stretches
        ]
        return [answer for future in futures for answer in future.result()]
    except BrokenProcessPool as error:
        del _pools[model]
        raise MisuseError(
            f"a process of {engine} ended: memory ran out (use fewer processes), or it could not import the class of "
            f"{type(model).__name__} (define it in a module, not in a test file)"
        ) from error


def _pool(engine: Engine, model: Any) -> _Pool:
    import torch.multiprocessing  # noqa: F401  # teaches the pickler to send tensors as shared memory

    from pytest_llm.models.placement import refuse_spread

    refuse_spread(model)
    if hasattr(model, "module"):
        model.module.share_memory()
    try:
        found = _pools.get(model)
    except TypeError as error:  # not hashable, or nothing can refer to it weakly
        raise MisuseError(f"{type(model).__name__} cannot be asked by several processes: {error}") from None
    fingerprint = model.fingerprint() if hasattr(model, "fingerprint") else None
    if found is not None and found.engine == engine and fingerprint is not None and found.fingerprint == fingerprint:
        return found
    if found is not None:
        found.executor.shutdown(cancel_futures=True)
    context = multiprocessing.get_context("spawn")  # a fork of a process that runs torch's threads would hang
    # one pickle for each process: a handle to shared memory can be taken up only once
    seats = [(_pickled(model), engine.devices[place] if engine.devices else None) for place in range(engine.workers)]
    executor = ProcessPoolExecutor(engine.workers, context, _start, (seats, _places(context, len(seats))))
    finalize(model, executor.shutdown, wait=False, cancel_futures=True)
    pool = _Pool(executor, engine, fingerprint)
    _pools[model] = pool
    return pool


def _places(context: Any, count: int) -> Any:
    """The numbers of the seats, each for one process to take.

    A pipe, not a counter in shared memory: that memory is given to the next pool when this one ends, and a process of this
    pool that was still starting would count there.
    """
    places = context.SimpleQueue()
    for place in range(count):
        places.put(place)
    return places


def _pickled(model: Any) -> bytes:
    try:
        return bytes(ForkingPickler.dumps(model))
    except Exception as error:  # whatever the model holds decides what is raised
        raise MisuseError(
            f"{type(model).__name__} cannot be sent to other processes ({error}): use Engine(processes=1)"
        ) from error


_model: Any = None  # of a worker process


def _start(seats: Sequence[tuple[bytes, str | None]], places: Any) -> None:
    global _model
    import torch

    packed, device = seats[places.get()]
    torch.set_num_threads(max(1, torch.get_num_threads() // len(seats)))
    _model = ForkingPickler.loads(packed)
    if device is not None:
        _model.module.to(device)


def _work(method: str, items: list[Any], settings: dict[str, Any], deterministic: bool) -> list[Any]:
    return ask_here(_model, method, items, settings, deterministic=deterministic)
