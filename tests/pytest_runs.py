"""What makes runs of pytest inside tests quick, in this process and in others."""

from __future__ import annotations

import hypothesis.internal.observability
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
CACHE_AND_FEW_PLUGINS = ("-p", "no:anyio", "-p", "no:hypothesispytest")
"""For runs in processes of their own: they would import these for longer than most tests last, each worker too."""
FEW_PLUGINS = (*CACHE_AND_FEW_PLUGINS, "-p", "no:cacheprovider")
