"""A model as contracts see it: tokens in, logits out, nothing summed up or averaged in between.

Contracts have to see each logit, so they talk to the network itself and not to the methods that metrics use. What is needed
of it is little, and read off its signature: `forward(input_ids, attention_mask, …)` of `transformers`, `forward(tokens, mask)`
of the project's own core, a method `logits(ids, attention_mask)` or a function `ids → logits` of the user's. A keyword that a
model does not take is not given to it; a contract that needs it says so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from pytest_llm.data.provenance import Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import LENGTH_KEYS, Checkpoint, stated_length, usable_positions
from pytest_llm.models.loading import load_model

Reads: TypeAlias = Literal["source", "target"]

_MASKS = ("attention_mask", "mask")
_CACHES = ("cache", "past_key_values")  # transformers 5 and 4
# source, target and the masks of both, as transformers and the core call them
_TWO_TEXTS = (
    ("input_ids", "decoder_input_ids", "attention_mask", "decoder_attention_mask"),
    ("source", "target", "source_mask", "target_mask"),
)
_FIXED = 6
_VOCABULARY_KEYS = ("vocab_size", "vocabulary")


@dataclass(frozen=True, eq=False)
class Network:
    """What `as_network` makes of a model.

    Args:
        call: takes tokens `[batch, length]`, returns logits `[batch, length, entries]` or an object that has them.
        name: how messages call it.
        module: the `torch.nn.Module` behind it, if there is one: it can be copied, saved, and looked into.
        tokenizer: of `transformers`, if there is one.
        wrapper: the plugin's own model round it, if there is one.
        aligned: see there.
    """

    call: Callable[..., Any]
    name: str
    module: nn.Module | None = None
    tokenizer: Any = None
    wrapper: Checkpoint | None = None
    aligned: bool = True
    """Whether the logits at a position are about the token there; not where a source is read, and its target's logits come."""
    _parameters: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_parameters", _parameters(self.call))

    @torch.inference_mode()
    def read(self, tokens: torch.Tensor, mask: torch.Tensor | None = None, **more: Any) -> torch.Tensor:
        """The logits of `tokens`; where there is padding, `mask` is False there."""
        return _logits(self.call(tokens, **self._about(tokens, mask), **self._without_cache(), **more), self.name)

    @torch.inference_mode()
    def read_on(self, tokens: torch.Tensor, mask: torch.Tensor | None, cache: Any) -> tuple[torch.Tensor, Any]:
        """The logits of new tokens, and the cache to go on with.

        Args:
            tokens: those that the cache does not hold yet.
            mask: of all tokens so far; None: there is no padding.
            cache: what the call before returned; None to begin with.
        """
        assert self.cache_name is not None  # contracts ask before
        parts = () if self.module is None else self.module.modules()
        new_cache: Any = next((part.new_cache for part in parts if hasattr(part, "new_cache")), None)
        if new_cache is not None:  # of the core: extended in place, and told of new tokens only
            cache = new_cache() if cache is None else cache
            about = self._about(tokens, None if mask is None else mask[:, -tokens.shape[1] :])
            return _logits(self.call(tokens, **about, cache=cache), self.name), cache
        about = self._about(tokens, mask)
        answer = self.call(tokens, **about, **{self.cache_name: cache}, use_cache=True)
        kept = next((found for name in _CACHES if (found := getattr(answer, name, None)) is not None), None)
        if kept is None:
            raise MisuseError(
                f"{self.name} takes a {self.cache_name} but returns none to go on with: it is no decoder, or not set up as one"
            )
        return _logits(answer, self.name), kept

    def _about(self, tokens: torch.Tensor, mask: torch.Tensor | None) -> dict[str, Any]:
        if mask is None:
            return {}
        if self.mask_name is None:
            raise MisuseError(
                f"{self.name} takes no attention_mask (or mask), and padding cannot be told from text without"
            )
        about = {self.mask_name: mask.long()}
        if "position_ids" in self._parameters and self.generates:
            # counted as `generate` counts them: padding takes no place
            positions = (mask.long().cumsum(dim=1) - 1).clamp(min=0)
            about["position_ids"] = positions[:, -tokens.shape[1] :]
        return about

    def _without_cache(self) -> dict[str, bool]:
        return {"use_cache": False} if "use_cache" in self._parameters else {}

    def takes(self, keyword: str) -> bool:
        return keyword in self._parameters

    @property
    def mask_name(self) -> str | None:
        """The keyword for the padding mask; None if it takes none."""
        return next((name for name in _MASKS if name in self._parameters), None)

    @property
    def cache_name(self) -> str | None:
        """The keyword for keys and values that were read before; None if it takes none."""
        return next((name for name in _CACHES if name in self._parameters), None)

    @property
    def generates(self) -> bool:
        """Whether it is one of the models of `transformers` that write."""
        can_generate = getattr(self.module, "can_generate", None)
        return bool(callable(can_generate) and can_generate())

    @property
    def counts_places(self) -> bool:
        """Whether padding on the left shifts the text: models of `transformers` count positions so, unless they are told them."""
        return hasattr(self.module, "can_generate") and not (self.generates and self.takes("position_ids"))

    @property
    def device(self) -> torch.device:
        first = next(self.module.parameters(), None) if self.module is not None else None
        return torch.device("cpu") if first is None else first.device

    @property
    def dtype(self) -> torch.dtype:
        """Of its logits."""
        return self._probe.dtype

    @property
    def _config(self) -> Any:
        config: Any = getattr(self.module, "config", None)
        return config.get_text_config() if hasattr(config, "get_text_config") else config

    @cached_property
    def vocabulary(self) -> int:
        """How many tokens there are: what the configuration says, else as many as there are logits."""
        return stated_length(self._config, _VOCABULARY_KEYS) or self._probe.shape[-1]

    @property
    def gives_logits(self) -> bool:
        """Whether it gives a number for each entry of the vocabulary, and not hidden states."""
        return self._probe.shape[-1] == self.vocabulary

    @cached_property
    def _probe(self) -> torch.Tensor:
        return self.read(torch.ones((1, 1), dtype=torch.long, device=self.device))

    @property
    def max_length(self) -> int | None:
        """How many tokens it can read at once; None where it does not say."""
        if self.wrapper is not None:
            return self.wrapper.max_length
        stated = stated_length(self._config, (*LENGTH_KEYS, "max_length"))
        return stated if stated is None or self.module is None else usable_positions(self.module, stated)

    @property
    def padding(self) -> int:
        """The token to pad with: what the model was trained with, if it says."""
        named = getattr(self.tokenizer, "pad_token_id", None), getattr(self._config, "pad_token_id", None)
        return next((token for token in named if isinstance(token, int)), 0)

    @property
    def special_tokens(self) -> frozenset[int]:
        """What random tokens leave out: some models count padding out wherever it stands."""
        return frozenset({self.padding, *(getattr(self.tokenizer, "all_special_ids", None) or ())})

    @property
    def provenance(self) -> Provenance:
        if self.wrapper is not None:
            return self.wrapper.provenance
        return Provenance(self.name, str(self.dtype).removeprefix("torch."), str(self.device))

    def with_module(self, module: nn.Module) -> Network:
        """The same with a copy of its module."""
        return network_of(module, self.name, self.tokenizer, reads="target" if self.aligned else "source")


def as_network(model: Any, *, reads: Reads = "target") -> Network:
    """Take whatever a contract was given.

    A module is taken as it is, in training mode too: that dropout was left on is for the contracts to find.

    Args:
        model: see the module's text.
        reads: of an encoder-decoder, which of the two texts the contract is about; the other one is the same each time.

    Raises:
        MisuseError: nothing that shows its logits.
    """
    if isinstance(model, Network):
        return model
    if isinstance(model, str | Path):
        model = load_model(model)
    if isinstance(model, Checkpoint):
        module = (
            getattr(model, "core", None) or model.module
        )  # of our own Transformers, not what makes them look like others
        return network_of(module, model.name, model.tokenizer, model, reads=reads)
    tokenizer = None
    if isinstance(model, tuple) and len(model) == 2:
        model, tokenizer = model
    if callable(getattr(model, "logits", None)):
        module = model if isinstance(model, nn.Module) else None
        return Network(model.logits, _name(model), module, tokenizer or getattr(model, "tokenizer", None))
    if isinstance(model, nn.Module):
        return network_of(model, _name(model), tokenizer, reads=reads)
    if callable(model):
        return Network(model, _name(model), None, tokenizer)
    raise MisuseError(
        f"{type(model).__name__} does not show its logits: expected a path, a hub id, a (model, tokenizer) pair, a torch module "
        f"whose forward takes token ids, a function of token ids, or an object with a method logits(ids, attention_mask)"
    )


def network_of(
    module: nn.Module, name: str, tokenizer: Any = None, wrapper: Checkpoint | None = None, *, reads: Reads
) -> Network:
    """The network of a module; of an encoder-decoder with one of its two texts held fast."""
    call = _half(module, tokenizer, reads)
    aligned = reads == "target" or call is module
    return Network(call, name, module, tokenizer, wrapper, aligned)


def _half(module: nn.Module, tokenizer: Any, reads: Reads) -> Callable[..., Any]:
    """An encoder-decoder as a function of one text; any other module as it is."""
    named = _parameters(module)
    names = next((names for names in _TWO_TEXTS if names[1] in named), None)
    if names is None:
        return module
    source, target, source_mask, target_mask = names
    start = getattr(getattr(module, "config", None), "decoder_start_token_id", None) or 0
    special = {start, *(getattr(tokenizer, "all_special_ids", None) or ())}
    other = [token for token in range(2, 2 + _FIXED + len(special)) if token not in special][:_FIXED]

    def of_source(tokens: torch.Tensor, attention_mask: torch.Tensor | None = None) -> Any:
        written = torch.tensor([[start, *other]], device=tokens.device).expand(tokens.shape[0], -1)
        return module(**{source: tokens, target: written, source_mask: attention_mask})

    def of_target(tokens: torch.Tensor, attention_mask: torch.Tensor | None = None, **more: Any) -> Any:
        read = torch.tensor([other], device=tokens.device).expand(tokens.shape[0], -1)
        return module(**{source: read, target: tokens, target_mask: attention_mask}, **more)

    cache_name = next((name for name in _CACHES if name in named), None)

    def of_target_with_cache(
        tokens: torch.Tensor, attention_mask: torch.Tensor | None = None, cache: Any = None, use_cache: bool = False
    ) -> Any:
        keeping = {"use_cache": use_cache} if "use_cache" in named else {}
        return of_target(tokens, attention_mask, **{str(cache_name): cache}, **keeping)

    if reads == "source":
        return of_source
    return of_target if cache_name is None else of_target_with_cache


def _logits(answer: Any, name: str) -> torch.Tensor:
    """What a model returned, as logits: `.logits`, `.last_hidden_state`, the first of a tuple, or the thing itself."""
    for attribute in ("logits", "last_hidden_state"):
        if isinstance(found := getattr(answer, attribute, None), torch.Tensor):
            answer = found
            break
    if isinstance(answer, tuple | list) and answer and hasattr(answer[0], "shape"):
        answer = answer[0]
    try:
        logits = torch.as_tensor(answer)
    except (TypeError, ValueError, RuntimeError):
        raise MisuseError(f"{name} returned {type(answer).__name__}, no logits [batch, length, entries]") from None
    if logits.dim() != 3 or not logits.is_floating_point():
        raise MisuseError(
            f"{name} returned {logits.dtype} of shape {tuple(logits.shape)}; expected logits [batch, length, entries]"
        )
    return logits


def _parameters(called: Any) -> frozenset[str]:
    """The names of the keywords it takes; of an adapter's wrapper those of the model in it."""
    if isinstance(called, nn.Module):
        base: Any = called
        called = (base.get_base_model() if hasattr(base, "get_base_model") else base).forward
    try:
        return frozenset(inspect.signature(called).parameters)
    except (TypeError, ValueError):  # a builtin
        return frozenset()


def _name(model: Any) -> str:
    if isinstance(name := getattr(model, "name", None), str):
        return name
    return getattr(model, "__name__", None) or type(model).__name__
