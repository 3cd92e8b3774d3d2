"""Round trips of a tokenizer: what is cut into tokens and put together again is the text that it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.judging.contract import Case, Examination, Tolerance
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.loading import load_model
from pytest_llm.wording import snippet

CONTRACT = "tokenizer_round_trip"
Exactness: TypeAlias = Literal["text", "tokens"]

NASTY = (
    "The quick brown fox jumps over the lazy dog.",
    "  two spaces before,  between, and behind  ",
    "tabs\tand\nnew\r\nlines\n\n\n",
    "don't  can't , re-entrant . [brackets] (and) “quotes” … – —",
    "Prüfung naïve façade Ångström ẞ",
    "e\u0301 is not \u00e9",  # decomposed and composed
    "ﬁ ² Ⅷ ㎏ ｆｕｌｌ",  # what compatibility normalisation changes
    "Привет, как дела?",
    "Γειά σου Κόσμε",
    "שלום עולם",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "ภาษาไทยไม่มีช่องว่าง",
    "你好，世界。",
    "こんにちは世界、カタカナ",
    "안녕하세요 세계",
    "🙂 👩‍👩‍👧‍👦 🇨🇭 👍🏽",
    "a\u200bb\u00adc\ufeffd\u202ee",  # no width, soft hyphen, byte order mark, right to left
    "\x00\x07\x1b[31m\x7f",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𓀀 \U0010ffff",
    "3.14159 1,000,000 0x1F 10⁻⁶",
    "def f(x):\n    return x**2  # ²",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "",
)
"""Real scripts, emoji, control characters, spaces: what tokenizers are known to lose."""


def round_trips(model: Any, texts: Sequence[str] | None, exactly: Exactness | None) -> Examination:
    """Encode and decode each text; the text must come back, or, of a normalising tokenizer, the tokens.

    Args:
        model: a model with a tokenizer, or the tokenizer.
        texts: None: texts that tokenizers are known to lose something of.
        exactly: "text": `decode(encode(x)) == x`; "tokens": `encode(decode(encode(x))) == encode(x)`, all that a tokenizer
            that lower-cases, composes or drops spaces can promise. None: "text" unless the tokenizer is one of these.
    """
    tokenizer, name = tokenizer_of(model)
    if exactly not in ("text", "tokens", None):
        raise MisuseError(f"exactly={exactly!r}: expected 'text', 'tokens' or None")
    normalises = _why_not_exact(tokenizer)
    chosen = exactly or ("tokens" if normalises else "text")
    given = NASTY if texts is None else tuple(texts)
    if not given or isinstance(texts, str) or not all(isinstance(text, str) for text in given):
        raise MisuseError(f"texts={texts!r}: expected at least one text, in a list")
    cases = [_case(tokenizer, text, place, chosen) for place, text in enumerate(given)]
    demand = f"the {chosen} {'has' if chosen == 'text' else 'have'} to come back"
    basis = f"{demand}, not the text: {normalises}" if chosen == "tokens" and normalises else demand
    return Examination(
        CONTRACT,
        "a tokenizer that gives back the text" if chosen == "text" else "a tokenizer that gives back its tokens",
        tuple(cases),
        Tolerance(0.0, basis, demand),
        f"{len(given)} texts" + (" that tokenizers are known to lose something of" if texts is None else ""),
        Provenance(name),
        f"{CONTRACT}|{chosen}",
        None,
        (),
        "a missing byte fallback, a normaliser, or clean_up_tokenization_spaces are the usual reasons",
    )


def _case(tokenizer: Any, text: str, place: int, exactly: Exactness) -> Case:
    name = f"#{place}"
    try:
        tokens = _encode(tokenizer, text)
        back = _decode(tokenizer, tokens)
        again = _encode(tokenizer, back)
    except Exception as error:  # whatever a tokenizer makes of a text: that is what is examined
        return Case(name, float("inf"), f"{snippet(text)} raises {type(error).__name__}: {error}", text)
    outside = [token for token in tokens if not 0 <= token < len(tokenizer)]
    if outside:
        return Case(
            name, float(len(outside)), f"{snippet(text)} gets the token {outside[0]}, outside the vocabulary", text
        )
    one, other = (list(text), list(back)) if exactly == "text" else (tokens, again)
    place = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    apart = 0 if one == other else max(len(one), len(other)) - place
    unit = "character" if exactly == "text" else "token"
    return Case(
        name, float(apart), f"{snippet_of(text)} comes back as {snippet_of(back)}, other from {unit} {place} on", text
    )


def snippet_of(text: str) -> str:
    """The text with its spaces and escapes, as it is written in code."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _encode(tokenizer: Any, text: str) -> list[int]:
    return [int(token) for token in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def _decode(tokenizer: Any, tokens: list[int]) -> str:
    text: str = tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def tokenizer_of(model: Any) -> tuple[Any, str]:
    """The tokenizer of a model, or what is one itself, and what it is called.

    Raises:
        MisuseError: there is none.
    """
    if isinstance(model, str | Path):
        model = load_model(model)
    if isinstance(model, Checkpoint):
        return model.tokenizer, f"the tokenizer of {model.name}"
    if isinstance(model, tuple) and len(model) == 2:
        model = model[1]
    model = getattr(model, "tokenizer", model)
    if not (callable(model) and hasattr(model, "decode")):
        raise MisuseError(f"{type(model).__name__} is no tokenizer of transformers, and no model that has one")
    return model, type(model).__name__


def _why_not_exact(tokenizer: Any) -> str:
    """What keeps a tokenizer from giving texts back; empty if nothing is known of."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return "what a slow tokenizer does to texts is not known"
    pipeline = json.loads(backend.to_str())
    kind = (pipeline.get("model") or {}).get("type")
    if kind == "WordPiece":
        return "word pieces do not keep spaces"
    if pipeline.get("normalizer"):
        return f"its normaliser ({pipeline['normalizer'].get('type')}) changes them"
    return ""
