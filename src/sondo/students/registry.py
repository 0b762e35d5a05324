"""The students that there are, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from sondo.audio.logmel import LogMelConfig
from sondo.catalogue import OWN_FORM, TIMM_FORM
from sondo.errors import SondoError
from sondo.students.backbone import Backbone
from sondo.students.dymn import DyMN
from sondo.students.eres2net import ERes2Net, TemporalStatistics
from sondo.students.front_end import LogMel
from sondo.students.mobilenetv3 import MobileNetV3
from sondo.students.own import TIMM, OwnBackbone, is_timm_model, own_network, timm_network
from sondo.students.readout import make_readout
from sondo.students.student import Student

_ERES2NET_CHANNELS = 16


def _mobilenetv3(*, readout: str = "last", front_end: LogMelConfig | None = None, width_mult: float = 1.0) -> Student:
    backbone = MobileNetV3(width_mult=width_mult)
    return _student("mobilenetv3", backbone, {"width_mult": float(width_mult)}, readout, front_end)


def _dymn(
    *, readout: str = "last", front_end: LogMelConfig | None = None, width_mult: float = 1.0, temperature: float = 1.0
) -> Student:
    backbone = DyMN(width_mult=width_mult, temperature=temperature)
    options = {"width_mult": float(width_mult)} | ({"temperature": float(temperature)} if temperature != 1 else {})
    return _student("dymn", backbone, options, readout, front_end)


def _eres2net(*, readout: str = "last", front_end: LogMelConfig | None = None, width_mult: float = 1.0) -> Student:
    mels = (front_end or LogMelConfig()).num_mels
    backbone = ERes2Net(channels=max(round(_ERES2NET_CHANNELS * width_mult), 1), mels=mels)
    pool_dim = 2 * backbone.num_features * (mels // 16)
    return _student(
        "eres2net", backbone, {"width_mult": float(width_mult)}, readout, front_end, TemporalStatistics(), pool_dim
    )


def _student(
    name: str,
    backbone: Backbone,
    options: dict[str, Any],
    readout: str,
    front_end: LogMelConfig | None,
    pool: Any = None,
    pool_dim: int | None = None,
) -> Student:
    log_mel = LogMel(front_end) if front_end is not None else LogMel()
    return Student(
        backbone,
        name=name,
        options=options | ({"readout": readout} if readout != "last" else {}),
        front_end=log_mel,
        readout=make_readout(readout, backbone, num_mels=log_mel.config.num_mels, pool=pool, pool_dim=pool_dim),
    )


_STUDENTS: dict[str, Callable[..., Student]] = {"mobilenetv3": _mobilenetv3, "dymn": _dymn, "eres2net": _eres2net}


def check_name(name: str) -> None:
    """Refuse a name that `create` would refuse, without making anything.

    Raises:
        SondoError: No student has that name; the message names those that exist.
    """
    if name not in _STUDENTS and ":" not in name and not is_timm_model(name):
        forms = f"{TIMM_FORM} for a model of timm, {OWN_FORM} for your own"
        raise SondoError(f"no student is called {name!r}: there is {', '.join(sorted(_STUDENTS))}; {forms}")


def is_code(name: str) -> bool:
    """Whether making this student runs a user's code: `package.module:function`."""
    return ":" in name and not name.startswith(TIMM)


def create(name: str, **options: Any) -> Student:
    """Make a student with new, random weights, drawn from torch's generator.

    Args:
        name: A name that `sondo.students.available` lists; `timm:MODEL`; or `package.module:function` for your own, a
            function that returns an `nn.Module` from log-mels (batch, 1, mels, frames) to vectors (batch, dim).
        options: `readout` (see `sondo.students.readout`; `last` if left out); `width_mult`, the factor on the channels;
            for `dymn` also `temperature`, that of its dynamic convolutions; `front_end`, a `LogMelConfig`.

    Raises:
        SondoError: No such student or option; the message names those that exist.

    Example:
        >>> student = create("mobilenetv3", width_mult=0.1)
        >>> student.embedding_dim
        96
    """
    check_name(name)
    if name not in _STUDENTS:
        return _own(name, **options)
    make = _STUDENTS[name]
    known = list(inspect.signature(make).parameters)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise SondoError(f"student {name} has no option {', '.join(unknown)}: it takes {', '.join(known)}")
    return make(**options)


def default_readout(name: str, *, nested: bool) -> str:
    """The read-out that training takes when none is named.

    Args:
        name: The student's.
        nested: Whether its vectors are to be cut.
    """
    if name not in _STUDENTS:
        return "last"
    return "multilevel_nested" if nested else "multilevel_stats"


def _own(
    name: str, *, readout: str = "last", front_end: LogMelConfig | None = None, width_mult: float | None = None
) -> Student:
    is_own = is_code(name)
    if not is_own and width_mult is not None:
        raise SondoError(f"student {name} takes no width_mult: the widths of timm's models are in their names")
    network = own_network(name, width_mult=width_mult) if is_own else timm_network(name)
    full_name = name if ":" in name else f"{TIMM}{name}"
    mels = (front_end or LogMelConfig()).num_mels
    backbone = OwnBackbone(network, name=full_name, num_mels=mels)
    options = {} if width_mult is None else {"width_mult": float(width_mult)}
    return _student(full_name, backbone, options, readout, front_end, nn.Identity(), backbone.num_features)
