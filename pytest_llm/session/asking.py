"""How models are asked in this session, about how much and for how long, unless a test says: options, ini keys and tiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_llm.markers import asked_by
from pytest_llm.session.misuse import misuse_of
from pytest_llm.session.results import RESULTS

if TYPE_CHECKING:
    from pytest_llm.data.sampling import Sample
    from pytest_llm.inference.cluster.settings import Cluster
    from pytest_llm.judging.measurement import Measurement
    from pytest_llm.stopping.mode import EarlyStop
    from pytest_llm.tiers import Tier, Tiers

ASKING: pytest.StashKey[Asking] = pytest.StashKey()
_TIERS: pytest.StashKey[Tiers] = pytest.StashKey()
_LIMITED = "llm_limited"


@dataclass(frozen=True)
class Asking:
    """What the session was told."""

    tier: Tier | None = None
    sample: Sample | None = None
    """How much of each data set is used; None: all."""
    stop: EarlyStop = "off"
    budget: float | None = None
    """Seconds for each assertion; None: no end."""
    deterministic: bool = False
    processes: int = 1
    ranks: bool = False
    """Whether those share the work that a launcher has started."""
    cluster: Cluster | None = None
    """Whose actors answer; None: this machine does."""
    models_size: int | None = None
    """Bytes of models that are kept from one assertion to the next; None: as there is room."""


def asking_of(config: pytest.Config) -> Asking:
    """From options and ini keys; an option wins, and all of them over what the tier says.

    Raises:
        pytest.UsageError: one that means nothing; the message names it.
    """
    option, tier = config.getoption, _tier(config)
    sample, stop, budget = (None, "off", None) if tier is None else (tier.sample, tier.stop, tier.budget)
    if limit := option("llm_limit"):
        sample = _sample(limit)
    return Asking(
        tier,
        sample,
        option("llm_stop") or stop,
        _budget(config, budget),
        option("llm_deterministic"),
        option("llm_processes"),
        option("llm_engine") == "ranks",
        _cluster(config),
        _models_size(config),
    )


@contextmanager
def asked_so(asking: Asking) -> Iterator[None]:
    """Bind it for the length of a `with` block; nothing is imported for what is as usual."""
    with ExitStack() as bound:
        if asking.deterministic or asking.processes != 1 or asking.ranks or asking.cluster:
            from pytest_llm.inference.engine import Engine, using

            engine = Engine(asking.deterministic, asking.processes, ranks=asking.ranks, cluster=asking.cluster)
            bound.enter_context(using(engine))
        if asking.cluster is not None:
            from pytest_llm.inference.cluster.asking import closing

            bound.enter_context(closing())
        if asking.stop != "off":
            from pytest_llm.stopping.mode import stopping

            bound.enter_context(stopping(asking.stop))
        if asking.sample is not None:
            from pytest_llm.data.sampling import sampling

            bound.enter_context(sampling(asking.sample))
        if asking.budget is not None:
            from pytest_llm.inference.time_budget import for_each_assertion

            bound.enter_context(for_each_assertion(asking.budget))
        from pytest_llm.models.kept import keeping

        bound.enter_context(keeping(asking.models_size))
        yield


def reason_to_wait(item: pytest.Item) -> str | None:
    """Why a test that is marked for a tier does not run in this session; None if it does.

    Raises:
        pytest.UsageError: its tier is none of the suite's.
    """
    wanted = asked_by(item, "llm_tier")
    nightly = asked_by(item, "llm_nightly")
    if not (wanted or nightly):
        return None
    tiers, running = _tiers(item.config), item.config.stash[ASKING].tier
    here = "" if running is None else f", and this is tier {running.name}"
    with misuse_of(f"{item.nodeid}: marker llm_tier"):
        if nightly and not tiers.includes(running, "nightly"):
            return f"runs nightly{here}: pass --llm-nightly"
        if wanted and not tiers.includes(running, wanted[-1]):  # the nearest mark
            return f"runs in tier {wanted[-1]}{here}: pass --llm-tier {wanted[-1]}"
    return None


def limited(measurements: Sequence[Measurement]) -> list[tuple[str, object]]:
    """A property of a test's report, where the session's limit left something out."""
    partial = sum(measurement.left_out > 0 for measurement in measurements)
    return [(_LIMITED, f"{partial} of {len(measurements)}")] if partial else []


class TierReporter:
    """Says which tier runs, and whether what it says is about a part of the data only; registered where there is either."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking

    def pytest_report_header(self) -> list[str]:
        return [] if self.asking.tier is None else [f"llm tier: {self.asking.tier}"]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        said = [
            str(value).split(" of ")
            for result in terminalreporter.config.stash[RESULTS]
            for name, value in result.properties
            if name == _LIMITED
        ]
        if not said or terminalreporter.verbosity < 0:
            return
        partial = sum(int(count) for count, _ in said)
        tier = "" if self.asking.tier is None else f"tier {self.asking.tier.name}: "
        were = "measurement is" if partial == 1 else "measurements are"
        terminalreporter.write_line(
            f"{tier}{partial} {were} of a part of the data ({getattr(self.asking.sample, 'origin', '--llm-limit')}): no baseline, "
            f"and no proof for the rest"
        )


def _tiers(config: pytest.Config) -> Tiers:
    if _TIERS not in config.stash:
        from pytest_llm.tiers import parse_tiers

        with misuse_of("ini key llm_tiers"):
            config.stash[_TIERS] = parse_tiers(config.getini("llm_tiers"))
    return config.stash[_TIERS]


def _tier(config: pytest.Config) -> Tier | None:
    option, nightly = config.getoption("llm_tier"), config.getoption("llm_nightly")
    named = {
        "--llm-tier": option,
        "--llm-nightly": "nightly" if nightly else None,
        "ini key llm_tier": config.getini("llm_tier"),
    }
    origin, name = next(((origin, name) for origin, name in named.items() if name), ("", None))
    if name is None:
        return None
    tiers = _tiers(config)
    with misuse_of(origin):
        tier = tiers.named(name)
    if nightly and not tiers.includes(tier, "nightly"):
        raise pytest.UsageError(f"--llm-nightly and --llm-tier {name} contradict each other: leave one of them out")
    return tier


def _sample(limit: str) -> Sample | None:
    from pytest_llm.data.sampling import parse_sample

    with misuse_of("--llm-limit"):
        return None if limit == "all" else parse_sample(limit)


def _budget(config: pytest.Config, of_tier: float | None) -> float | None:
    """The option's, else the tier's, else that of the ini key."""
    option, ini = config.getoption("llm_budget"), config.getini("llm_budget")
    if not option and (of_tier is not None or not ini):
        return of_tier
    from pytest_llm.inference.time_budget import parse_duration

    with misuse_of("--llm-budget" if option else "ini key llm_budget"):
        return parse_duration(option or ini)


def _cluster(config: pytest.Config) -> Cluster | None:
    """The Ray cluster of the options."""
    names = ("address", "actors", "gpus", "cpus")
    given = {name: value for name in names if (value := config.getoption(f"llm_ray_{name}")) is not None}
    if config.getoption("llm_engine") != "ray":
        if given:
            raise pytest.UsageError(f"--llm-ray-{next(iter(given))} says something of --llm-engine ray: give that too")
        return None
    if given.get("address") == "local" and config.getoption("dist", "no") != "no":
        raise pytest.UsageError(
            "--llm-ray-address local: each worker of -n would start a cluster of its own; start one for all with "
            "`ray start --head`, and leave the address out"
        )
    from pytest_llm.inference.cluster.settings import Cluster
    from pytest_llm.inference.engine import Engine

    given["device_map"] = config.getoption("llm_device_map")
    with misuse_of("--llm-engine ray"):
        return Engine(processes=config.getoption("llm_processes"), cluster=Cluster(**given)).cluster


def _models_size(config: pytest.Config) -> int | None:
    if not (given := config.getini("llm_models_size")):
        return None
    from pytest_llm.models.devices import parse_memory

    with misuse_of("ini key llm_models_size"):
        return parse_memory(given)
