"""`--llm-rejudge FILE`: a plugin that is registered where it is given. Tests run as always, and no model is asked.

What a test measures comes from the record, so that everything after it, limits, markers, the TOML file, baselines, is judged by
the same code as ever, as it stands today. Models are not loaded: the fixtures `llm` and `llm_reference`, also where a conftest
overrides them, and `load_model` give a stand-in. The data are loaded, because only they can show that the test still
measures what was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.markers import asked_by
from pytest_llm.models.recorded import RecordedModel
from pytest_llm.recording import afresh
from pytest_llm.records.run_record import RunRecord, read_record
from pytest_llm.records.tape import RecordedTape
from pytest_llm.replaying import replay
from pytest_llm.session.misuse import misuse_of

OUTSIDE = "outside the body of a test"


def rejudge(config: pytest.Config) -> Rejudge:
    """The plugin, with the record read and checked.

    Raises:
        pytest.UsageError: a record that cannot be read, or options that ask for what it has no part in.
    """
    path = config.invocation_params.dir / config.getoption("llm_rejudge")
    for option in ("--llm-model", "--llm-reference"):
        if any(str(argument).partition("=")[0] == option for argument in config.invocation_params.args):
            raise pytest.UsageError(f"{option} with --llm-rejudge, which asks no model: leave one of them out")
    if (written := config.getoption("llm_json")) and Path(config.invocation_params.dir, written) == path:
        raise pytest.UsageError("--llm-json would overwrite the record that --llm-rejudge reads: give it another name")
    with misuse_of("--llm-rejudge"):
        return Rejudge(read_record(path))


class Rejudge:
    """Puts the record in the place of models."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.stand_ins: dict[str, Callable[[pytest.FixtureRequest], Any]] = {
            "llm": lambda request: RecordedModel(),
            "llm_reference": lambda request: RecordedModel(),
            "llm_device": lambda request: (
                "cpu"
            ),  # looking for a GPU would import torch, and there is nothing to put on it
            "llm_devices": lambda request: (
                ["cpu"] * max([need.count for need in asked_by(request.node, "llm_gpu")], default=1)
            ),
        }

    def pytest_report_header(self) -> list[str]:
        whole = "" if self.record.complete else "; that run did not come to its end"
        return [f"llm: judging {self.record.origin} again, no model is asked{whole}"]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        with replay(RecordedTape(self.record, OUTSIDE)):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        with afresh(), replay(RecordedTape(self.record, item.nodeid)):
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: Any) -> object:
        if fixturedef.argname not in self.stand_ins:
            return None  # pytest goes on
        value = self.stand_ins[fixturedef.argname](request)
        fixturedef.cached_result = (value, fixturedef.cache_key(request), None)
        return value
