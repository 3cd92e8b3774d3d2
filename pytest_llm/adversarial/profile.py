"""How tests of models are run by Hypothesis, where nobody says otherwise."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings

from pytest_llm.adversarial.given import pristine_settings


def model_settings(own: settings, *, harmless_fixtures: bool = False) -> settings:
    """A test's settings, with what suits a model in the place of what is still as Hypothesis has it.

    A model takes longer than a deadline of 200 ms, and at different times differently long; "explain" runs it many times more
    to colour a report. A value that a test, or a loaded profile, was given is kept, also if it is equal: it is another object.
    An empty `suppress_health_check` alone cannot be told from none.

    Args:
        own: of the test.
        harmless_fixtures: whether the function-scoped fixtures of the test are all ours: they keep nothing between two examples.
    """
    usual = pristine_settings()
    changed: dict[str, Any] = {}
    if own.deadline is usual.deadline:
        changed["deadline"] = None
    if own.phases is usual.phases:
        changed["phases"] = tuple(phase for phase in usual.phases if phase is not Phase.explain)
    suppressed = list(own.suppress_health_check)
    if own.suppress_health_check is usual.suppress_health_check:
        suppressed = [HealthCheck.too_slow]
    if harmless_fixtures:  # also under the profile that Hypothesis loads by itself in CI, which names checks of its own
        suppressed.append(HealthCheck.function_scoped_fixture)
    if suppressed:
        changed["suppress_health_check"] = suppressed
    return settings(own, **changed)
