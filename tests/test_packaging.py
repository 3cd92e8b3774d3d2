"""The wheel carries everything, and works outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIVE_LINES = """
from pytest_llm import assert_perplexity_below, embedded

def test_it(llm):
    assert_perplexity_below(llm, embedded("data/held_out.jsonl"), 60)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout and unpacked: what pip would put into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("pytest_llm_regression-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_models_data_and_types_are_in_the_wheel(installed: Path) -> None:
    models = [f"embedded/models/tiny-{kind}/model.safetensors" for kind in ("decoder", "encoder", "encoder-decoder")]
    templates = [f"reports/html/templates/{name}" for name in ("page.html", "gate.html", "style.css", "page.js")]
    for name in ("py.typed", *models, "embedded/data/held_out.jsonl", *templates):
        assert (installed / "pytest_llm" / name).is_file()
    for name in ("templates/question.html", "static/rate.css", "static/rate.js"):
        assert (installed / "pytest_llm" / "rating" / name).is_file()
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {"pytest_llm"}


def test_five_lines_work_with_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FIVE_LINES)
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    arguments = ["-p", "pytest_llm.plugin", "-p", "no:cacheprovider", "-v"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    where = subprocess.run(
        [sys.executable, "-c", "import pytest_llm; print(pytest_llm.__file__, pytest_llm.embedded('data'))"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.count(str(installed)) == 2
