"""`python -m pytest_llm` is the command `pytest-llm`."""

from __future__ import annotations

import sys

from pytest_llm.command.main import main

if __name__ == "__main__":
    sys.exit(main())
