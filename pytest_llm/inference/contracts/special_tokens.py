"""Special tokens stay apart from what people write: a text that spells one is data, not the token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from pytest_llm.data.loading import load_examples
from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer
from pytest_llm.inference.contracts.tokenization import snippet_of, tokenizer_of
from pytest_llm.judging.contract import Case, Examination, Tolerance
from pytest_llm.models.loading import as_language_model
from pytest_llm.tasks.generate import Generate

CONTRACT, KEPT = "special_tokens", "keeping special tokens apart from text"
_HARMLESS = "Hello"


def special_isolation(
    model: Any, texts: Sequence[str] | None, sanitise: Callable[[str], str] | None, task: Generate | None
) -> Examination:
    """Count special tokens that come out of texts, and what each text adds to those of a chat; and look for them in answers.

    Args:
        model: a model with a tokenizer, or the tokenizer.
        texts: None: each special token, spelled out within a sentence.
        sanitise: what is done to a text before the model gets it; None: nothing.
        task: what the model is asked to write; None: it is not asked.
    """
    tokenizer, name = tokenizer_of(model)
    special = special_tokens(tokenizer)
    if not special:
        raise MisuseError(f"{name} has no special tokens that could be kept apart")
    given = [f"What does {token} mean?" for token in special.values()] if texts is None else list(texts)
    if not given or isinstance(texts, str) or not all(isinstance(text, str) for text in given):
        raise MisuseError(f"texts={texts!r}: expected at least one text, in a list")
    read = given if sanitise is None else [sanitise(text) for text in given]
    cases = [_in_text(tokenizer, special, text, clean) for text, clean in zip(given, read, strict=True)]
    if getattr(tokenizer, "chat_template", None) is not None:
        usual = _markers(tokenizer, special, _HARMLESS)
        cases.append(_has_turns(tokenizer, special, usual))
        cases += [_in_chat(tokenizer, special, usual, text, clean) for text, clean in zip(given, read, strict=True)]
    if task is not None:
        asked = list(dict.fromkeys(read))
        written = answer(as_language_model(model), load_examples(asked), task)
        cases += [_in_answer(special, text, answered) for text, answered in zip(asked, written, strict=True)]
    return Examination(
        CONTRACT,
        KEPT,
        tuple(cases),
        Tolerance(0.0, "a token is special or it is not", "there must be none"),
        f"{len(given)} texts" + (" that spell a special token each" if texts is None else ""),
        Provenance(name),
        "|".join([CONTRACT, "sanitised" if sanitise else "as it is", *([task.signature] if task else [])]),
        None,
        (),
        "take these strings out of a text before it is read (sanitise=), or cut text, but no chat, with split_special_tokens=True",
    )


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The special tokens by their ids."""
    found = {
        number: str(token) for number, token in getattr(tokenizer, "added_tokens_decoder", {}).items() if token.special
    }
    found |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    return dict(sorted(found.items()))


def _in_text(tokenizer: Any, special: dict[int, str], text: str, read: str) -> Case:
    found = _specials(tokenizer, special, read)
    said = f"{snippet_of(text)} is read as {_listed(special, found)}" if found else f"{snippet_of(text)} is text"
    return Case("in text", float(found.total()), said, text)


def _has_turns(tokenizer: Any, special: dict[int, str], usual: Counter[int]) -> Case:
    """Whether the tokenizer reads the special tokens that the template itself spells, as one that splits all does not."""
    rendered = _rendered(tokenizer, _HARMLESS)
    lost = Counter({number: rendered.count(token) for number, token in special.items()}) - usual
    what = f"{_listed(special, lost)} of its template is read as text" if lost else "all marks are read as such"
    said = f"of a chat with '{_HARMLESS}' {what}"
    return Case("turns of a chat", float(lost.total()), said, _HARMLESS)


def _in_chat(tokenizer: Any, special: dict[int, str], usual: Counter[int], text: str, read: str) -> Case:
    found = _markers(tokenizer, special, read)
    added, lost = found - usual, usual - found
    said = f"a chat with {snippet_of(text)} "
    if not (added or lost):
        return Case("in a chat", 0.0, said + "has its usual turns", text)
    changes = [f"{_listed(special, added)} more"] * bool(added) + [f"{_listed(special, lost)} fewer"] * bool(lost)
    return Case("in a chat", float((added + lost).total()), f"{said}has {', '.join(changes)}", text)


def _in_answer(special: dict[int, str], text: str, written: str) -> Case:
    found = [token for token in special.values() if token in written]
    said = f"the answer to {snippet_of(text)} {f'spells {found[0]}' if found else 'spells none'}"
    return Case("in an answer", float(len(found)), said, text)


def _markers(tokenizer: Any, special: dict[int, str], text: str) -> Counter[int]:
    return _specials(tokenizer, special, _rendered(tokenizer, text))


def _rendered(tokenizer: Any, text: str) -> str:
    chat = [{"role": "user", "content": text}]
    rendered: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return rendered


def _specials(tokenizer: Any, special: dict[int, str], text: str) -> Counter[int]:
    """How many of each come out of a text. The token for what is unknown counts as often as the text spells it, if at all.

    It stands for other text too; and it may be the end of a document besides, as SmolLM2's is.
    """
    found = Counter(token for token in _tokens(tokenizer, text) if token in special)
    unknown: Any = getattr(tokenizer, "unk_token_id", None)
    if unknown in found:
        is_read = _tokens(tokenizer, special[unknown]) == [unknown]
        found[unknown] = min(found[unknown], text.count(special[unknown])) if is_read else 0
    return +found


def _tokens(tokenizer: Any, text: str) -> list[int]:
    return [int(token) for token in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def _listed(special: dict[int, str], found: Counter[int]) -> str:
    return ", ".join(f"{count} {special[token]}" for token, count in found.items())
