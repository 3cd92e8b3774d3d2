"""What a model's answers depend on, as one digest that is the same in every process and on every machine; for the cache on disk.

It differs from `fingerprint`, which tells a model from itself a moment ago, in what it does with objects that are no numbers: a
replaced `forward`, a hook or an adapter makes a fingerprint that holds for this process, and no cache key at all. It differs from
`identity` in that it takes the tensors in full: a sum of blocks is blind to numbers that change places in a block, and a digest of
64 bits is likely to be shared by two of some billion models. Here that would be a wrong number years later, on somebody else's
machine. So weights are hashed with SHA-256, at 1.4 GB/s a core: once per process, and again when they changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from weakref import WeakKeyDictionary

import torch

from pytest_llm.models.description import ORIGINS, Untold, bytes_of, described, refuse_altered
from pytest_llm.models.fingerprint import are_plain, block_sums, column_sums

logger = logging.getLogger(__name__)

_BYTES_AT_A_TIME = 2**24
_NO_SETTINGS = frozenset({"_parameters", "_buffers", "_modules", "hf_quantizer", "hf_device_map"}) | ORIGINS
"""Of a module: what is told elsewhere, what filled plain weights and has no more to do, and where they came from and went."""
_NO_TOKENIZER_SETTINGS = (
    frozenset({"_tokenizer", "init_kwargs", "init_inputs", "deprecation_warnings", "verbose"}) | ORIGINS
)
"""Of a tokenizer: what its pipeline tells, what it was made of, and what it has warned of."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

_hashed: WeakKeyDictionary[torch.nn.Module, tuple[Hashable, str]] = WeakKeyDictionary()
"""Of modules that were hashed: what they were made of then, and the digest."""


def cache_key(model: Any) -> str | None:
    """SHA-256 of a `Checkpoint`'s weights, settings, classes, tokenizer, device and the versions of the libraries; or None.

    None where that would not be all: hooks, replaced functions, adapters, classes of other packages, weights that are no plain
    tensors, a tokenizer whose pipeline is code. The reason is logged.
    """
    return _key(model, [place_of(model.device)])


def placeless_key(model: Any) -> str | None:
    """As `cache_key` but for the device: tells whether a copy elsewhere is the same model."""
    return _key(model, [])


def _key(model: Any, place: list[str]) -> str | None:
    try:
        parts = [
            _wrapper(model),
            _module(model.module),
            _tokenizer(model.tokenizer),
            *place,
            _environment(),
            _weights(model.module),
        ]
    except (Untold, RecursionError) as reason:
        logger.info("answers of %s are not kept on disk: it has %s", model.name, reason)
        return None
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _wrapper(model: Any) -> str:
    refuse_altered(type(model))
    _refuse_replaced(model)
    parts = set(model.module.modules())
    for name, value in vars(model).items():
        if isinstance(value, torch.nn.Module) and value not in parts:
            raise Untold(f"a second model, {name}")
    return type(model).__qualname__


def _refuse_replaced(owner: object) -> None:
    """Raise Untold for an object with a method of its own, in the place of its class's."""
    for name, value in vars(owner).items():
        if callable(value) and callable(getattr(type(owner), name, None)):
            raise Untold(f"{type(owner).__name__}.{name} replaced")


def _module(module: torch.nn.Module) -> str:
    _refuse_global_hooks()
    for kind in {type(part) for part in module.modules()}:
        refuse_altered(kind)
    told: dict[int, str] = {}  # configurations are shared by all layers
    lines = []
    for path, part in module.named_modules(remove_duplicate=False):
        _refuse_replaced(part)
        lines.append(f"{path} {type(part).__module__}.{type(part).__qualname__}")
        for name, value in vars(part).items():
            if name in _NO_SETTINGS:
                continue
            if name.startswith(_HOOKS) and value:
                raise Untold(f"hooks on {path or 'the whole model'}")
            try:
                if id(value) not in told:
                    told[id(value)] = described(value)
            except Untold as reason:
                raise Untold(f"{path}.{name}, {reason}".lstrip(".")) from None
            lines.append(f"{name}={told[id(value)]}")
    return "\n".join(lines)


def _refuse_global_hooks() -> None:
    """Raise Untold for what torch lets people put between any module, or any operation, and its result."""
    everywhere = sys.modules["torch.nn.modules.module"]
    if any(getattr(everywhere, f"_global{hooks}", None) for hooks in _HOOKS):
        raise Untold("hooks on all modules")
    if torch._C._len_torch_function_stack() or torch._C._len_torch_dispatch_stack():
        raise Untold("a mode around it that sees every operation")


def _tokenizer(tokenizer: Any) -> str:
    refuse_altered(type(tokenizer))
    _refuse_replaced(tokenizer)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or type(backend).__module__.partition(".")[0] != "tokenizers":
        raise Untold(f"a {type(tokenizer).__name__}, which is no fast tokenizer")
    try:
        pipeline = json.loads(backend.to_str())
    except Exception as error:  # the library's own type: a step that is Python code cannot be written down
        raise Untold(f"a tokenizer that cannot be written down ({error})") from None
    # how it was last called, not what it is
    lines = [json.dumps({**pipeline, "padding": None, "truncation": None}, sort_keys=True)]
    for name, value in sorted(vars(tokenizer).items()):
        if name not in _NO_TOKENIZER_SETTINGS:
            try:
                lines.append(f"{name}={described(value)}")
            except Untold as reason:
                raise Untold(f"a tokenizer with {name}, {reason}") from None
    return "\n".join([type(tokenizer).__qualname__, *lines])


def place_of(device: torch.device) -> str:
    """Two kinds of GPU, or a processor with wider registers, differ in the last bits; in half precision by more."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.backends.cpu.get_cpu_capability()}" if device.type == "cpu" else device.type


def _environment() -> str:
    """Versions, and the settings of torch that change results."""
    settings = [torch.get_float32_matmul_precision(), torch.get_default_dtype()]
    for kind in ("cpu", "cuda"):
        settings.append(torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None)
    try:
        versions = {name: version(name) for name in ("torch", "transformers", "tokenizers")}
    except PackageNotFoundError as error:
        raise Untold(f"a library without a version: {error}") from None
    return f"{versions} {settings}"


def _weights(module: torch.nn.Module) -> str:
    """SHA-256 of names, shapes, types and all bits of parameters and buffers."""
    named = [*module.named_parameters(), *module.named_buffers()]
    tensors = [tensor.detach() for _, tensor in named]
    if not are_plain(tensor for _, tensor in named):
        raise Untold("weights that are no plain tensors in memory")
    names = [f"{name} {tuple(tensor.shape)} {tensor.dtype}" for name, tensor in named]
    # both ways: a sum of blocks alone would not see numbers change places, and what is computed then would be kept for ever
    made_of = (*names, hashlib.sha256(block_sums(tensors)).digest(), hashlib.sha256(column_sums(tensors)).digest())
    known = _hashed.get(module)
    if known is None or known[0] != made_of:
        flat = [tensor.reshape(-1).view(torch.uint8) for tensor in tensors]
        pieces = [piece for of_one in flat for piece in torch.split(of_one, _BYTES_AT_A_TIME)]
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # hashing lets other threads run
            digests = b"".join(threads.map(lambda piece: hashlib.sha256(bytes_of(piece)).digest(), pieces))
        whole = hashlib.sha256("\n".join(names).encode() + digests).hexdigest()
        known = _hashed[module] = made_of, whole
    return known[1]
