"""`llm_gpu(exclusive=True)`: no other test of the run uses the test's GPUs meanwhile.

A plugin of xdist's workers, registered where a test asks for it: then each test that uses us holds a lock of its worker's GPUs,
one that others may share, or may not. Locks are files in the run's folder among pytest's temporary ones, and the system lets go of
them if a worker dies. What other workers have loaded before stays in the GPU's memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pytest_llm.markers import asked_by, uses_us


class Turns:
    """Lets each test wait for its turn.

    Args:
        config: a worker's.
    """

    def __init__(self, config: pytest.Config) -> None:
        # xdist gives each worker a folder in the controller's
        self.folder = Path(config.getoption("basetemp")).parent
        self.device: str = config.getoption("llm_device")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if not uses_us(item):
            return (yield)
        required = asked_by(item, "llm_gpu")
        with holding(self.folder, self._used(item), exclusive=bool(required) and required[-1].exclusive):
            return (yield)

    def _used(self, item: pytest.Item) -> set[int]:
        """The numbers of the GPUs that a test may use: its worker's own, and those that its marker gives it."""
        from pytest_llm.models.devices import assigned_gpus, gpus, worker_number

        if self.device in ("cpu", "mps"):
            return set()
        available, worker = gpus(), worker_number()
        named = [gpu for gpu in available if self.device == f"cuda:{gpu.index}"]
        marked = [assigned_gpus(available, worker, need) for need in asked_by(item, "llm_gpu")[-1:]]
        return {gpu.index for part in (named or assigned_gpus(available, worker), *marked) for gpu in part}


@contextmanager
def holding(folder: Path, numbers: Iterable[int], *, exclusive: bool) -> Iterator[None]:
    """Hold the locks of these GPUs for the length of a `with` block; in order, so that no two tests wait for each other."""
    import fcntl  # not on Windows, where the marker is refused

    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    with ExitStack() as held:
        for number in sorted(numbers):
            file = held.enter_context((folder / f"llm-gpu-{number}.lock").open("a", encoding="utf-8"))
            fcntl.flock(file, kind)
        yield
