"""Run as a script: imports what runs of pytest need, and forks a process for each run that it is asked for.

A run then takes a third of a second instead of two, and a hundred of them can be afforded. Requests and answers are lines of
JSON; see `runs.Forks`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NoReturn

import pytest

from pytest_llm.reports.html.page import _environment
from tests.reliability import disturbing

TOOK_TOO_LONG = 1000
"""What is answered for an exit code of a run that had to be ended."""


IMPORTED = (
    "hypothesis",
    "scipy.stats",
    "pytest_llm.plugin",
    "pytest_llm.adversarial.success_rate",
    "pytest_llm.assertions.regression",
    "pytest_llm.assertions.robustness",
    "pytest_llm.inference.cache",
    "pytest_llm.session.files",
    "pytest_llm.session.html_writer",
    "pytest_llm.session.run_recorder",
)


def preload() -> None:
    for name in IMPORTED:
        import_module(name)
    for name in _environment().list_templates():
        if name.endswith(".html"):
            _environment().get_template(name)
    gc.collect()
    gc.freeze()  # pytest collects garbage when it ends: not in what all runs have in common


def run(request: Mapping[str, Any]) -> NoReturn:
    """In the child."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
    os.setsid()  # so that it can be ended with all that it has begun
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for name, arguments in request["disturbances"].items():
        getattr(disturbing, name)(*arguments)
    code = 70
    try:
        code = int(pytest.main(request["arguments"]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def ended(process: int, seconds: float) -> int:
    """The exit code, as `subprocess` has it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return TOOK_TOO_LONG


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        waits = "wait" in request
        print(ended(request["wait"], request["seconds"]) if waits else os.fork() or run(request), flush=True)


if __name__ == "__main__":
    preload()
    serve()
