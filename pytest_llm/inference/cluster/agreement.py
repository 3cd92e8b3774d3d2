"""All processes of a question multiply with the same kernel: which is fastest is found out by the clock, by the first of them.

Else the last bits of an answer would depend on which actor gave it. What was decided lies in the key-value store of the cluster's
head, which this process has a part in while it is connected.
"""

from __future__ import annotations

import json
import uuid
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_llm.models.linear_kernels import Kernel, Shape

_STORE = "ray.experimental.internal_kv"  # untyped
_NAMESPACE = b"pytest_llm"


class Agreement:
    """Between this process and the actors that `agree` is handed to."""

    def __init__(self) -> None:
        self._prefix = f"kernels {uuid.uuid4().hex} "
        self.agree = partial(_agreed, self._prefix)
        self._is_joined = False

    def join(self) -> None:
        """What this process has decided holds for actors as well, and what they decide for this process."""
        if self._is_joined:
            return
        from pytest_llm.models import linear_kernels  # only where a model is torch's

        self._is_joined = True
        for shape, kernel in linear_kernels.chosen.items():
            self.agree(shape, kernel)
        linear_kernels.agree = self.agree

    def close(self) -> None:
        """This process decides alone again."""
        if self._is_joined:
            from pytest_llm.models import linear_kernels

            linear_kernels.agree = linear_kernels.alone
        store = import_module(_STORE)
        if store._internal_kv_initialized():
            store._internal_kv_del(self._prefix, del_by_prefix=True, namespace=_NAMESPACE)


def _agreed(prefix: str, shape: Shape, own: Kernel) -> Kernel:
    store: Any = import_module(_STORE)
    key = prefix + json.dumps(list(map(str, shape)))
    store._internal_kv_put(key, own, overwrite=False, namespace=_NAMESPACE)
    kernel: Kernel = store._internal_kv_get(key, namespace=_NAMESPACE).decode()
    return kernel
