"""All readers of ours that are fuzzed: one table for the tests, the stored findings and the campaigns."""

from __future__ import annotations

from tests.fuzzing import foreign, own, posted, served
from tests.fuzzing.parser import Parser

PARSERS: dict[str, Parser] = {**foreign.PARSERS, **served.PARSERS, **own.PARSERS, **posted.PARSERS}
