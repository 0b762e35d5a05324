"""Networks in the form that runtimes run fastest: the same function of the same weights, in other operators.

What lives here: a file for each architecture, whose modules are made from those of the student when it is exported,
and the folding of batch norms. The forms follow what onnxruntime fuses on x86: convolutions with their activation and
with one sum, in a blocked layout that sums, products, joins of whole blocks of 16 channels and means keep, and that
every other operator breaks. Nothing here trains, and nothing differs but the order of float32 operations.

May import: `sondo.students`, torch.
"""

from __future__ import annotations

import functools

from torch import nn

from sondo.export.lean.dymn import LeanDynamicBlock
from sondo.export.lean.eres2net import LeanERes2Net
from sondo.export.lean.folding import fold_batch_norm
from sondo.export.lean.parts import in_form
from sondo.students.dymn_blocks import DynamicBlock
from sondo.students.eres2net import ERes2Net


def lean(module: nn.Module, *, int8: bool = False) -> nn.Module:
    """Put each part that has a lean form into it, and fold the batch norms; in place.

    Args:
        module: In evaluation mode.
        int8: Whether it is to be quantised. There a clip behind a sum costs nothing, and differences are inexact.

    Returns:
        The module, or its lean form.
    """
    of_eres2net = functools.partial(LeanERes2Net, int8=int8)
    return fold_batch_norm(in_form(module, {DynamicBlock: LeanDynamicBlock, ERes2Net: of_eres2net})).eval()


__all__ = ["lean"]
