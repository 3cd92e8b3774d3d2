"""Answer `Generate`: the text that the model writes for each example."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import lacking, naming
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered
from pytest_llm.models.language_model import AnyModel, GenerativeModel
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.prompt import Prompt

_CHARACTERS_PER_TOKEN = 4


def write(model: AnyModel, examples: Sequence[Example], task: Generate) -> list[str]:
    """What the model writes after each example's prompt, and what the task's filter makes of it.

    Raises:
        MisuseError: a model that writes no text, an example that does not fit the prompt, an answer that is no text.
    """
    if not isinstance(model, GenerativeModel):
        raise lacking(
            model,
            "what comes next in words of its own",
            "a causal model of transformers, or an object with a method generate(prompts, decoding)",
        )
    assert isinstance(task.prompt, Prompt)
    prompts = [prompt_of(model, example, task.prompt) for example in examples]

    with naming(zip(prompts, examples, strict=True)):
        written = remembered(
            model,
            prompts,
            ("generate", task.decoding),
            partial(_write, decoding=task.decoding),
            lambda prompt: prompt,
            effort=lambda prompt: len(prompt) + _CHARACTERS_PER_TOKEN * task.decoding.max_tokens,
        )
    for example, text in zip(examples, written, strict=True):
        if not isinstance(text, str):
            raise MisuseError(f"{type(model).__name__}.generate returned {text!r} for {example.label}; expected a text")
    return [task.read(example, text) for example, text in zip(examples, written, strict=True)]


def _write(model: AnyModel, prompts: list[str], decoding: Decoding) -> list[Any]:
    return ask(model, "generate", prompts, decoding=decoding)


def prompt_of(model: object, example: Example, prompt: Prompt) -> str:
    """What the model reads: with its own chat template if the prompt asks for one and the model has it."""
    template = getattr(model, "chat_prompt", None) if prompt.chat else None
    formatted: str | None = None if template is None else template(prompt.messages(example))
    return prompt.text(example) if formatted is None else formatted
