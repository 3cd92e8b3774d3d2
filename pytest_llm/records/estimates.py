"""What is known of a value's uncertainty, as data and back."""

from __future__ import annotations

from typing import Any, TypeAlias

from pytest_llm.statistics.clustered_quantile import ClusteredQuantile
from pytest_llm.statistics.jackknife import Basis, Estimate, Scale
from pytest_llm.statistics.latency import QuantileEstimate
from pytest_llm.statistics.share import ShareEstimate
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.numbers import number, numbers

AnyEstimate: TypeAlias = "Estimate | QuantileEstimate | ClusteredQuantile | ShareEstimate"

SCALES: dict[str, Scale] = {"linear": "linear", "log": "log"}
_BASES = {basis.name.lower(): basis for basis in Basis}


def estimate_as_data(estimate: AnyEstimate) -> dict[str, Any]:
    """`kind` says which of the four it is."""
    shared = {"value": number(estimate.value), "basis": estimate.basis.name.lower()}
    match estimate:
        case Estimate():
            return {
                "kind": "jackknife",
                **shared,
                "standard_error": number(estimate.standard_error),
                "degrees_of_freedom": number(estimate.degrees_of_freedom),
                "units": estimate.units,
                "scale": estimate.scale,
            }
        case QuantileEstimate():
            return {"kind": "quantile", **shared, "q": estimate.q, "values": numbers(estimate.times)}
        case ClusteredQuantile():
            return {
                "kind": "clustered quantile",
                **shared,
                "q": estimate.q,
                "values": numbers(estimate.values),
                "share": estimate_as_data(estimate.share),
            }
        case ShareEstimate():
            return {"kind": "share", **shared, "count": estimate.count, "units": estimate.units}


def estimate_from(content: Checked) -> AnyEstimate:
    """Raises MisuseError for what is none."""
    value, basis = content.number("value"), content.one_of("basis", _BASES)
    match content.text("kind"):
        case "jackknife":
            error, freedom = content.number("standard_error"), content.number("degrees_of_freedom")
            return Estimate(value, error, freedom, content.whole("units"), content.one_of("scale", SCALES), basis)
        case "quantile":
            return QuantileEstimate(value, content.number("q"), tuple(content.vector("values").tolist()), basis)
        case "clustered quantile":
            share = estimate_from(content.part("share"))
            if isinstance(share, Estimate):
                return ClusteredQuantile(value, content.number("q"), content.vector("values"), share, basis)
            return content.refuse("'share' is no jackknife's")
        case "share":
            count, units = content.whole("count"), content.whole("units")
            return ShareEstimate(count, units, basis) if count <= units else content.refuse("'count' exceeds 'units'")
        case kind:
            return content.refuse(f"'kind' is {kind!r}, no kind of estimate")
