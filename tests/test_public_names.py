"""The shape of the package: what it exports, that all of it is documented, and what an import costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_llm


def test_names_are_sorted_and_complete() -> None:
    assert pytest_llm.__all__ == sorted(pytest_llm.__all__)
    assert set(pytest_llm.__all__) == set(pytest_llm._HOMES)
    assert set(pytest_llm.__all__) <= set(dir(pytest_llm))


@pytest.mark.parametrize("name", pytest_llm.__all__)
def test_each_name_can_be_had_and_is_documented(name: str) -> None:
    value = getattr(pytest_llm, name)
    doc = value.__doc__ or ""
    assert len(doc) > 20
    assert not doc.startswith(f"{name}(")  # the signature that dataclass writes where nobody wrote anything


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'assert_perplexity_bellow'"):
        _ = pytest_llm.assert_perplexity_bellow


def test_importing_the_package_imports_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import pytest_llm; dir(pytest_llm); print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert imported <= {"pytest_llm", *sys.stdlib_module_names}
