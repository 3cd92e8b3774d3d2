"""Running a test of Hypothesis otherwise than it was written: with other settings, another body, a seed, other examples.

The only place that uses private names of Hypothesis; `can_be_altered` says whether they are there. `hypothesis.inner_test` is
documented for authors of test runners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from inspect import iscoroutinefunction, signature
from secrets import randbits
from typing import Any

from hypothesis import Phase, core, example, settings
from hypothesis.errors import HypothesisException

_SETTINGS = "_hypothesis_internal_use_settings"
_SEED = "_hypothesis_internal_use_seed"
_EXAMPLES = "hypothesis_explicit_examples"


def can_be_altered(test: Any) -> bool:
    """Whether this version of Hypothesis keeps what is altered where it was kept when this was written."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", None)
    return callable(inner) and not iscoroutinefunction(inner) and hasattr(test, _SETTINGS) and hasattr(test, _SEED)


def pristine_settings() -> settings:
    """What Hypothesis does unless anybody says otherwise."""
    try:
        from hypothesis._settings import default  # a profile of the name "default" may have been registered since
    except ImportError:
        return settings.get_profile("default")
    return default if isinstance(default, settings) else settings.get_profile("default")


def settings_of(test: Any) -> settings:
    """The settings that a test is run with."""
    found = getattr(test, _SETTINGS, None)
    return found if isinstance(found, settings) else settings.default  # type: ignore[return-value]  # it is one


def body_of(test: Any) -> Callable[..., Any]:
    """The function under `@given`."""
    body: Callable[..., Any] = test.hypothesis.inner_test
    return body


def drawn_arguments(test: Any) -> tuple[str, ...]:
    """The names of the arguments that are drawn."""
    given = signature(getattr(test, "__func__", test)).parameters
    return tuple(name for name in signature(body_of(test)).parameters if name not in given)


def fresh_seed(test: Any) -> int | None:
    """A seed by which two runs draw the same; None where they do already, because somebody said what is drawn."""
    fixed = getattr(test, _SEED, None) is not None or core.global_force_seed is not None
    return None if fixed or settings_of(test).derandomize else randbits(128)


@contextmanager
def altered(
    test: Any,
    *,
    settings: settings | None = None,
    body: Callable[..., Any] | None = None,
    seed: int | None = None,
    examples: Sequence[Mapping[str, Any]] | None = None,
) -> Iterator[None]:
    """Run a test otherwise, for the length of a `with` block; None leaves what it has.

    Args:
        test: decorated with `@given`; a function or a method.
        settings: to run it with.
        body: to be run instead of its own; as much like it as `functools.wraps` makes it, since its source says what is drawn.
        seed: of what is drawn.
        examples: explicit ones, by the names of what is drawn, instead of its own.
    """
    function = getattr(test, "__func__", test)
    own = body_of(test)
    before = {name: getattr(function, name) for name in (_SETTINGS, _SEED, _EXAMPLES) if hasattr(function, name)}
    try:
        if settings is not None:
            setattr(function, _SETTINGS, settings)
        if seed is not None:
            setattr(function, _SEED, seed)
        if body is not None:
            test.hypothesis.inner_test = body
        if examples is not None:
            setattr(function, _EXAMPLES, [])
            for arguments in reversed(examples):  # as decorators are applied: the last one first
                example(**arguments)(function)
        yield
    finally:
        test.hypothesis.inner_test = own
        for name in (_SETTINGS, _SEED, _EXAMPLES):
            if name in before:
                setattr(function, name, before[name])
            elif hasattr(function, name):
                delattr(function, name)


@contextmanager
def explicit_only(
    test: Any, examples: Sequence[Mapping[str, Any]], body: Callable[..., Any] | None = None
) -> Iterator[None]:
    """Run a test on these examples and draw nothing, for the length of a `with` block."""
    with altered(test, settings=settings(settings_of(test), phases=[Phase.explicit]), examples=examples, body=body):
        yield


def is_control(error: BaseException) -> bool:
    """Whether an exception is Hypothesis' own, such as that of `assume`, and no failure of the test."""
    return isinstance(error, HypothesisException)
