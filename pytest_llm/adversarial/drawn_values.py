"""What a test of Hypothesis was given, as plain values for a file, and back: the same input in another process, years later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, TypeAlias

from pytest_llm.adversarial.edit import EditScript
from pytest_llm.adversarial.perturbations.length import Context
from pytest_llm.adversarial.perturbations.prompt import PromptFormat
from pytest_llm.adversarial.template import Filled
from pytest_llm.adversarial.token_edit import TokenScript
from pytest_llm.errors import MisuseError

Drawn: TypeAlias = Literal["script", "text", "template", "layout", "context", "value"]
"""What the test was given: a text with its edits, a text alone, a filled template, the layout of a prompt, a needle in its
context, or what JSON has a form for."""

_CLASSES: dict[Drawn, type] = {"template": Filled, "layout": PromptFormat, "context": Context}


def stored_form(given: object) -> tuple[Drawn, str, dict[str, Any]]:
    """The kind of a value, a text that stands for it, and all that it takes to make it again (nothing of a text or a script).

    Raises:
        MisuseError: it cannot be kept; the message says why.
    """
    if isinstance(given, EditScript):
        return "script", given.text, {}
    if isinstance(given, str):
        return "text", given, {}
    for kind, of_kind in _CLASSES.items():
        if type(given) is of_kind:
            return kind, getattr(given, "text", None) or repr(given), asdict(given)  # type: ignore[call-overload]  # data classes
    if isinstance(given, TokenScript):
        raise MisuseError(
            "token ids are another text, or none, for the next tokenizer: draw edits of the text to have them kept"
        )
    try:
        text = json.dumps(given)
        is_plain = repr(json.loads(text)) == repr(given)
    except (TypeError, ValueError):
        is_plain = False
    if not is_plain:
        raise MisuseError(f"a {type(given).__name__} has no form in JSON that it comes back from")
    return "value", text, {"value": given}


def restored(kind: Drawn, data: Mapping[str, Any]) -> object:
    """The value that `stored_form` took apart, of the kinds that are no text.

    Raises:
        MisuseError: this version makes such a value otherwise.
    """
    try:
        return data["value"] if kind == "value" else _CLASSES[kind](**data)
    except (KeyError, TypeError, AttributeError) as error:
        raise MisuseError(f"no {kind} of this version: {error}") from None


def has_all_of(given: object, known: object) -> bool:
    """Whether an input is a known one, or has what makes that one what it is, and more.

    More are further edits of a text, further settings of a layout that are not the plain ones, a longer context of a needle at
    the same depth.
    """
    if isinstance(given, EditScript) and isinstance(known, EditScript) and known.edits:
        return given.contains(known)
    if isinstance(given, PromptFormat) and isinstance(known, PromptFormat) and known != PromptFormat():
        plain, own, its = (asdict(one) for one in (PromptFormat(), known, given))
        return all(its[name] == value for name, value in own.items() if value != plain[name])
    if isinstance(given, Context) and isinstance(known, Context):
        return (given.needle, given.depth) == (known.needle, known.depth) and given.length >= known.length
    return type(given) is type(known) and given == known
