"""Tiers: what their lines say, which contains which, and what is refused."""

from __future__ import annotations

import pytest

from pytest_llm.data.sampling import Sample
from pytest_llm.errors import MisuseError
from pytest_llm.tiers import Tier, parse_tiers


def test_the_usual_ones() -> None:
    tiers = parse_tiers([])
    assert [str(tier) for tier in tiers.tiers] == [
        "pr (limit=200)",
        "nightly (all of the data)",
        "weekly (all of the data)",
    ]


def test_lines_say_what_is_asked() -> None:
    tiers = parse_tiers(["quick : limit=10%, stop=certain , budget=90s", "nightly: limit=all,budget=off"])
    assert tiers.named("quick") == Tier("quick", Sample(0.1, origin="tier quick"), "certain", 90.0)
    assert tiers.named("nightly") == Tier("nightly")
    assert str(tiers.named("quick")) == "quick (limit=10%, stop=certain, budget=1min 30s)"


def test_a_larger_tier_includes_the_smaller_ones() -> None:
    tiers = parse_tiers([])
    pr, nightly, weekly = tiers.tiers
    assert [tiers.includes(running, "nightly") for running in (None, pr, nightly, weekly)] == [False, False, True, True]
    assert [tiers.includes(running, "pr") for running in (None, pr, nightly, weekly)] == [False, True, True, True]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["pr limit=3", "nightly:"], "'pr limit=3': expected a name and its settings"),
        (["pr: limit=some", "nightly:"], "'pr: limit=some': 'some': expected a number of examples"),
        (["pr: limits=3", "nightly:"], "unknown setting 'limits'; expected limit, stop or budget"),
        (["pr: stop=early", "nightly:"], "stop=early: expected one of off, certain, sequential"),
        (["pr: budget=soon", "nightly:"], "budget 'soon': expected a time"),
        (["pr: limit", "nightly:"], "'limit' is no setting such as limit=200"),
        (["pr: limit=3, limit=4", "nightly:"], "limit comes twice"),
        (["pr:", "nightly:", "pr:"], "tier 'pr' comes twice"),
        (["pr:", "weekly:"], "there is no tier 'nightly', which --llm-nightly and the marker llm_nightly mean"),
    ],
)
def test_what_means_nothing_is_refused(lines: list[str], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        parse_tiers(lines)


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(MisuseError, match="tier 'daily': expected one of pr, nightly, weekly"):
        parse_tiers([]).named("daily")
