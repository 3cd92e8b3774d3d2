"""A text within much else: what a model does with it should not depend on how much, or on where it stands (Liu et al. 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

from pytest_llm.adversarial.document import Document, has_han
from pytest_llm.errors import MisuseError

FILLER = (
    "The market opens at eight in the morning.",
    "A small river runs behind the mill.",
    "Most houses in the street have two floors.",
    "The library keeps its maps in the cellar.",
    "Trains leave from the second platform.",
    "In autumn the leaves of the lime trees turn yellow.",
    "The baker closes his shop at six.",
    "There is a bench in front of the town hall.",
    "The path along the lake is made of gravel.",
    "On Sundays the bells ring at ten.",
    "The garden wall is covered with ivy.",
    "A ferry crosses the bay twice a day.",
)
FILLER_HAN = (
    "市场早上八点开门。",
    "磨坊后面有一条小河。",
    "街上的房子大多有两层。",
    "图书馆的地图放在地下室。",
    "火车从第二站台出发。",
    "秋天树叶会变黄。",
    "面包店六点关门。",
    "市政厅前面有一张长椅。",
    "湖边的小路铺着碎石。",
    "星期天十点敲钟。",
    "花园的墙上长满了藤。",
    "渡船每天过海湾两次。",
)


@dataclass(frozen=True)
class Context:
    """A needle in hay: a text, and where in it the part stands that matters."""

    needle: str
    length: int
    """How long the whole may be, in the unit that it was counted in."""
    depth: float
    """The share of the filler that stands before the needle."""
    text: str = field(repr=False)
    start: int
    """Where the needle begins, in code points."""


def words(text: str) -> int:
    """How many words a text has; a Chinese character is one."""
    return len(Document(text).words)


def context(
    needle: str,
    length: int,
    depth: float,
    *,
    filler: Sequence[str] | None = None,
    count: Callable[[str], int] | None = None,
) -> Context:
    """The needle between whole sentences of filler, as many as keep the whole within a length.

    Args:
        needle: what is to be found, or is asked about.
        length: the most that the whole may count. As long as the needle itself: no filler.
        depth: 0: the needle comes first, so that the filler is padding behind it; 1: it comes last.
        filler: sentences, used in turn; None: shipped ones, in the language of the needle.
        count: what `length` counts, such as `lambda text: len(tokenizer(text)["input_ids"])`; None: words.

    Raises:
        MisuseError: a needle that is longer than the length, a depth outside 0 and 1, or no filler.
    """
    count = count or words
    sentences = (FILLER_HAN if has_han(needle) else FILLER) if filler is None else filler
    if isinstance(sentences, str) or not any(count(one) for one in sentences):
        raise MisuseError(f"filler={sentences!r}: expected sentences, with at least one that counts")
    if not 0 <= depth <= 1:
        raise MisuseError(f"depth={depth!r}: expected a share between 0 and 1")
    if count(needle) > length:
        raise MisuseError(f"length={length!r}: the needle alone counts {count(needle)}")
    hay: list[str] = []
    spent = count(needle)
    for sentence in cycle(sentences):
        spent += count(sentence)
        if spent > length:
            break
        hay.append(sentence)
    made = _between(needle, hay, depth)
    while count(made[0]) > length:  # tokens of a whole can be more than those of its parts
        hay.pop()
        made = _between(needle, hay, depth)
    return Context(needle, length, depth, *made)


def _between(needle: str, hay: Sequence[str], depth: float) -> tuple[str, int]:
    space = "" if has_han(needle) else " "
    before = round(depth * len(hay))
    head = "".join(sentence + space for sentence in islice(hay, before))
    tail = "".join(space + sentence for sentence in islice(hay, before, None))
    return head + needle + tail, len(head)
