"""What `pytest_llm.adversarial` exports, and that importing it imports no Hypothesis."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_llm import adversarial


def test_names_are_complete() -> None:
    assert len(set(adversarial.__all__)) == len(adversarial.__all__)
    assert set(adversarial.__all__) == set(adversarial._HOMES)
    assert set(adversarial.__all__) <= set(dir(adversarial))


@pytest.mark.parametrize("name", adversarial.__all__)
def test_each_name_can_be_had_and_is_documented(name: str) -> None:
    doc = getattr(adversarial, name).__doc__ or ""
    assert len(doc) > 20
    assert not doc.startswith(f"{name}(")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'edit_script'"):
        _ = adversarial.edit_script


def test_importing_it_imports_the_standard_library_only() -> None:
    code = "import sys; before = set(sys.modules); import pytest_llm.adversarial; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert imported <= {"pytest_llm", *sys.stdlib_module_names}
