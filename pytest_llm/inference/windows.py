"""How a text longer than the context is cut: every token is scored exactly once, with as much context as the plan allows.

With the sequence `s` = BOS (if asked for) + tokens, `s[0]` has nothing before it and is never scored; all others are.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llm.errors import MisuseError
from pytest_llm.models.language_model import Window


def rolling_windows(sequence: Sequence[int], max_length: int) -> list[Window]:
    """Disjoint stretches of `max_length` scored tokens; only the last one reaches back to fill the context.

    The plan of lm-evaluation-harness (`get_rolling_token_windows` with `context_len=1`, then `make_disjoint_window`): the model
    reads at most `max_length` tokens. One pass over the text, but the first tokens of each window see little context, so
    the perplexity of a long text comes out somewhat higher than with a stride.
    """
    windows = []
    for first in range(1, len(sequence), max_length):
        end = min(first + max_length, len(sequence))
        windows.append(Window(tuple(sequence[max(0, end - max_length - 1) : end]), end - first))
    return windows


def strided_windows(sequence: Sequence[int], max_length: int, stride: int) -> list[Window]:
    """Windows of `max_length` tokens that move by `stride`; each scores only what no window before it has scored.

    The plan of the Hugging Face guide "Perplexity of fixed-length models". A scored token sees at least
    `max_length - stride` tokens of context (except at the text's beginning); the cost is `max_length / stride` passes.

    Raises:
        MisuseError: stride is not below max_length; then the first token of each window would go unscored.
    """
    if stride >= max_length:
        raise MisuseError(
            f"stride={stride} is not below the window of {max_length} tokens: the windows would not overlap; "
            f"leave stride out for rolling windows"
        )
    windows = []
    done = 1
    for begin in range(0, len(sequence), stride):
        end = min(begin + max_length, len(sequence))
        if end > done:
            windows.append(Window(tuple(sequence[begin:end]), end - done))
            done = end
        if end == len(sequence):
            break
    return windows
