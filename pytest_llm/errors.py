"""What goes wrong before there is a number to judge."""


class MisuseError(ValueError):
    """The caller asked for something that has no answer: the message names what was received and the remedy."""

    __module__ = "pytest_llm"  # reports say pytest_llm.MisuseError, the name that people import


class MetricWarning(UserWarning):
    """A number that is right by its definition and still says little about this data; the message names a better metric."""

    __module__ = "pytest_llm"


class CacheWarning(UserWarning):
    """The cache on disk cannot be used, or a part of it; the run goes on without, and its numbers are the same."""

    __module__ = "pytest_llm"


class UndecidedError(Exception):
    """A drop that may be chance, where the test asked for "skip" or "xfail" then; the plugin ends the test so."""

    __module__ = "pytest_llm"

    def __init__(self, sentence: str, ending: str) -> None:
        super().__init__(sentence)
        self.ending = ending
