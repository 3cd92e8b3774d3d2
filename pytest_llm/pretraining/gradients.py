"""Gradients of a loss, examined: whether all are numbers, and whether each parameter that is to be trained gets one.

They are taken with `torch.autograd.grad`, so that nobody's `.grad` changes and no hook is left behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.judging.contract import Case, Examination, Tolerance

Loss: TypeAlias = Tensor | Callable[[], Tensor]
FINITE, REACHED = "finite_gradients", "reached_parameters"


def finite_gradients(model: nn.Module, loss: Loss) -> Examination:
    """Count the entries of each parameter's gradient that are NaN or infinite."""
    value = _value(loss)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    gradients = _gradients(value, trained, loss)
    cases = [_of_loss(value)]
    for name, gradient in gradients.items():
        broken = 0 if gradient is None else int((~gradient.isfinite()).sum())
        of = f"of {trained[name].numel()} entries of the gradient of {name}"
        finding = f"{broken} {of} {'is' if broken == 1 else 'are'} NaN or infinite"
        cases.append(Case(name, float(broken), finding))
    broken_ones = [place for place, case in enumerate(cases) if case.difference]
    culprit = None
    located: tuple[tuple[str, str], ...] = ()
    if broken_ones:
        # NaN spreads from the loss back to the input: the last one is where it begins, if modules stand in their order
        culprit = 0 if cases[0].difference else broken_ones[-1]
        located = (
            ("begins", f"{cases[culprit].name}, the nearest to the loss by the order in which the model holds them"),
        )
    return Examination(
        FINITE,
        "finite in its gradients",
        tuple(cases),
        Tolerance(0.0, "an entry is a number or it is not", "each has to be a number"),
        _said(value, trained),
        _provenance(model),
        FINITE,
        culprit,
        located,
        "look there for log(0), 0/0, a root or a norm of 0, exp that overflows, rows of a mask that are all -inf, float16 unscaled",
    )


def reached_parameters(
    model: nn.Module, loss: Loss, *, frozen: Sequence[str] = (), nonzero: bool = False
) -> Examination:
    """Ask for a gradient of each parameter, except of those that are meant to be frozen; these must not ask for one."""
    value = _value(loss)
    named = dict(model.named_parameters())
    idle = [pattern for pattern in frozen if not any(fnmatchcase(name, pattern) for name in named)]
    if idle:
        raise MisuseError(f"frozen={idle[0]!r} names no parameter; there are {', '.join(list(named)[:3])}, …")
    trained = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
    gradients = _gradients(value, trained, loss)
    cases = []
    for name in named:
        meant = any(fnmatchcase(name, pattern) for pattern in frozen)
        finding = _finding(name, meant, name in trained, gradients.get(name), nonzero)
        cases.append(Case(name, float(bool(finding)), finding or f"{name} is as it should be"))
    broken = [case.name for case in cases if case.difference]
    return Examination(
        REACHED,
        "reached by its loss",
        tuple(cases),
        Tolerance(
            0.0, "a parameter gets a gradient or it does not", f"{len(broken)} of {len(cases)} parameters are so"
        ),
        _said(value, trained),
        _provenance(model),
        REACHED + "|nonzero" * nonzero,
        next((place for place, case in enumerate(cases) if case.difference), None),
        (),
        "look for detach(), no_grad, .item(), argmax and numpy on the way to the loss; name what is meant to be frozen in frozen=",
    )


def _finding(name: str, meant: bool, trained: bool, gradient: Tensor | None, nonzero: bool) -> str:
    """What is wrong with a parameter; empty if nothing is."""
    if meant:
        return f"{name} is to be frozen, but its requires_grad is True" if trained else ""
    if not trained:
        return f"{name} is frozen: its requires_grad is False"
    if gradient is None:
        return f"{name} gets no gradient"
    if nonzero and not gradient.any():
        return f"the gradient of {name} is 0 everywhere"
    return ""


def _value(loss: Any) -> Tensor:
    value = loss() if callable(loss) and not isinstance(loss, Tensor) else loss
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.is_floating_point():
        said = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.40}"
        raise MisuseError(
            f"the loss is a {type(value).__name__} {said}: expected one number as a tensor, or a function that gives it"
        )
    return value


def _gradients(value: Tensor, trained: dict[str, nn.Parameter], loss: Loss) -> dict[str, Tensor | None]:
    if not trained:
        raise MisuseError("no parameter of the model has requires_grad: there are no gradients to look at")
    if not value.requires_grad:
        return dict.fromkeys(trained)  # detached as a whole
    found = torch.autograd.grad(value, list(trained.values()), allow_unused=True, retain_graph=isinstance(loss, Tensor))
    return dict(zip(trained, found, strict=True))


def _of_loss(value: Tensor) -> Case:
    amount = float(value.detach())
    return Case("the loss", float(not bool(value.isfinite())), f"the loss itself is {amount}")


def _said(value: Tensor, trained: dict[str, nn.Parameter]) -> str:
    return f"a loss of {float(value.detach()):.4g}, {len(trained)} parameters that ask for a gradient"


def _provenance(model: nn.Module) -> Provenance:
    parameter = next(model.parameters())
    return Provenance(type(model).__name__, str(parameter.dtype).removeprefix("torch."), str(parameter.device))
