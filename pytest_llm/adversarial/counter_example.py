"""An edited text on which a model breaks a relation: what an attack found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from pytest_llm.adversarial.edit import EditScript
from pytest_llm.errors import MisuseError

Minimality: TypeAlias = Literal["smallest", "irreducible", "unknown"]
"""How small a script is known to be. "smallest": no script of fewer edits, of all that the table has, breaks the relation;
"irreducible": it holds as soon as any one of the edits is left out; "unknown": the budget ran out before either was seen."""


@dataclass(frozen=True, slots=True)
class Queries:
    """What an attack asked of a model."""

    requested: int = 0
    """Texts whose loss was asked for."""
    executed: int = 0
    """Those that were not known yet, so that the model read them."""
    batches: int = 0
    """Calls of the model that they were put into, together with what other attacks wanted to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one script does to the model."""

    script: EditScript
    loss: float
    """How far the relation is broken, in its own unit; above 0."""
    observed: Any
    """What the model gave, as plain values."""


@dataclass(frozen=True)
class CounterExample:
    """A text, edits of it, and how the model's answer changes more than the relation allows.

    Raises:
        MisuseError: a loss that is not above 0, so that nothing is broken (NaN is none either).
    """

    smallest: Finding
    """The fewest edits that were found to break it."""
    worst: Finding
    """The edits that break it most, of all that were tried; often the same."""
    relation: str
    """The name of what is broken, such as "invariant_label"."""
    settings: Mapping[str, Any]
    """The relation's settings, as plain values."""
    clean: Any
    """What the model gave for the text as it is, as plain values."""
    minimality: Minimality
    queries: Queries
    confirmed: bool | None = None
    """Whether the model answers so also when asked for this text alone; None where that was not tried."""
    example: str = ""
    """The id of the example that was attacked."""
    model: Mapping[str, str] = field(default_factory=dict)
    """Of the model: name, dtype, device, weights (a digest; empty where there is none)."""

    def __post_init__(self) -> None:
        for finding in (self.smallest, self.worst):
            if not finding.loss > 0 or math.isnan(finding.loss):
                raise MisuseError(f"loss {finding.loss!r} breaks nothing: a counter-example has one above 0")
        if self.minimality not in get_args(Minimality):
            raise MisuseError(f"minimality {self.minimality!r}: expected one of {', '.join(get_args(Minimality))}")

    @property
    def script(self) -> EditScript:
        """The smallest script: what is stored and tried again."""
        return self.smallest.script
