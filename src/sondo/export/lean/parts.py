"""Parts of a network put into another form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn


def in_form(module: nn.Module, forms: Mapping[type[nn.Module], Callable[[Any], nn.Module]]) -> nn.Module:
    """Replace each part of a class by what is made of it, in place; or the module, where it is of that class itself."""
    for kind, form in forms.items():
        if isinstance(module, kind):
            return form(module)
    for name, child in list(module.named_children()):
        module._modules[name] = in_form(child, forms)
    return module
