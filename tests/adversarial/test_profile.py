"""Settings that suit a model, where nobody said otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings

from pytest_llm.adversarial.given import pristine_settings
from pytest_llm.adversarial.profile import model_settings


@pytest.fixture
def own_profile() -> Iterator[None]:
    current = getattr(settings, "get_current_profile_name", lambda: "default")()  # since Hypothesis 6.138
    settings.register_profile("of this test", pristine_settings(), deadline=500, phases=[Phase.generate, Phase.explain])
    settings.load_profile("of this test")
    yield
    settings.load_profile(current)


def test_there_is_no_deadline_no_explaining_and_drawing_may_take_its_time() -> None:
    changed = model_settings(settings(pristine_settings(), max_examples=7))
    assert changed.deadline is None
    assert Phase.explain not in changed.phases
    assert Phase.shrink in changed.phases
    assert list(changed.suppress_health_check) == [HealthCheck.too_slow]
    assert changed.max_examples == 7


def test_our_own_fixtures_are_no_reason_to_complain() -> None:
    assert (
        HealthCheck.function_scoped_fixture
        in model_settings(pristine_settings(), harmless_fixtures=True).suppress_health_check
    )


def test_what_a_test_was_given_is_kept_also_if_it_is_equal_to_the_default() -> None:
    own = settings(
        pristine_settings(), deadline=200, phases=list(Phase), suppress_health_check=[HealthCheck.data_too_large]
    )
    changed = model_settings(own)
    assert changed.deadline == timedelta(milliseconds=200)
    assert changed.phases == tuple(Phase)
    assert list(changed.suppress_health_check) == [HealthCheck.data_too_large]


def test_our_own_fixtures_are_no_reason_to_complain_either_under_the_profile_that_hypothesis_loads_in_ci() -> None:
    as_in_ci = settings(pristine_settings(), suppress_health_check=[HealthCheck.too_slow])
    assert set(model_settings(as_in_ci, harmless_fixtures=True).suppress_health_check) == {
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    }


@pytest.mark.usefixtures("own_profile")
def test_what_a_loaded_profile_says_is_kept() -> None:
    changed = model_settings(settings(max_examples=7))
    assert changed.deadline == timedelta(milliseconds=500)
    assert Phase.explain in changed.phases
