"""ERes2Net in units in which its clips are at 6: LiteRT fuses a ReLU6 into layers and sums, and no clip at 20.

A clip that is an operator of its own costs a pass over the map; in int8 it also leaves the layer before it with the
range that the map has before the clip, of which most of the 256 steps lie above 20.

Between its first convolution and its last map the network keeps a scale: with all maps and all biases times 6 / 20, it
computes the same. Only the attentions see the maps through a sigmoid; their first convolutions undo the scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sondo.export.lean.eres2net import LeanERes2Net, _Half, _LayerFusionByDifference
from sondo.export.lean.parts import in_form
from sondo.students.eres2net import _CLIP

_SCALE = 6.0 / _CLIP


class ERes2NetAtSix(nn.Module):
    """The same network.

    Args:
        network: It is changed, and is a part of the result.

    Shape:
        (batch, 1, mels, frames) -> (batch, num_features, mels / 16, ceil(frames / 16)).
    """

    def __init__(self, network: LeanERes2Net) -> None:
        super().__init__()
        self.stage_features, self.num_features = network.stage_features, network.num_features
        attending: list[nn.Conv2d] = []
        weighing: list[nn.Conv2d] = []
        for part in network.modules():
            if isinstance(part, _Half):
                attending += [part.of_one, part.of_other]
                weighing += [part.one_share, part.other_share]
            elif isinstance(part, _LayerFusionByDifference):
                attending += [part.of_own, part.of_difference]
                weighing += [part.share]
        with torch.no_grad():
            network.stem.weight.mul_(_SCALE)
            for layer in attending:
                layer.weight.div_(_SCALE)
            for part in list(network.modules()):
                if isinstance(part, nn.Conv2d) and part.bias is not None and part not in (*attending, *weighing):
                    part.bias.mul_(_SCALE)
                for name, child in part.named_children():
                    if isinstance(child, nn.Hardtanh):
                        setattr(part, name, nn.ReLU6())
        self.network = network

    def stages(self, log_mel: Tensor) -> list[Tensor]:
        """The maps of `ERes2Net.stages`."""
        return [features / _SCALE for features in self.network.stages(log_mel)]


def use_relu6(module: nn.Module) -> None:
    """Put each lean ERes2Net inside a module in this form, in place."""
    in_form(module, {LeanERes2Net: ERes2NetAtSix})
