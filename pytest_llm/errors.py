"""What goes wrong before there is a number to judge."""


class MisuseError(ValueError):
    """The caller asked for something that has no answer: the message names what was received and the remedy."""

    __module__ = "pytest_llm"  # reports say pytest_llm.MisuseError, the name that people import
