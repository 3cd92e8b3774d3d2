"""What JSON says is one thing, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.storage.strict_json import NotStrictError, parsed, read_bounded


@pytest.mark.parametrize("content", ['{"a": [1, -2.5e3, "é", null, true]}', b'\n {"a" :{}}\t', "1", '"\\ud800"'])
def test_what_is_json_is_read(content: bytes | str) -> None:
    import json

    assert parsed(content) == json.loads(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value at column 1"),
        (b"{\n\n1}", "at line 3, column 1"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'"\xff"', "byte 0xff at offset 1 is not UTF-8"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "'b' stands twice in one object"),
        (b"[NaN]", "NaN is no number that JSON has"),
        (b"[-Infinity]", "-Infinity is no number that JSON has"),
        (b"1e999", "1e999 is no number that JSON has"),
        (b"9" * 5000, "a whole number has too many digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"{} {}", "Extra data"),
    ],
)
def test_what_is_not_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parsed(content)


@pytest.mark.parametrize("content", ["\ufeff{}", '{"a": 1, "a": 1}', "[NaN]", "[1e999]"])
def test_what_another_reader_would_take_is_an_error_of_its_own(content: str) -> None:
    with pytest.raises(NotStrictError):
        parsed(content)


@pytest.mark.parametrize("content", ["", '{"a": 1', "[" * 100_000, "9" * 5000])
def test_what_was_cut_off_is_no_such_error(content: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|deeply|digits") as raised:
        parsed(content)
    assert not isinstance(raised.value, NotStrictError)


def test_what_others_wrote_may_hold_what_python_writes() -> None:
    assert repr(parsed("[NaN, -Infinity]", finite=False)) == "[nan, -inf]"
    with pytest.raises(ValueError, match="stands twice"):
        parsed('{"a": 1, "a": 2}', finite=False)


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(b"12345")
    assert read_bounded(tmp_path / "it", 5) == b"12345"
    with pytest.raises(ValueError, match="it has 5 bytes; 4 are accepted"):
        read_bounded(tmp_path / "it", 4)
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="it is no regular file"):
        read_bounded(tmp_path / "link", 4)
