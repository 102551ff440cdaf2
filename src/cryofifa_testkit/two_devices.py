"""A GPU that is none: tensors of the CPU, some of which are marked as living on "cuda".

Within `rehearsed_gpu` torch says that there is a GPU. What is sent to it stays where it is and gets a mark; what is
made of marked tensors is marked; and marked and unmarked ones together are refused where CUDA refuses them. So a run
on the GPU is rehearsed without one. That says nothing of speed and rounding, but finds every tensor made on the wrong
device. Threads other than the one that enters see nothing of it, and steps are computed, not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from cryofifa.train.step_graph import StepGraph

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
GPU_BYTES = 8 << 30
MARK = "lives_on_cuda"

ATTRIBUTES = {  # what a tensor says of where it is
    "device": lambda tensor: CUDA if is_marked(tensor) else CPU,
    "is_cuda": lambda tensor: is_marked(tensor),
    "is_cpu": lambda tensor: not is_marked(tensor),
}
READ_BY_HOST = ("numpy", "__array__")
COMPARES_DEVICES = ("_has_compatible_shallow_copy_type",)


def is_marked(tensor: Tensor) -> bool:
    return getattr(tensor, MARK, False)


@contextmanager
def rehearsed_gpu() -> Iterator[None]:
    says: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 1,
        "mem_get_info": lambda _=None: (GPU_BYTES, GPU_BYTES),
        "memory_reserved": lambda _=None: 0,
        "memory_allocated": lambda _=None: 0,
        "max_memory_allocated": lambda _=None: 0,
        "empty_cache": lambda: None,
        "current_stream": lambda _=None: mock.Mock(),
        "Stream": lambda _=None: mock.Mock(),
        "stream": lambda _: nullcontext(),
    }

    def computed(_: StepGraph, alike: object, step: Callable[..., Tensor], *given: Tensor) -> Tensor:  # noqa: ARG001
        return step(*given)

    with mock.patch.multiple(torch.cuda, **says), mock.patch.object(StepGraph, "__call__", computed), _Marks():
        yield


class _Marks(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        name, attribute = getattr(func, "__name__", ""), getattr(getattr(func, "__self__", None), "__name__", "")
        if name == "__get__":
            if attribute in ATTRIBUTES:
                return ATTRIBUTES[attribute](args[0])
            return _marked(func(*args), is_marked(args[0]))
        if name == "__set__":
            func(*args)
            if attribute == "data":
                _marked(args[0], is_marked(args[1]))
            return None
        if name in COMPARES_DEVICES:
            return func(*args, **kwargs)
        if name == "cpu":
            return _moved(args[0], CPU)
        if name in READ_BY_HOST and is_marked(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if name == "to" and (target := _target(args[1:], kwargs)) is not None:
            rest = [CPU if _is_device(value) else value for value in args[1:]]
            kwargs = {key: CPU if key == "device" else value for key, value in kwargs.items()}
            return _moved(func(args[0], *rest, **kwargs), target)
        if kwargs.get("device") is not None:
            target = torch.device(kwargs.pop("device"))
            if target.type == "cuda" and kwargs.get("generator") is not None:
                raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
            return _moved(func(*args, **kwargs, device=CPU), target)
        _check(name, args, kwargs)
        tensors = _tensors((args, kwargs))
        # a scalar of the CPU may join in; what is changed or indexed says where the result is
        if name == "copy_" or name in ("__getitem__", "__setitem__"):
            return _marked(func(*args, **kwargs), is_marked(args[0]))
        found = func(*args, **kwargs)
        return _marked(found, any(map(is_marked, tensors))) if tensors else found


def _check(name: str, args: tuple, kwargs: dict) -> None:
    """Raise where CUDA would: scalars, copies and indices aside, all tensors must be on one device."""
    if name == "copy_":
        return
    if name in ("__getitem__", "__setitem__"):
        indices = _tensors(args[1])
        if not is_marked(args[0]) and any(one.ndim and is_marked(one) for one in indices):
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        # with slices alone it is a copy, which may cross devices
        values = _tensors(args[2:]) if indices else []
        if any(one.ndim and is_marked(one) != is_marked(args[0]) for one in values):
            raise RuntimeError(f"{name}: values and the tensor that takes them are on two devices")
        return
    tensors = _tensors((args, kwargs))
    large = {is_marked(one) for one in tensors if one.ndim}
    if len(large) > 1 or (large == {False} and any(map(is_marked, tensors))):
        where = [("cuda" if is_marked(one) else "cpu", tuple(one.shape)) for one in tensors]
        raise RuntimeError(f"Expected all tensors to be on the same device: {name} of {where}")


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _marked(found: Any, mark: bool) -> Any:
    for tensor in _tensors(found):
        setattr(tensor, MARK, mark)
    return found


def _moved(tensor: Tensor, target: torch.device) -> Tensor:
    """On the target; another tensor if it was elsewhere."""
    wanted = target.type == "cuda"
    if is_marked(tensor) == wanted:
        return tensor
    with torch._C.DisableTorchFunction():
        return _marked(tensor.clone(), wanted)


def _is_device(value: Any) -> bool:
    return isinstance(value, torch.device) or (isinstance(value, str) and value.split(":")[0] in ("cpu", "cuda"))


def _target(args: tuple, kwargs: dict) -> torch.device | None:
    """Where `Tensor.to` sends its tensor, if it says so."""
    for value in (*args[:1], *(kwargs[key] for key in ("device", "other") if key in kwargs)):
        if _is_device(value):
            return torch.device(value)
        if isinstance(value, Tensor):
            return CUDA if is_marked(value) else CPU
    return None
