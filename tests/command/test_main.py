"""The command: a table of subcommands, exit codes, and what it costs to ask."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pytest_llm.command.main import COMMANDS, main
from tests.behaviour.test_manners import HEAVY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_the_installed_command_is_this_one() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8"))
    home = project["project"]["scripts"]["pytest-llm"]
    assert EntryPoint("pytest-llm", home, "console_scripts").load() is main


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_describes_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], [name, "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert name in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["basline"], ["baseline"], ["baseline", "verifi"]])
def test_a_wrong_call_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_misuse_ends_with_2_and_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "verify", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err == f"pytest-llm baseline: there is no folder {tmp_path / 'nowhere'}\n"


def test_the_module_is_the_command_and_imports_nothing_heavy_to_say_what_there_is() -> None:
    code = (
        "import sys, runpy; sys.argv = ['pytest-llm', '--help']\n"
        "try: runpy.run_module('pytest_llm', run_name='__main__')\n"
        "except SystemExit as ended: print(ended.code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage: pytest-llm" in done.stdout
    code_and_modules = done.stdout.splitlines()[-1].split()
    assert code_and_modules[0] == "0"
    assert HEAVY & {name.partition(".")[0] for name in code_and_modules} == set()
