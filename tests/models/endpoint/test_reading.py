"""Replies of every shape: right numbers, or an error."""

from __future__ import annotations

import copy
import json
from codecs import getincrementaldecoder
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from pytest_llm.models.endpoint import echo, prompt_log_probs
from pytest_llm.models.endpoint.echo import covers
from pytest_llm.models.endpoint.reading import WrongReply, log_probability, parsed
from pytest_llm.models.endpoint.writing import read_text
from pytest_llm.tasks.decoding import Decoding
from tests.models.endpoint.stub_server import BOS, completion, like_vllm, log_probabilities

TEXT = "the cat sat on the mat."
ECHOED = completion(echo.body("m", BOS + TEXT), hides_bos=False)
HIDDEN = completion(echo.body("m", BOS + TEXT))
OF_PROMPT = like_vllm(prompt_log_probs.body("m", BOS + TEXT))
WRITTEN = completion({"model": "m", "prompt": "the cat", "max_tokens": 3})

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 20)
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["the", " cat", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all parts of a value."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, inner in below for place in places(inner, (*path, name)))]


@st.composite
def mutated(draw: st.DrawFn, reply: dict[str, Any]) -> Any:
    """The reply with up to three parts replaced, left out, doubled, or in the place of another."""
    changed: Any = {"reply": copy.deepcopy(reply)}
    for _ in range(draw(st.integers(1, 3))):
        ways = [path for path in places(changed) if path]
        path = ways[draw(st.integers(0, len(ways) - 1))]
        owner = changed
        for name in path[:-1]:
            owner = owner[name]
        name = path[-1]
        match draw(st.sampled_from(["replace", "leave out", "double", "swap"])):
            case "replace":
                owner[name] = draw(JSON)
            case "leave out" if len(path) > 1:
                del owner[name]
            case "double" if isinstance(owner, list):
                owner.insert(name, copy.deepcopy(owner[name]))
            case "swap" if isinstance(owner, list):
                other = draw(st.integers(0, len(owner) - 1))
                owner[name], owner[other] = owner[other], owner[name]
    return changed["reply"]


READERS = {
    "echo": (echo.read, ECHOED),
    "hidden": (echo.read, HIDDEN),
    "vllm": (prompt_log_probs.read, OF_PROMPT),
}


def scores_in(reply: Any) -> Any:
    """The part of a reply that the numbers of the prompt's tokens stand in."""
    try:
        choice = reply["choices"][0]
        return choice.get("prompt_logprobs") or choice["logprobs"]["token_logprobs"]
    except (LookupError, TypeError, AttributeError):
        return None


@pytest.mark.parametrize("name", READERS)
def test_right_replies_are_read(name: str) -> None:
    read, reply = READERS[name]
    found = read(reply, BOS, TEXT)

    assert "".join(found.tokens) == TEXT
    assert [score for score in found.scores if score is not None] == log_probabilities(TEXT)[found.scores[0] is None :]
    assert found.follows == "prefix"


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=70, deadline=None)
def test_a_mutated_reply_gives_right_numbers_or_none(name: str, data: st.DataObject) -> None:
    read, reply = READERS[name]
    changed = data.draw(mutated(reply))

    try:
        found = read(changed, BOS, TEXT)
    except WrongReply:
        return

    assert "".join(found.tokens) == TEXT
    assert len(found.scores) == len(found.tokens) == len(log_probabilities(TEXT))
    assert None not in found.scores[1:]
    if scores_in(changed) == scores_in(reply):  # nobody can tell a number from another one that stands in its place
        assert found.scores[1:] == tuple(log_probabilities(TEXT))[1:]


@given(changed=mutated(WRITTEN))
@settings(max_examples=60, deadline=None)
def test_a_mutated_reply_gives_a_text_that_it_has_or_none(changed: Any) -> None:
    try:
        text = read_text(changed, Decoding(max_tokens=3))
    except WrongReply:
        return

    assert text in json.dumps(changed, ensure_ascii=False) or json.dumps(text)[1:-1] in json.dumps(changed)
    assert changed["choices"][0]["finish_reason"] in ("stop", "length")


@given(body=st.binary(max_size=40))
@example(b"[" * 10**5)
@example(b'{"a": NaN}')
@example(b'{"a": 1, "a": 1}')
@example(b"1" * 5000)
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_json_or_an_error(body: bytes) -> None:
    try:
        value = parsed(body)
    except (ValueError, WrongReply):
        return
    assert json.loads(body) == value


@pytest.mark.parametrize("body", [b'{"a": NaN}', b"[1e999]", b'{"a": 1, "a": 1}', b"\xef\xbb\xbf{}"])
def test_what_would_come_again_is_no_reply_that_was_cut_off(body: bytes) -> None:
    with pytest.raises(WrongReply):
        parsed(body)


@pytest.mark.parametrize(
    ("pieces", "text", "expected"),
    [
        (["the", " cat"], "the cat", True),
        (["the", "cat"], "the cat", True),  # SentencePiece, a token by itself
        (["\ufffd", "\ufffd", "!"], "😀!", True),
        (["", "", "", "!"], "😀!", True),
        (["bytes:\\xf0\\x9f", "bytes:\\x98\\x80", "!"], "😀!", True),
        (["a\ufffd", "\ufffd"], "aé", True),
        (["caf", "é"], "café", True),
        (["C", "a", "f", "", "é", " ", "", "", "–", " n"], "Café – n", True),  # vLLM 0.32: with the last of its tokens
        (["\ufffd", "", "", "", "", "好"], "你好", True),  # the same, where a text begins so
        (["f", "", "", "é"], "fé", False),  # two bytes are no three tokens
        (["f", "", "e"], "fe", False),
        (["the"], "the cat", False),
        (["the", " cat", "!"], "the cat", False),
        (["the", " cat", ""], "the cat", False),  # a token that nothing is left for
        (["", "", "", "", "", "!"], "😀!", False),  # more of them than the character has bytes
        (["!"], "😀!", False),  # a character without a token
        (["cat", "the"], "the cat", False),
        (["thecat"], "the cat", False),
        ([], "", True),
    ],
)
def test_tokens_give_back_the_text(pieces: list[str], text: str, expected: bool) -> None:
    assert covers(pieces, text) is expected


@given(text=st.text(), data=st.data())
def test_any_cut_of_a_text_gives_it_back_where_the_last_token_shows_what_was_begun(
    text: str, data: st.DataObject
) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1)))) if len(raw) > 1 else []
    decoder = getincrementaldecoder("utf-8")()
    pieces = [raw[a:b] for a, b in pairwise([0, *cuts, len(raw)]) if a < b]
    shown = [decoder.decode(piece) for piece in pieces]

    assert covers(shown, text)
    if any(shown):
        assert not covers([*shown, "", "", "", ""], text)


@given(text=st.text(), data=st.data())
def test_any_cut_of_a_text_gives_it_back(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1)))) if len(raw) > 1 else []
    pieces = [raw[a:b] for a, b in pairwise([0, *cuts, len(raw)]) if a < b]

    assert covers([piece.decode(errors="replace") for piece in pieces], text)
    whole = [piece.decode(errors="ignore") for piece in pieces]
    if all(not shown or shown.encode() == piece for shown, piece in zip(whole, pieces, strict=True)):
        assert covers(whole, text)


@pytest.mark.parametrize(("value", "expected"), [(-1, -1.0), (-0.5, -0.5), (0, 0.0), (1e-5, 0.0), (-9998.0, -9998.0)])
def test_log_probabilities(value: float, expected: float) -> None:
    assert log_probability(value, "it") == expected


@pytest.mark.parametrize(
    "value", [1e-3, float("nan"), float("-inf"), -9999.0, "-1", True, None, [], 10**400, -(10**400)]
)
def test_what_is_no_log_probability(value: object) -> None:
    with pytest.raises(WrongReply):
        log_probability(value, "it")
