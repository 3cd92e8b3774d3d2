"""`examples/ci/`: the files are what GitHub, GitLab and pre-commit read, and what they call exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_llm.command.main import main

FOLDER = Path(__file__).parents[1] / "examples" / "ci"
SCHEMAS = {
    "github-pull-request.yml": "vendor.github-workflows",
    "github-gpu-nightly.yml": "vendor.github-workflows",
    "gitlab-ci.yml": "vendor.gitlab-ci",
    "pre-commit-config.yaml": "",
}
"""The name of a schema that check-jsonschema brings along; of pre-commit it has none."""
GITHUB = [name for name, schema in SCHEMAS.items() if schema == "vendor.github-workflows"]


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def test_all_files_are_checked() -> None:
    assert {path.name for path in FOLDER.iterdir()} == SCHEMAS.keys()


def checked(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if schema])
def test_it_holds_to_the_schema_of_its_service(name: str) -> None:
    done = checked(SCHEMAS[name], FOLDER / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_is_seen(tmp_path: Path) -> None:
    faulty = tmp_path / "workflow.yml"
    faulty.write_text((FOLDER / GITHUB[0]).read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8")
    assert checked(SCHEMAS[GITHUB[0]], faulty).returncode == 1


def recipe() -> Any:
    """The steps that README shows."""
    text = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.partition("<!-- steps of a workflow -->\n```yaml\n")[2].partition("```")[0])


def test_the_steps_in_the_readme_are_steps_of_a_workflow(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    job = {"runs-on": "ubuntu-latest", "steps": recipe()}
    (tmp_path / "workflow.yml").write_text(yaml.safe_dump({"on": "push", "jobs": {"quality": job}}), encoding="utf-8")
    done = checked("vendor.github-workflows", tmp_path / "workflow.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    [verified, tested] = commands(recipe())
    assert verified == ["pytest-llm", "baseline", "verify", "tests/quality"]
    assert options(tested) <= known(pytestconfig)


def commands(content: Any) -> Iterator[list[str]]:
    """The calls of pytest and pytest-llm in any text of a file."""
    if isinstance(content, dict):
        for value in content.values():
            yield from commands(value)
    elif isinstance(content, list):
        for value in content:
            yield from commands(value)
    elif isinstance(content, str):
        for line in content.replace("\\\n", " ").splitlines():
            words = shlex.split(line.partition(" || ")[0], comments=True)
            for place, word in enumerate(words):
                if word in ("pytest", "pytest-llm") and "install" not in words:
                    yield words[place:]


def options(arguments: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in arguments if re.match("--?[a-z]", word)}


def known(config: pytest.Config) -> set[str]:
    """The options of pytest and of all plugins."""
    return set(config._parser.optparser._option_string_actions)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_option_that_is_given_exists(name: str, pytestconfig: pytest.Config) -> None:
    called = list(commands(read(name)))
    assert called
    for command, *arguments in called:
        if command == "pytest":
            assert options(arguments)
            assert options(arguments) <= known(pytestconfig)
        else:
            action = [word for word in arguments[:2] if word.islower() and word.isalpha()]
            with pytest.raises(SystemExit) as ended:
                main([*action, "--help"])
            assert ended.value.code == 0


@pytest.mark.parametrize("name", GITHUB)
def test_no_job_may_do_more_or_take_longer_than_it_has_to(name: str) -> None:
    workflow = read(name)
    assert workflow["permissions"]["contents"] == "read"
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 240


@pytest.mark.parametrize("name", GITHUB)
def test_nothing_from_outside_is_pasted_into_a_script(name: str) -> None:
    """An expression in `run` is put there as text: a title of a pull request could be a command. Environment variables are not."""
    for job in read(name)["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
