"""Where a model's weights are: on one device, or spread over several by accelerate (`device_map`)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_llm.errors import MisuseError

if TYPE_CHECKING:
    import torch

DeviceMap: TypeAlias = str | Mapping[str, int | str]
"""A word of accelerate ("auto", "balanced", "sequential", …), or which part goes where."""


def device_of(module: Any) -> torch.device:
    """Where what goes into a model has to be: with its embeddings, or, where these are fetched when needed, where it computes."""
    import torch

    device = torch.device(module.get_input_embeddings().weight.device)
    if device.type != "meta":
        return device
    hook = getattr(module, "_hf_hook", None)  # accelerate's, of the whole model
    place = getattr(hook, "execution_device", None)
    return torch.device("cpu" if place is None else place)


def devices_of(module: Any) -> list[str]:
    """The devices that its parts are spread over, as accelerate names them ("0", "cpu", "disk"); none where it is in one place."""
    spread = getattr(module, "hf_device_map", None) or {}
    return list(dict.fromkeys(map(str, spread.values()))) if hasattr(module, "_hf_hook") else []


def refuse_spread(model: Any) -> None:
    """Raise MisuseError for a model that cannot be sent to another process, since its weights are not in one place."""
    if devices := devices_of(getattr(model, "module", None)):
        raise MisuseError(
            f"{type(model).__name__} is spread over the devices {', '.join(devices)} (device_map), so it cannot be sent to another "
            f"process: ask it here, with engine=Engine()"
        )


def spreading(
    device: str, device_map: DeviceMap | None, max_memory: Mapping[int | str, int | str] | None
) -> dict[str, Any]:
    """What `from_pretrained` is told of a model that is spread over devices; nothing of one that is not.

    Raises:
        MisuseError: settings that contradict each other, or accelerate is not installed.
    """
    if device_map is None:
        if max_memory is not None:
            raise MisuseError("max_memory says how a model is spread over devices: give device_map='auto' as well")
        return {}
    if device != "auto":
        raise MisuseError(f"device={device!r} and device_map={device_map!r}: give one of them")
    _refuse_without_accelerate()
    wanted = device_map if isinstance(device_map, str) else dict(device_map)
    return {"device_map": wanted} | ({} if max_memory is None else {"max_memory": dict(max_memory)})


def spread(module: Any, device_map: str) -> None:
    """Spread a model of `transformers` that is in memory over all devices of this process, as loading it with `device_map` would.

    Raises:
        MisuseError: they have no room for it, it is no such model, or accelerate is not installed.
    """
    if not hasattr(module, "_no_split_modules"):
        raise MisuseError(
            f"{type(module).__name__} is no model of transformers, and goes to one device: leave device_map out"
        )
    _refuse_without_accelerate()
    from accelerate import dispatch_model, infer_auto_device_map
    from accelerate.utils import get_balanced_memory, get_max_memory

    whole = list(module._no_split_modules or ())
    if device_map == "sequential":
        most = get_max_memory()
    else:
        low_zero = device_map == "balanced_low_0"
        most = get_balanced_memory(module, dtype=module.dtype, low_zero=low_zero, no_split_module_classes=whole)
    parts = infer_auto_device_map(module, max_memory=most, dtype=module.dtype, no_split_module_classes=whole)
    if "disk" in parts.values():
        room = ", ".join(f"{device}: {size / 2**30:.3g} GiB" for device, size in most.items())
        raise MisuseError(
            f"the devices have no room for {type(module).__name__} ({room}): more GPUs for each actor, or a smaller dtype"
        )
    if len(set(parts.values())) == 1:
        module.to(next(iter(parts.values())))
        return
    dispatch_model(module, parts, skip_keys=module._skip_keys_device_placement)


def _refuse_without_accelerate() -> None:
    if importlib.util.find_spec("accelerate") is None:
        raise MisuseError("device_map needs accelerate: pip install 'pytest-llm-regression[accelerate]'")
