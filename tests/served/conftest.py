"""Servers of real models, each started once a session. What one of them said stands beside a test that fails."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from pytest_llm import embedded
from pytest_llm.models.sources import smollm2_file
from tests.served.echo_server import Model, Served
from tests.served.real_servers import RealServer, llama_cpp_python, running, transformers_serve

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""A chat is what was said, and nothing round it: chats then end as texts do."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, RealServer):
                report.sections.append((f"what the server of {name} said", value.said()))
    return report


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(scope="session")
def echo_server() -> Iterator[Served]:
    """tiny-decoder behind `echo` and `logprobs`."""
    with Served(Model(str(embedded("models/tiny-decoder")))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny-decoder with a chat template, which it has none of; for `transformers serve`, which older versions do not have so."""
    if not all(map(find_spec, ("transformers.cli", "transformers.cli.serving", "transformers.cli.serving.completion"))):
        pytest.skip("this version of transformers serves no /v1/completions")
    folder = tmp_path_factory.mktemp("served") / "tiny-decoder"
    shutil.copytree(embedded("models/tiny-decoder"), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def serve(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """`transformers serve`."""
    with running(transformers_serve(checkpoint, tmp_path_factory.mktemp("log"))) as server:
        yield server


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """llama-cpp-python's server with the GGUF file of SmolLM2."""
    with running(llama_cpp_python(smollm2_file(), tmp_path_factory.mktemp("log"))) as server:
        yield server
