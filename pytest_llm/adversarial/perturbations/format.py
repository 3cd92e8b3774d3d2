"""How a text is set, not what it says: space, line breaks, closing marks, quotes, dashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pytest_llm.adversarial.document import Document, has_han
from pytest_llm.adversarial.operation import Operation, Preserves, Proposals, Proposer, of_gaps

_CURLY = {'"': ("“", "”"), "'": ("‘", "’")}
_DASHES = ("-", "–", "—")
_FULL = {",": "，", "!": "！", "?": "？", ":": "：", ";": "；", "(": "（", ")": "）", ".": "。"}
_HALF = {full: half for half, full in _FULL.items()}
_FINAL = ".!?。！？"


def double_space(gap: str) -> Iterator[str]:
    """A space more where there is one."""
    if " " in gap:
        yield gap.replace(" ", "  ", 1)


def other_space(gap: str) -> Iterator[str]:
    """A space that does not break, or a tab, in the place of a space."""
    if " " in gap:
        yield gap.replace(" ", "\u00a0", 1)
        yield gap.replace(" ", "\t", 1)


def line_break(gap: str) -> Iterator[str]:
    """A line that ends where a space was, in both ways of files."""
    if " " in gap:
        yield gap.replace(" ", "\n", 1)
        yield gap.replace(" ", "\r\n", 1)


def trailing(document: Document, site: int) -> Proposals:
    """White space behind the text, and in front of it."""
    end = len(document.text)
    if site == 0:
        yield from ((end, end, space) for space in (" ", "\n", "  "))
        yield 0, 0, " "


def final_mark(document: Document, site: int) -> Proposals:
    """The last mark of the text left out, or put where there is none, in the script of the text."""
    end = len(document.text.rstrip())
    if site > 0 or not end:
        return
    last = document.text[end - 1]
    if last in _FINAL:
        yield end - 1, end, ""
    elif last.isalnum():
        yield end, end, "。" if has_han(document.text) else "."


def quotes(gap: str) -> Iterator[str]:
    """Straight quotes as curly ones, and the reverse."""
    curly = gap
    for straight, (opening, closing) in _CURLY.items():
        # one that follows a space or a bracket, or begins what stands before a word, opens
        curly = "".join(
            character if character != straight else opening if not before or before in " \n(" else closing
            for before, character in zip(["x", *curly], curly, strict=False)
        )
    yield curly
    yield gap.translate({ord(mark): straight for straight, pair in _CURLY.items() for mark in pair})


def dashes(gap: str) -> Iterator[str]:
    """A dash between words as the shorter or longer one."""
    for dash in _DASHES:
        if dash in gap:
            yield from (gap.replace(dash, other, 1) for other in _DASHES if other != dash)


def width(gap: str) -> Iterator[str]:
    """A Chinese mark as the Latin one of half its width, and the reverse."""
    for place, mark in enumerate(gap):
        if mark in _HALF:
            yield gap[:place] + _HALF[mark] + gap[place + 1 :]


def chinese_width(document: Document, site: int) -> Proposals:
    """Marks of half the width as Chinese ones, in a Chinese text."""
    if not has_han(document.text):
        return ()

    def wider(gap: str) -> Iterable[str]:
        return (gap[:place] + _FULL[mark] + gap[place + 1 :] for place, mark in enumerate(gap) if mark in _FULL)

    return of_gaps(wider)(document, site)


def _format(name: str, proposals: Proposer, preserves: Preserves = "likely") -> Operation:
    return Operation(f"format.{name}", "format", preserves, 1, proposals)


def _gap(name: str, candidates: Callable[[str], Iterable[str]], preserves: Preserves = "likely") -> Operation:
    return _format(name, of_gaps(candidates), preserves)


FORMAT = (
    _gap("double_space", double_space, "exact"),
    _format("trailing", trailing, "exact"),
    _gap("space", other_space, "exact"),
    _gap("newline", line_break, "exact"),
    _gap("quotes", quotes),
    _gap("dash", dashes),
    _format("final_mark", final_mark),
    _gap("halfwidth", width),
    _format("widened", chinese_width),
)
