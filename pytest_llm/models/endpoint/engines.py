"""Which kind of server it is, by what it says of its models, and what that kind does to sampling unless it is told not to.

llama-cpp-python penalises what was said before by 1.1, greedily too; vLLM takes temperature and cuts over from a checkpoint's
`generation_config.json`. So each gets the values that do nothing, by the names that it has. To others only the standard's are sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_llm.models.endpoint.reading import WrongReply, listed, member, text

NEUTRAL: Mapping[str, Mapping[str, Any]] = {
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "sglang": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "llamacpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0, "typical_p": 1.0},
    "me": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},  # llama-cpp-python says that it owns its models
}
TOLD = ("owned_by", "root", "max_model_len", "meta")
"""Of a model, what does not change from one question to the next: `created` is the present time with vLLM and llama.cpp."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server says of a model."""

    name: str
    owner: str = ""
    details: str = ""
    """As JSON; empty where it says nothing."""
    neutral: Mapping[str, Any] = field(default_factory=dict)
    context: int | None = None
    """Tokens of a prompt and its answer together; None where it does not say."""


def read_facts(reply: Any, asked: str | None) -> Facts | list[str]:
    """What the list of models says.

    Args:
        reply: of the server.
        asked: the model's name; None: the only one.

    Returns:
        The names that there are, where none was asked for and there is not just one.
    """
    models = {text(member(one, "id", "a model"), "its name"): one for one in listed(member(reply, "data"), "data")}
    if asked is None and len(models) != 1:
        return list(models)
    name = next(iter(models)) if asked is None else asked
    told = models.get(name, {})
    owner = told.get("owned_by")
    owner = owner if isinstance(owner, str) else ""
    details = {key: told[key] for key in TOLD if told.get(key) is not None}
    return Facts(
        name, owner, json.dumps(details, sort_keys=True) if details else "", NEUTRAL.get(owner, {}), _context(told)
    )


def _context(told: Mapping[str, Any]) -> int | None:
    """What vLLM and SGLang call `max_model_len`, and llama.cpp `meta.n_ctx`."""
    meta = told.get("meta")
    given = told.get("max_model_len", meta.get("n_ctx") if isinstance(meta, Mapping) else None)
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else None


def read_build(reply: Any) -> str:
    """What a reply says of the program and the weights behind it (`system_fingerprint`); empty where it says nothing."""
    told = reply.get("system_fingerprint") if isinstance(reply, Mapping) else None
    if told is None:
        return ""
    if len(build := text(told, "system_fingerprint")) > 200:
        raise WrongReply("its system_fingerprint is no fingerprint: it is longer than 200 characters")
    return build
