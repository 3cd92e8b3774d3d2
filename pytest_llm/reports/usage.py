"""What served models were asked, in words: requests, and tokens as the server counted them, since it is the server that is paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_llm.usage import Usage, summed
from pytest_llm.wording import counted, printable

MOST_MODELS = 5
"""Each of which has a line of its own; the others have one together."""


def usage_lines(usages: Mapping[str, Usage]) -> list[str]:
    """A line for each model, the one that took the most tokens first."""
    by_tokens = sorted(usages, key=lambda model: -(usages[model].prompt_tokens + usages[model].completion_tokens))
    own = by_tokens if len(by_tokens) <= MOST_MODELS + 1 else by_tokens[:MOST_MODELS]
    lines = [f"served {printable(model)}: {usage_said(usages[model])}" for model in own]
    if others := by_tokens[len(own) :]:
        total = summed([{"": usages[model]} for model in others])[""]
        lines.append(f"served {len(others)} other models: {usage_said(total)}")
    return lines


def usage_said(usage: Usage) -> str:
    """Such as "12 requests (3 retried), 345 prompt and 67 completion tokens as the server counted them; 4 answers were known …"."""
    return "; ".join(_clauses(usage))


def _clauses(usage: Usage) -> Iterator[str]:
    retried = f" ({usage.retries:,} retried)" if usage.retries else ""
    asked = f"{counted(usage.requests, 'request', ',')}{retried}"
    if usage.requests > usage.uncounted:
        asked += f", {usage.prompt_tokens:,} prompt and {usage.completion_tokens:,} completion tokens as the server counted them"
    yield asked
    if usage.uncounted:
        yield f"of {counted(usage.uncounted, 'answer', ',')} it counted no tokens"
    if usage.spared:
        yield f"{counted(usage.spared, 'answer', ',')} {'was' if usage.spared == 1 else 'were'} known and not asked for"
