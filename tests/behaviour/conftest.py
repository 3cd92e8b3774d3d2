"""Test runs of small projects whose model has perplexity 8 on any text, without torch."""

from __future__ import annotations

import pytest

UNIFORM_LLM = """
    import math
    import pytest

    class Uniform:
        def score(self, texts):
            return [[-math.log(8)] * len(text) for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Uniform()
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose conftest.py overrides `llm` with a uniform model over eight characters."""
    pytester.makeconftest(UNIFORM_LLM)
    return pytester
