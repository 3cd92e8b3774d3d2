"""Test runs of small projects whose model has perplexity 8 on any text, without torch."""

from __future__ import annotations

import hypothesis.internal.observability
import pytest
import scipy.stats
import transformers

import pytest_llm.assertions.quality
import pytest_llm.assertions.robustness
import pytest_llm.models.core_factory

# A run inside this process forgets the modules that it imports. These cannot be imported twice, or take long (Hypothesis'
# plugin imports the last one at the end of every run), so they are loaded before.
LOADED_BEFORE = (
    scipy.stats,
    transformers.LlamaForCausalLM,
    transformers.PreTrainedTokenizerFast,
    pytest_llm.assertions.quality,
    pytest_llm.models.core_factory,
    pytest_llm.assertions.robustness,
    hypothesis.internal.observability,
)

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
