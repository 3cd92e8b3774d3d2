"""Objects as text that is the same in every process, if that is all there is to them; else the reason why not.

For keys that outlive the process. There an object of somebody else's class has no place, however it prints: what its code does
is not told by its name. Numbers, texts, containers, plain tensors, configurations, and classes and functions as torch, transformers
and this package ship them have: the versions of these stand in the key.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import torch

from pytest_llm.models.fingerprint import are_plain

LIBRARIES = ("torch", "transformers", "huggingface_hub", "pytest_llm")
ORIGINS = frozenset({"name_or_path", "_name_or_path", "_commit_hash", "transformers_version", "_original_object_hash"})
"""Attributes that say where something came from, not what it is."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_CONFIGURATIONS = ("PretrainedConfig", "PreTrainedConfig", "GenerationConfig")
_GENERATED = ("<string>", "<attrs generated")  # what dataclasses compile has no file
_CALLABLES = (*LIBRARIES, "builtins", "functools", "typing", "collections", "abc", "numpy", "enum")


class Untold(Exception):
    """Why something cannot be told in text; the message says what it is."""


def described(value: object) -> str:
    """The value as text.

    Raises:
        Untold: there may be more to it than the text would say.
    """
    kind = type(value)
    if kind in _PLAIN:
        return f"{kind.__name__} {value!r}"
    if isinstance(value, list | tuple):
        return f"{kind.__name__}[{','.join(map(described, value))}]"
    if isinstance(value, set | frozenset):
        return f"{kind.__name__}[{','.join(sorted(map(described, value)))}]"
    if isinstance(value, dict):
        return f"{kind.__name__}[{_entries(value)}]"
    if isinstance(value, enum.Enum):
        return f"{kind.__qualname__}.{value.name}"
    if isinstance(value, torch.Tensor) and are_plain([value]):
        return f"tensor {tuple(value.shape)} {value.dtype} {hashlib.sha256(bytes_of(value)).hexdigest()}"
    if kind.__name__ == "AddedToken" and kind.__module__.startswith("tokenizers"):
        return repr(value)
    if isinstance(value, FunctionType | BuiltinFunctionType | type):
        _refuse_foreign(value)
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, functools.partial):
        return f"partial[{described((value.func, value.args, value.keywords))}]"
    if any(base.__name__ in _CONFIGURATIONS for base in kind.__mro__):
        refuse_altered(kind)
        return f"{kind.__qualname__}[{_entries(vars(value))}]"
    if kind.__module__.startswith("pytest_llm.") and not isinstance(value, torch.nn.Module):
        refuse_altered(kind)
        names = [field.name for field in fields(value)] if is_dataclass(value) else list(vars(value))
        return f"{kind.__qualname__}[{_entries({name: getattr(value, name) for name in names})}]"
    raise Untold(f"a {kind.__module__}.{kind.__qualname__}")


def bytes_of(tensor: torch.Tensor) -> Any:
    """The bits of a plain tensor, row by row, as a buffer."""
    return tensor.detach().reshape(-1).view(torch.uint8).cpu().numpy()


def _entries(values: Mapping[Any, Any]) -> str:
    return ",".join(
        sorted(f"{described(key)}:{described(value)}" for key, value in values.items() if key not in ORIGINS)
    )


def refuse_altered(kind: type) -> None:
    """Raise Untold for a class that is not as its library ships it: another library's, or with something in it replaced.

    Looked at are the functions of the class and those it is derived from, and those that their modules name: that is where
    patches that make a model faster, or otherwise different, are put in.
    """
    for base in kind.__mro__:
        if base is object or base.__module__ in sys.stdlib_module_names:
            continue
        module = sys.modules.get(base.__module__)
        found: Any = module
        for part in base.__qualname__.split("."):
            found = getattr(found, part, None)
        if base.__module__.partition(".")[0] not in LIBRARIES or found is not base:
            raise Untold(f"a class of {base.__module__}: {base.__qualname__}")
        assert module is not None
        for owner in (base, module) if base.__module__.startswith("transformers.models.") else (base,):
            for name, value in vars(owner).items():
                try:
                    _refuse_foreign(value, name)
                except Untold as reason:
                    raise Untold(f"{owner.__name__}.{name}, which is {reason}") from None


def _refuse_foreign(value: object, name: str = "") -> None:
    for part in _inside(value):
        if isinstance(part, FunctionType):
            file = part.__code__.co_filename
            if not file.startswith((*_roots(), *_GENERATED)) or (
                file.startswith(_GENERATED) and not (name.startswith("__") and name != "__call__")
            ):
                raise Untold(f"a function of {file}")
        elif isinstance(part, BuiltinFunctionType | type):
            _refuse_module(str(part.__module__), part.__name__)
        elif callable(part):
            _refuse_module(type(part).__module__, type(part).__name__)


def _refuse_module(module: str, name: str) -> None:
    root = module.partition(".")[0]
    if root not in _CALLABLES and root not in sys.stdlib_module_names:
        raise Untold(f"{module}.{name}")
    if module.startswith("unittest"):
        raise Untold(f"a {name}")


def _inside(value: Any) -> Iterator[Any]:
    """The value and the functions that it wraps."""
    seen: list[int] = []
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen or isinstance(part, ModuleType):
            continue
        seen.append(id(part))
        yield part
        if isinstance(part, property):
            waiting += [part.fget, part.fset]
        elif isinstance(part, staticmethod | classmethod):
            waiting.append(part.__func__)
        elif isinstance(part, functools.partial | functools.partialmethod | functools.cached_property):
            waiting.append(getattr(part, "func", None))
        elif isinstance(part, FunctionType):
            waiting.append(vars(part).get("__wrapped__"))


@functools.cache
def _roots() -> tuple[str, ...]:
    """Folders of the code that is trusted to be what its version says, without other people's packages."""
    roots = [str(Path(str(sys.modules[name].__file__)).parent) + "/" for name in LIBRARIES]
    return (*roots, *_files_of_python())


def _files_of_python() -> Iterable[str]:
    folder = Path(sysconfig.get_path("stdlib"))
    for path in folder.iterdir():
        if path.name not in ("site-packages", "dist-packages"):
            yield f"{path}/" if path.is_dir() else str(path)
    yield "<frozen"
