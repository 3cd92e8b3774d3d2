"""Promise: what people said is measured and gated without any model."""

from __future__ import annotations

import pytest

from tests.assertions.test_human_evaluation import RATINGS


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def llm():
            raise AssertionError("the model was loaded")
        """
    )
    return pytester


def test_a_marker_judges_what_people_said(project: pytest.Pytester) -> None:
    project.makepyfile(
        f"""
        import pytest

        RATINGS = {RATINGS!r}

        @pytest.mark.llm_threshold(mean_rating_above=4.5)
        def test_they_like_it(llm_measure):
            llm_measure("mean_rating", RATINGS)
        """
    )
    result = project.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["mean_rating * is not above 4.5: under the limit by *", "*jackknife over raters)"])


def test_a_model_given_besides_is_refused(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(llm_measure):
            llm_measure("mean_rating", [{"rater": "a", "item": "b", "score": 1}], model="tiny-decoder")
        """
    )
    result = project.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *mean_rating is about what people said, so no model is asked: measure(None, ratings, *"]
    )
