"""Writing many texts at once: finished ones leave, waiting ones enter, and nothing is padded on the left.

Each text that is being written has a slot, a stretch of memory for the keys and values of its tokens. Prompts are read as packs
of a tree (`tree_attention`), so that a beginning that several share is read once; then all texts grow by a token a
step. The idea is Orca's iteration-level scheduling (Yu et al. 2022).
"""

from __future__ import annotations

import math
import mmap
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch.nn.functional import scaled_dot_product_attention

from pytest_llm.models.linear_kernels import Product, fastest_linears
from pytest_llm.models.memory import SHARE_OF_FREE_MEMORY, Budget, free_memory, on_device
from pytest_llm.models.packed_attention import (
    CannotPack,
    read_pack,
    read_row,
    refuse_what_packing_misses,
    replaced_attention,
)
from pytest_llm.models.prefix_tree import Tokens, grow, plan_packs
from pytest_llm.models.tree_attention import KeysAndValues, TreeAttention

MOST_SLOTS = {"cpu": 32}
MOST_SLOTS_ELSEWHERE = 256
"""A step of few texts costs a GPU as much as a step of many: it waits for the launch of kernels."""
BYTES_FOR_KEYS = 2**30
"""On a CPU, keys and values of all slots together take at most so much, unless one text alone needs more."""
_SLOTS_PER_CALL = {"cpu": 8}
"""Slots whose attention is computed together, all over as many keys as the longest of them has; elsewhere all."""
_SHARE_TO_REFILL = 0.25
"""Prompts are read when so many slots are free: a few at once cost less than one at a time."""

Choose: TypeAlias = "Callable[[torch.Tensor, Sequence[Text]], list[int]]"


@dataclass
class Text:
    """A text that is being written."""

    index: int
    prompt: Tokens
    written: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        """How many of its tokens the model has read: all but the last one written."""
        return len(self.prompt) + len(self.written) - 1


def write_texts(
    module: Any,
    prompts: Sequence[Tokens],
    *,
    max_tokens: int,
    choose: Callable[[torch.Tensor, Sequence[Text]], list[int]],
    is_finished: Callable[[Text], bool],
    budget: Budget,
) -> list[list[int]]:
    """The tokens that follow each prompt.

    Args:
        module: a causal model of `transformers`.
        prompts: none empty.
        max_tokens: how many tokens are written at most.
        choose: the next token of each text, from logits `[texts, vocabulary]` in float32.
        is_finished: whether a text ends with the token that was written last.
        budget: how many tokens of prompts are read at once; halved where memory runs out, and with it the slots.

    Raises:
        CannotPack: the architecture asks for what packing does not do.
    """
    longest = max(map(len, prompts)) + max_tokens
    refuse_what_packing_misses(module, longest)
    most_slots = slots_for(module, longest)
    work = sum(map(len, prompts)) + max_tokens * len(prompts)
    tokens_at_first = budget.tokens
    answers: dict[int, list[int]] = {}
    with (
        torch.inference_mode(),
        fastest_linears(module, tokens=work, rows=MOST_SLOTS["cpu"]) as head,
        replaced_attention(module),
    ):
        if head is None:
            raise CannotPack(f"the head is a {type(module.get_output_embeddings()).__name__}, not a plain linear layer")

        def write_missing() -> None:
            slots = SlotAttention(max(1, most_slots * budget.tokens // tokens_at_first), longest)
            writer = _Writer(module, head, slots, budget, choose)
            # the longest first: texts of like length stand together, and short ones fill the gaps at the end
            missing = sorted((i for i in range(len(prompts)) if i not in answers), key=lambda i: -len(prompts[i]))
            waiting = deque(Text(index, prompts[index]) for index in missing)
            while waiting or writer.texts:
                if waiting and len(writer.texts) <= (1 - _SHARE_TO_REFILL) * slots.slots:
                    writer.begin([waiting.popleft() for _ in range(min(len(waiting), slots.slots - len(writer.texts)))])
                else:
                    writer.step()
                for text in [t for t in writer.texts if is_finished(t) or len(t.written) >= max_tokens]:
                    answers[text.index] = text.written
                    writer.dismiss(text)

        budget.run(write_missing)
    return [answers[index] for index in range(len(prompts))]


def slots_for(module: Any, longest: int) -> int:
    """How many texts of so many tokens are written at once."""
    device = module.get_input_embeddings().weight.device
    free = free_memory(device) if device.type != "cpu" else None
    room = BYTES_FOR_KEYS if free is None else int(SHARE_OF_FREE_MEMORY * free)
    return max(1, min(MOST_SLOTS.get(device.type, MOST_SLOTS_ELSEWHERE), room // (longest * bytes_of_keys(module))))


def bytes_of_keys(module: Any) -> int:
    """What the keys and values of one token take, in all layers."""
    config = module.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * module.dtype.itemsize)


class SlotAttention:
    """Attention of one new token in each slot over all tokens of that slot.

    Args:
        slots: how many texts are written at once.
        capacity: the longest text in tokens.
    """

    def __init__(self, slots: int, capacity: int) -> None:
        self.longest = capacity
        self.slots = slots
        self._kept: dict[int, KeysAndValues] = {}
        self._places: torch.Tensor
        self._biases: list[tuple[slice, torch.Tensor]] = []

    def fill(self, layer: int, slot: int, keys_and_values: KeysAndValues) -> None:
        """Take over keys and values `[1, heads, tokens, width]` of a prompt."""
        if layer not in self._kept:
            self._kept[layer] = tuple(_zeros(self.slots, self.longest, part) for part in keys_and_values)  # type: ignore[assignment]
        for kept, part in zip(self._kept[layer], keys_and_values, strict=True):
            kept[slot, :, : part.shape[2]] = part[0]

    def move(self, origin: int, target: int, length: int) -> None:
        """What stands in one slot, to another one."""
        for pair in self._kept.values():
            for kept in pair:
                kept[target, :, :length] = kept[origin, :, :length]

    def turn_to(self, lengths: Sequence[int], like: torch.Tensor) -> None:
        """The next row has one token of each slot; so many tokens stand before it."""
        self._places = on_device(torch.tensor(lengths), like.device)
        self._biases = []
        per_call = _SLOTS_PER_CALL.get(like.device.type, len(lengths))
        for start in range(0, len(lengths), per_call):
            some = slice(start, min(start + per_call, len(lengths)))
            seen = torch.arange(max(lengths[some]) + 1, device=like.device) <= self._places[some, None]
            bias = torch.zeros(seen.shape, dtype=like.dtype, device=like.device).masked_fill_(~seen, float("-inf"))
            self._biases.append((some, bias[:, None, None]))

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        _, heads, rows, width = query.shape
        groups = heads // key.shape[1]
        slot = torch.arange(rows, device=query.device)
        keys, values = self._kept[layer]
        keys[slot, :, self._places] = key[0].transpose(0, 1)
        values[slot, :, self._places] = value[0].transpose(0, 1)
        # the query heads that share a key head stand as rows of one product
        folded = query[0].transpose(0, 1).reshape(rows, heads // groups, groups, width)
        seen = [
            scaled_dot_product_attention(
                folded[some],
                keys[some, :, : bias.shape[-1]],
                values[some, :, : bias.shape[-1]],
                attn_mask=bias,
                scale=scaling,
            )
            for some, bias in self._biases
        ]
        return torch.cat(seen).reshape(rows, heads, -1).transpose(0, 1)[None]


def _zeros(slots: int, capacity: int, like: torch.Tensor) -> torch.Tensor:
    """Memory for the keys of all slots: zeros, because what is left over from before could be NaN, and 0 · NaN is NaN.

    On the CPU fresh pages of the system, which are zero: those that no text reaches are never touched, and cost nothing.
    """
    _, heads, _, width = like.shape
    shape = (slots, heads, capacity, width)
    if like.device.type != "cpu":
        return torch.zeros(shape, dtype=like.dtype, device=like.device)
    pages = mmap.mmap(-1, math.prod(shape) * like.dtype.itemsize)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # a huge page would be touched as a whole
        pages.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(pages, dtype=like.dtype).view(shape)


class _Writer:
    """The texts that are being written, each in the slot of its place in `texts`."""

    def __init__(
        self, module: Any, head: Sequence[Product], slots: SlotAttention, budget: Budget, choose: Choose
    ) -> None:
        self.texts: list[Text] = []
        self._module, self._head, self._slots, self._budget, self._choose = module, head, slots, budget, choose

    def begin(self, entering: Sequence[Text]) -> None:
        """Read the prompts of new texts into free slots, and write the first token of each."""
        tree = grow([text.prompt for text in entering], longest_segment=self._budget.longest_segment)
        slot_of = {id(text): len(self.texts) + place for place, text in enumerate(entering)}
        last_rows: dict[int, torch.Tensor] = {}

        def keep(layer: int, keys_and_values: KeysAndValues) -> None:
            for text, places in ending:
                of_text = [torch.cat([part[:, :, p] for p in places], dim=2) for part in keys_and_values]
                self._slots.fill(layer, slot_of[id(text)], (of_text[0], of_text[1]))

        packs = plan_packs(tree.segments, self._budget.tokens)
        attention = TreeAttention(tree.segments, listen=keep)
        for pack, following in zip(packs, [*packs[1:], None], strict=False):
            places = attention.turn_to(pack, following)
            ending = [
                (text, [places[index] for index in route])
                for text, route in zip(entering, tree.routes, strict=True)
                if route[-1] in pack.segments
            ]
            hidden = read_pack(self._module, tree.segments, pack, attention)
            carried = places[pack.segments[0]].start
            last_rows |= {id(text): hidden[spans[-1].stop - 1 - carried] for text, spans in ending}
        self.texts += entering
        self._write(torch.stack([last_rows[id(text)] for text in entering]), entering)

    def step(self) -> None:
        """Read the last token of each text, and write the next one."""
        lengths = [text.length for text in self.texts]
        self._slots.turn_to(lengths, like=self._module.get_input_embeddings().weight)
        tokens = [text.written[-1] for text in self.texts]
        self._write(read_row(self._module, tokens, torch.tensor(lengths), self._slots), self.texts)

    def dismiss(self, text: Text) -> None:
        """Free a finished text's slot; the last text moves there, so that the slots in use stay together."""
        slot = next(place for place, other in enumerate(self.texts) if other is text)
        last = self.texts.pop()
        if last is not text:
            self._slots.move(len(self.texts), slot, last.length)
            self.texts[slot] = last

    def _write(self, hidden: torch.Tensor, texts: Sequence[Text]) -> None:
        logits = torch.cat([product(hidden).float() for product in self._head], dim=1)
        for text, token in zip(texts, self._choose(logits, texts), strict=True):
            text.written.append(token)
