"""Assertions about training code, anybody's: that the loss falls, that one batch is learned, that gradients are there and numbers.

They take plain functions and any torch module. A run is an iterable of losses (such as `Trainer.run()`), or a function that makes
one step and gives its loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_llm.assertions.gate import assertion, conclude, gate
from pytest_llm.errors import MisuseError
from pytest_llm.judging.contract import judge_contract
from pytest_llm.judging.loss_trend import judge_losses, loss_measurement
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.statistics.trend import smallest_p
from pytest_llm.tolerance import check_alpha

if TYPE_CHECKING:
    from pytest_llm.pretraining.gradients import Loss

Run: TypeAlias = "Iterable[Any] | Callable[[], Any]"
"""Losses, numbers or tensors of one; or what makes a step and gives its loss."""


@assertion
def assert_loss_decreases(run: Run, *, below: float | None = None, steps: int = 50, alpha: float = 0.01) -> Measurement:
    """Assert that the loss of a run falls, by more than noise makes of no trend.

    The rule: the one-sided test of Mann and Kendall over all pairs of steps has p < alpha. It uses the order of losses alone, so a
    spike, a warm-up that begins slowly, or noise of any shape decides nothing; where nothing is learned from batches drawn anew, it
    passes once in 1 / alpha runs. A seeded run gives the same verdict each time. Give the raw losses: smoothed ones hang
    together, and such a series shows trends where there is none.

    That the training loss falls says little of what is learned: a model that sees its targets learns fastest, and one whose targets
    do not belong to their inputs still learns how frequent each is. `below` sets a mark that frequencies alone do not reach.

    Args:
        run: losses in their order; or a function that makes one step and gives its loss, called `steps` times.
        below: what the median of the last third of the losses has to be below, such as log(classes); None: any fall will do.
        steps: how many, where a function is given.
        alpha: how often a series without a trend may pass.

    Returns:
        The measurement: `value` is the Theil-Sen slope in loss per step, `example_values` are the losses.

    Raises:
        QualityError: it does not fall, or not so far, or a loss is no finite number.
        MisuseError: (a ValueError) too few losses to reach alpha (5 at least for 0.01), or something that is no number.

    Source: Mann 1945; Kendall 1948; Sen 1968.

    Example:
        >>> assert_loss_decreases([2.1, 1.8, 1.9, 1.5, 1.4, 1.2, 1.1])  # doctest: +SKIP
    """
    check_alpha(alpha)
    level = None if below is None else Limit.below(below).value
    losses = list(_losses(run, steps))
    if smallest_p(len(losses)) >= alpha:
        raise MisuseError(
            f"{len(losses)} losses can show no trend with p below {alpha:g}: give more, at least 5 for 0.01"
        )
    return conclude(judge_losses(losses, alpha, level))


@assertion
def assert_overfits_one_batch(run: Run, limit: float, *, steps: int = 200) -> Measurement:
    """Assert that training on one batch, again and again, brings its loss below a limit.

    A model that cannot learn a handful of examples by heart learns nothing else: this goes through the model, the loss, the
    backward pass and the optimizer at once. The run ends as soon as it succeeds. Targets that were moved against their inputs are
    found where equal inputs then have different targets; where all inputs differ, they are learned by heart as well as right ones.

    Args:
        run: a function that makes one step on always the same batch and gives its loss; or the losses of such steps.
        limit: what the loss has to get below, in its own unit.
        steps: how many at most, of whatever is given.

    Returns:
        The measurement: `value` is the last loss, `example_values` are all of them.

    Raises:
        QualityError: the loss is not below the limit after so many steps, or no number.
        MisuseError: (a ValueError) no losses, a limit or a loss that is no number.

    Example:
        >>> assert_overfits_one_batch(Trainer(model, lambda number: batch, recipe).run(), 0.05)  # doctest: +SKIP
    """
    claim = Limit.below(limit)
    losses: list[float] = []
    for loss in islice(_losses(run, steps), steps):
        losses.append(loss)
        if claim.allows(loss) or math.isnan(loss):
            break
    if not losses:
        raise MisuseError("no losses: there is nothing to judge")
    return gate(loss_measurement(losses, "loss_on_one_batch", losses[-1], f"loss_on_one_batch|steps:{steps}"), claim)


@assertion
def assert_gradients_finite(model: Any, loss: Loss) -> Measurement:
    """Assert that the loss and every entry of its gradient is a number.

    The message names the parameters; NaN spreads from where it arises back to the input, so the one that stands last in the model
    is named first. `.grad` is left as it is.

    Args:
        model: any torch module.
        loss: a scalar that was computed with it, or a function that computes it.

    Raises:
        QualityError: one is NaN or infinite.
        MisuseError: (a ValueError) no module, no scalar, or nothing that asks for a gradient.

    Example:
        >>> assert_gradients_finite(model, lambda: model(**batch, labels=batch["input_ids"]).loss)  # doctest: +SKIP
    """
    from pytest_llm.pretraining.gradients import finite_gradients

    return conclude(judge_contract(finite_gradients(_module(model), loss)))


@assertion
def assert_gradients_reach_everything(
    model: Any, loss: Loss, *, frozen: str | Iterable[str] = (), nonzero: bool = False
) -> Measurement:
    """Assert that every parameter gets a gradient, except those that are meant to be frozen, and that these are.

    `.grad` is left as it is.

    Args:
        model: any torch module.
        loss: a scalar that was computed with it, or a function that computes it.
        frozen: patterns of the names of the parameters that are not to be trained, such as "embedding.*"; what they leave must have
            `requires_grad`, so that nothing is frozen by accident.
        nonzero: a gradient that is 0 everywhere is none. Not where a factor begins at 0, as in LoRA.

    Raises:
        QualityError: a parameter gets none, is frozen by accident, or is meant to be frozen and is not.
        MisuseError: (a ValueError) no module, no scalar, a pattern that fits no parameter, or nothing that asks for a gradient.

    Example:
        >>> assert_gradients_reach_everything(model, lambda: loss_of(model, batch), frozen="embedding.*")  # doctest: +SKIP
    """
    from pytest_llm.pretraining.gradients import reached_parameters

    patterns = [frozen] if isinstance(frozen, str) else list(frozen)
    return conclude(judge_contract(reached_parameters(_module(model), loss, frozen=patterns, nonzero=nonzero)))


def _losses(run: Any, steps: int) -> Iterator[float]:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise MisuseError(f"steps={steps!r}: expected a whole number, at least 1")
    if callable(run):
        return (_number(run()) for _ in range(steps))
    if not isinstance(run, Iterable) or isinstance(run, str):
        raise MisuseError(
            f"{run!r:.40} ({type(run).__name__}) is no run: expected losses, or a function that makes a step"
        )
    return map(_number, run)


def _number(loss: Any) -> float:
    if hasattr(loss, "detach"):  # a tensor that asks for a gradient warns when it is made a number
        loss = loss.detach()
    try:
        return float(loss)
    except (TypeError, ValueError, RuntimeError):
        raise MisuseError(f"a step gave {loss!r:.40} ({type(loss).__name__}): expected its loss, one number") from None


def _module(model: Any) -> Any:
    if not hasattr(model, "named_parameters"):
        raise MisuseError(f"{type(model).__name__} is no torch module: it has no named_parameters")
    return model
