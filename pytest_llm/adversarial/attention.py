"""Shapes, masks and types that attention kernels get wrong, drawn and shrunk by Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from pytest_llm.data.provenance import Provenance
from pytest_llm.inference.contracts.attention import DTYPES, Kernel, Mask, Shape, closeness, keywords
from pytest_llm.judging.contract import Case, Examination, Tolerance

MASKS: tuple[Mask, ...] = ("none", "causal", "boolean", "additive")
CONTRACT, KEPT = "attention_closeness", "attention by its formula"
_LONGEST = 40
_WIDEST = 24


@st.composite
def attention_shapes(
    draw: st.DrawFn,
    *,
    masks: Sequence[Mask] = MASKS,
    dtypes: Sequence[str] = ("float32",),
    grouped: bool = False,
) -> Shape:
    """Questions to an attention kernel: length 1, one head, grouped queries, odd widths, rows that may look nowhere, strides.

    Causal ones have as many queries as keys: kernels disagree about which triangle is meant otherwise.
    """
    mask = draw(st.sampled_from(list(masks)))
    groups = draw(st.integers(1, 3))
    queries = draw(st.integers(1, _LONGEST))
    return Shape(
        batch=draw(st.integers(1, 3)),
        heads=groups * (draw(st.integers(1, 3)) if grouped else 1),
        groups=groups,
        queries=queries,
        keys=queries if mask == "causal" else draw(st.integers(1, _LONGEST)),
        width=draw(st.integers(1, _WIDEST)),
        mask=mask,
        dtype=draw(st.sampled_from(list(dtypes))),
        magnitude=draw(st.sampled_from([1.0, 4.0, 0.0])),
        strided=draw(st.booleans()),
        seed=draw(st.integers(0, 2**16)),
    )


def attention_closeness(
    kernel: Kernel,
    *,
    masks: Sequence[Mask] | None,
    dtypes: Sequence[str],
    grouped: bool,
    examples: int,
    device: str,
) -> Examination:
    """Search for a shape at which the kernel is farther from the formula than rounding explains; the smallest is named.

    The search is the same each time. `masks=None`: those that the kernel's keywords allow.
    """
    chosen = masks or default_masks(kernel)
    drawn = settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    worst: dict[tuple[str, str], Case] = {}
    tried: set[Shape] = set()

    def breaks(shape: Shape) -> bool:
        found = closeness(kernel, shape, device)
        tried.add(shape)
        kind = (shape.dtype, shape.mask)
        if kind not in worst or found.ratio > worst[kind].difference:
            worst[kind] = Case(", ".join(kind), found.ratio, found.finding)
        return not found.ratio <= 1

    cases: tuple[Case, ...]
    culprit = None
    try:
        smallest = find(attention_shapes(masks=chosen, dtypes=dtypes, grouped=grouped), breaks, settings=drawn)
    except NoSuchExample:
        cases = tuple(worst.values())
    else:
        found = closeness(kernel, smallest, device)
        cases, culprit = (Case("the smallest shape that breaks it", found.ratio, found.finding), *worst.values()), 0
    name = getattr(kernel, "__name__", type(kernel).__name__)
    return Examination(
        CONTRACT,
        KEPT,
        cases,
        Tolerance(1.0, "1 is what rounding explains at most, by the forward error of softmax(q·kᵀ/√d)·v"),
        f"{len(tried)} shapes drawn",
        Provenance(name, "+".join(dtypes), device),
        f"{CONTRACT}|masks:{'+'.join(chosen)}|grouped:{'yes' if grouped else 'no'}|examples:{examples}",
        culprit,
        (),
        "print the smallest shape's scores beside q·kᵀ/√d: scale, mask and softmax can be told apart there",
    )


def default_masks(kernel: Kernel) -> tuple[Mask, ...]:
    """The masks that can be said in the kernel's keywords."""
    known = keywords(kernel)
    causal: tuple[Mask, ...] = ("causal",) if "is_causal" in known else ()
    given: tuple[Mask, ...] = ("boolean", "additive") if "attn_mask" in known else ()
    return ("none", *causal, *given)


__all__ = ["DTYPES", "MASKS", "attention_closeness", "attention_shapes", "default_masks"]
