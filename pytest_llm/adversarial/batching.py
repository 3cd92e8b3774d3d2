"""A test of Hypothesis whose questions to models are answered in batches, though its body asks about one example at a time.

    with answered_in_batches(test, run):
        run()

First the test is run as a plan (`inference/planning.py`): each example ends at the first question whose answer is not known. All of
them are answered together, and the test is planned again, in case it asks something else then. The same seed draws the same
examples, so the run that counts finds its answers, as long as it draws what was planned: until a failure is found, which
Hypothesis then shrinks. What was not planned is asked when it is needed, one thing at a time: most of what a test asks that steers
by `target()`, since what is drawn next depends on the answers then.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.errors import HypothesisException

from pytest_llm.adversarial.given import altered, body_of, can_be_altered, fresh_seed, settings_of
from pytest_llm.inference.planning import Planning, PostponedError
from pytest_llm.recording import afresh

MOST_ROUNDS = 4
"""So many plans are made at most: an example may ask as many questions that depend on the answers before."""


class _OverError(BaseException):
    """An example failed: what is drawn after that depends on it, so that nothing more can be planned."""


@contextmanager
def answered_in_batches(test: Any, run: Callable[[], object]) -> Iterator[Planning]:
    """Answer what a test will ask, and draw the same examples again within the block.

    Args:
        test: decorated with `@given`. One that cannot be planned is left as it is; see `can_be_altered`.
        run: calls it.
    """
    if not can_be_altered(test):
        with Planning() as planning:
            yield planning
        return
    with altered(test, seed=fresh_seed(test)), Planning() as planning:
        for number in range(MOST_ROUNDS):
            anew = _plan(test, run, planning)
            # a plan whose examples begin with another question draws by the answers: no further plan would come true
            if (number and anew) or not planning.answer():
                break
        yield planning


def _plan(test: Any, run: Callable[[], object], planning: Planning) -> int:
    """Note what is asked; returns how many examples began with a question that was not known."""
    anew = 0
    body = body_of(test)

    @functools.wraps(body)
    def noting(*arguments: Any, **drawn: Any) -> None:
        nonlocal anew
        known = planning.hits
        try:
            body(*arguments, **drawn)
        except PostponedError:
            anew += planning.hits == known
        except HypothesisException:  # such as of `assume`
            raise
        except Exception:
            raise _OverError from None

    with (
        planning.postponing(),
        altered(test, settings=_planning_settings(settings_of(test)), body=noting),
        warnings.catch_warnings(),
        afresh(),
    ):
        warnings.simplefilter("ignore")  # they come again when it counts
        with suppress(_OverError, Exception):  # so does whatever is wrong
            run()
    return anew


def _planning_settings(own: settings) -> settings:
    """Nothing but what draws examples; above all no database, from which a plan, which never fails, would drop failures."""
    drawing = (Phase.explicit, Phase.generate)
    return settings(
        own,
        phases=[phase for phase in own.phases if phase in drawing],
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
