"""What a test has to say before it ends, which may be never: its worker may be killed.

xdist carries nothing from a worker but the events of pytest's own hooks, so it is said as one more report of a set-up that passed:
every plugin has seen many of them, and makes nothing of them.
"""

from __future__ import annotations

import pytest


def tell(item: pytest.Item, **said: object) -> None:
    """Send something to the process that has the terminal, at once.

    Args:
        item: the running test.
        **said: attributes of the report that `pytest_runtest_logreport` gets there; of types that xdist carries (str, bytes, int,
            float, list, dict, …).
    """
    report = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, "setup")
    for name, value in said.items():
        setattr(report, name, value)
    item.ihook.pytest_runtest_logreport(report=report)
