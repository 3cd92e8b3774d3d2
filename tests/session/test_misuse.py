"""Misuse is pytest's own error, and names what was misused; other errors stay what they are."""

from __future__ import annotations

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.session.misuse import misuse_of


def test_misuse_is_a_usage_error_that_names_its_origin() -> None:
    with pytest.raises(pytest.UsageError, match=r"^--llm-limit: 0: expected more$"), misuse_of("--llm-limit"):
        raise MisuseError("0: expected more")


def test_other_errors_are_none_of_the_users() -> None:
    with pytest.raises(ValueError, match=r"^bug$"), misuse_of("--llm-limit"):
        raise ValueError("bug")
