"""What old releases do otherwise (`make lowest`): tests that fail there are expected to, for this reason only.

None of it is a wrong number that passes: it is refused, is asked for in the plain way, or is an error of the library.
"""

from __future__ import annotations

from importlib.metadata import version

import pytest

from pytest_llm import MisuseError, QualityError


def _release(package: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version(package).split("+")[0].split(".")[:2])


TORCH, TRANSFORMERS, SCIPY = map(_release, ("torch", "transformers", "scipy"))

writes_into_expanded_masks = pytest.mark.xfail(
    TORCH < (2, 5), raises=RuntimeError, reason="for it, transformers writes into a mask that several texts share"
)
has_no_number_for_who_looks_nowhere = pytest.mark.xfail(
    TORCH < (2, 5), raises=QualityError, reason="its kernel gives NaN to a query that may look at no key"
)
has_no_shapes_of_varlen_kernels = pytest.mark.xfail(
    TORCH < (2, 5), raises=NotImplementedError, reason="its kernels for several texts run on no meta device"
)
breaks_more_contracts = pytest.mark.xfail(
    TORCH < (2, 5), raises=AssertionError, reason="masks and queries that look nowhere break contracts of an example"
)
reads_no_pickles = pytest.mark.xfail(
    TORCH < (2, 6), raises=MisuseError, reason="its torch.load is unsafe: transformers refuses pickled weights"
)
puts_no_tied_weights_on_disk = pytest.mark.xfail(
    TRANSFORMERS < (5,),
    raises=(MisuseError, KeyError, RuntimeError),
    reason="a head that shares its weights with the embeddings, or a whole model, cannot be on disk",
)

PACKS_LESS = frozenset({"opt", "gemma3"} if TRANSFORMERS < (5,) else ())
"""Architectures that are asked in batches: their attention brings a mask, or their body hands out no states."""
