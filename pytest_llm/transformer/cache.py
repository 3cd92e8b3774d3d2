"""The key-value cache: what a decoder has read, so that each step reads only what is new."""

from __future__ import annotations

import torch
from torch import Tensor


class KeysAndValues:
    """The keys and values of one attention layer, `[batch, key-value heads, length, head width]` each."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put new ones behind those that are there; all of them."""
        if self.keys is not None and self.values is not None:
            keys, values = torch.cat([self.keys, keys], dim=2), torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]


class Cache:
    """All that a decoder remembers of the tokens so far. It grows by each call that it is given to.

    Reading a text at once, in chunks, or token by token comes to the same. Padding is remembered as padding, so positions
    are right whatever side it is on.

    Args:
        layers: of the decoder.
    """

    def __init__(self, layers: int) -> None:
        self.own = [KeysAndValues() for _ in range(layers)]
        self.cross = [KeysAndValues() for _ in range(layers)]
        """Of the encoder's states: computed by the first call, used by all later ones."""
        self.real: Tensor | None = None
        """Which tokens are no padding, `[batch, length]`."""

    @property
    def length(self) -> int:
        """How many tokens have been read, padding included."""
        return 0 if self.real is None else self.real.shape[1]

    def extend(self, real: Tensor) -> Tensor:
        """Note which of the new tokens are real; of all tokens so far."""
        self.real = real if self.real is None else torch.cat([self.real, real], dim=1)
        return self.real

    def select(self, rows: Tensor) -> None:
        """Keep these rows of the batch, in this order: what a beam search does after each step."""
        if self.real is not None:
            self.real = self.real[rows]
        for layer in (*self.own, *self.cross):
            layer.select(rows)
