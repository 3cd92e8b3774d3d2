"""pytest started by a launcher (torchrun, accelerate launch) with `--llm-engine ranks`: the first rank runs it, the others serve.

The others collect nothing, run nothing, print nothing and write nothing. They end with the first one's exit status.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llm.session.misuse import misuse_of
from pytest_llm.session.termination import TerminationCatcher

if TYPE_CHECKING:
    from pytest_llm.inference.rank_connections import Launch
    from pytest_llm.inference.ranks import Ranks


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Called by pytest, through `plugin`: at the other ranks this is the whole session."""
    if config.getoption("llm_engine") != "ranks" or (launch := _launch(config)) is None or launch.rank == 0:
        return None
    from pytest_llm.inference.rank_connections import agree_on_kernels, join, open_store
    from pytest_llm.inference.ranks import serve

    store = open_store(launch)
    connection = join(launch, store)
    if isinstance(connection, int):
        return connection
    agree_on_kernels(store)
    return serve(connection, launch.local_rank)


def judging(config: pytest.Config) -> Judging | None:
    """What the first rank does besides; None where there are no others.

    Raises:
        pytest.UsageError: xdist runs the tests, or no launcher started this.
    """
    launch = _launch(config)
    if launch is None:
        if os.environ.get("WORLD_SIZE") == "1":
            return None
        raise pytest.UsageError(
            "--llm-engine ranks: no launcher has started this (RANK, WORLD_SIZE, MASTER_ADDR are not set): "
            "torchrun --nproc-per-node 2 -m pytest --llm-engine ranks"
        )
    if hasattr(config, "workerinput") or config.getoption("dist", "no") != "no":
        raise pytest.UsageError("--llm-engine ranks: the launcher's ranks are the workers: leave out -n")
    # which a launcher sends to all ranks when one has failed
    config.pluginmanager.register(TerminationCatcher(), "llm_rank_termination_catcher")
    return Judging(launch)


class Judging:
    """At the first rank: the others are met with the first question, and hear when the session is over."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.status = int(pytest.ExitCode.INTERNAL_ERROR)
        self._store: Any = None
        self._ranks: Ranks | None = None

    def pytest_report_header(self) -> str:
        return f"llm ranks: {self.launch.size}, of which this one judges"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        from pytest_llm.inference.ranks import Ranks, sharing

        self._ranks = Ranks(self._met, self.launch.size)
        with sharing(self._ranks):
            return (yield)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.status = int(exitstatus)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        sys.stdout.flush()  # a launcher ends all of them when the first one ends with an error
        if self._ranks is None or not self._ranks.close(self.status):
            from pytest_llm.inference.rank_connections import call_off

            call_off(self._opened(), self.status)

    def _met(self) -> Any:
        from pytest_llm.inference.rank_connections import agree_on_kernels, wait_for_others

        agree_on_kernels(self._opened())
        return wait_for_others(self.launch, self._opened())

    def _opened(self) -> Any:
        if self._store is None:
            from pytest_llm.inference.rank_connections import open_store

            self._store = open_store(self.launch)
        return self._store


def unshared(config: pytest.Config) -> str:
    """What to say where the processes of a launcher all did the same; empty where they did not, and at all but the first."""
    launched = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")}
    if config.getoption("llm_engine") == "ranks" or launched["RANK"] != "0" or launched["WORLD_SIZE"] in ("", "1"):
        return ""
    return (
        f"each of {launched['WORLD_SIZE']} ranks measured all of this: with --llm-engine ranks they share the work, and one of "
        f"them reports"
    )


def _launch(config: pytest.Config) -> Launch | None:
    from pytest_llm.inference.rank_connections import launch_of

    with misuse_of("--llm-engine ranks"):
        return launch_of(os.environ)
