"""Promise: a run that does not use the plugin pays nothing for it: no heavy import, no file, no process, no output.

Each run is a fresh process with only our plugin loaded, and is looked at after the terminal summary. The negative control
runs a project that does use the plugin, and must see what the other tests say is absent.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = {"datasets", "hypothesis", "jiwer", "numpy", "rich", "sacrebleu", "scipy", "torch", "transformers"}

PROBE = """
import json, os, sys

events = []

def watch(event, args):
    if event in ("subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.exec", "socket.connect"):
        events.append(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") and args[0] != os.devnull:
        events.append(f"write {args[0]}")

import pytest
sys.addaudithook(watch)
code = pytest.main(["-p", "no:cacheprovider", "-p", "no:faulthandler", *sys.argv[1:]])
print("PROBE", json.dumps({"code": code, "events": events, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""

LOOKING = """
def pytest_plugin_registered(plugin):
    if type(plugin).__module__.startswith("pytest_llm"):
        for name in dir(plugin):
            getattr(plugin, name)
"""


def probe(folder: Path, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    before = set(folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    output, _, found = done.stdout.partition("PROBE ")
    result: dict[str, Any] = json.loads(found)
    result["output"] = re.sub(r"in \d+\.\d+s", "in TIME", output) + done.stderr
    result["files"] = set(folder.iterdir()) - before
    return result


@pytest.fixture
def unrelated(tmp_path: Path) -> Path:
    tmp_path.joinpath("test_unrelated.py").write_text("def test_addition():\n    assert 1 + 1 == 2\n")
    return tmp_path


def test_an_unrelated_project_imports_nothing_heavy(unrelated: Path) -> None:
    result = probe(unrelated, "-p", "pytest_llm.plugin")
    assert result["code"] == 0
    assert HEAVY & set(result["modules"]) == set()


def test_plugins_may_be_asked_for_all_that_they_have(unrelated: Path) -> None:
    """As pytest 8.2 does, which looks for fixtures in whatever is registered, properties of objects included."""
    unrelated.joinpath("conftest.py").write_text(LOOKING)
    result = probe(unrelated, "-p", "pytest_llm.plugin")
    assert result["code"] == 0
    assert HEAVY & set(result["modules"]) == set()
    assert result["events"] == probe(unrelated)["events"]


def test_an_unrelated_project_gets_no_file_no_process_and_no_output(unrelated: Path) -> None:
    with_us, without_us = probe(unrelated, "-p", "pytest_llm.plugin"), probe(unrelated)
    assert with_us["events"] == without_us["events"]  # pytest's own, to capture output
    assert with_us["files"] == set()
    assert with_us["output"] == without_us["output"]


@pytest.mark.parametrize("argument", ["--help", "--markers", "--fixtures", "--collect-only"])
def test_asking_for_help_imports_nothing_heavy(unrelated: Path, argument: str) -> None:
    assert HEAVY & set(probe(unrelated, "-p", "pytest_llm.plugin", argument)["modules"]) == set()


def test_collecting_our_markers_imports_nothing_heavy(unrelated: Path) -> None:
    unrelated.joinpath("test_marked.py").write_text(
        "import pytest\nfrom pytest_llm import embedded\n"
        "@pytest.mark.llm_threshold(perplexity_below=9)\n@pytest.mark.llm_gpu\ndef test_it(llm, llm_measure): pass\n"
    )
    result = probe(unrelated, "-p", "pytest_llm.plugin", "--collect-only")
    assert result["code"] == 0
    assert HEAVY & set(result["modules"]) == set()


def test_negative_control_a_project_that_uses_us_is_noticed(unrelated: Path) -> None:
    unrelated.joinpath("test_related.py").write_text(
        "import subprocess, sys\nfrom pytest_llm import assert_perplexity_below\n"
        "class Certain:\n    def score(self, texts): return [[-1.0]] * len(texts)\n"
        "def test_it():\n    assert_perplexity_below(Certain(), ['a'], 3)\n"
        "    subprocess.run([sys.executable, '-c', ''])\n    open('left_behind', 'w').close()\n"
    )
    result = probe(unrelated, "-p", "pytest_llm.plugin")
    assert result["code"] == 0
    assert {"numpy", "scipy"} <= set(result["modules"])
    assert "language model quality" in result["output"]
    assert "subprocess.Popen" in result["events"]
    assert "write left_behind" in result["events"]
    assert {path.name for path in result["files"]} == {"left_behind"}


def test_the_other_project_of_that_name_is_named_in_one_clear_error(unrelated: Path) -> None:
    # what pytest-llm's entry point would do: register a plugin under the name "pytest_llm"
    script = (
        "import pytest, types\nfrom pytest_llm import plugin\n"
        "class Early:\n    @staticmethod\n    @pytest.hookimpl\n    def pytest_load_initial_conftests(early_config):\n"
        "        early_config.pluginmanager.register(types.ModuleType('other'), 'pytest_llm')\n"
        "raise SystemExit(pytest.main(['-p', 'no:cacheprovider', '-p', 'pytest_llm.plugin'], plugins=[Early()]))\n"
    )
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=unrelated, env=environment, capture_output=True, text=True
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "pip uninstall pytest-llm, then reinstall pytest-llm-regression" in done.stderr
