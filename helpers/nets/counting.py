"""Sizes of networks, counted as the papers count them and as they are (notebook 08).

What a table calls GFLOPs are multiply-adds, of convolutions and matrix products, in units of 2³⁰. The tools behind it
take a transposed convolution for an ordinary one on its output; with stride 2 three quarters of those products are with
zeros that nobody computes. Both counts come from PyTorch's own counter.
"""

import math

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

#: What a table's "G" stands for.
GIBI = 2**30


def parameters(model: nn.Module) -> int:
    """How many numbers training sets."""
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, size: tuple[int, int], as_printed: bool = False) -> int:
    """Of one crop of (height, width); as_printed: transposed convolutions as ordinary ones on their output.

    Made on the "meta" device nothing is computed: `with torch.device("meta"): model = build(config)`.
    """
    place = next(model.parameters()).device
    rules = {torch.ops.aten.convolution: _on_the_output} if as_printed else {}
    with FlopCounterMode(display=False, custom_mapping=rules) as counter, torch.no_grad():
        model(torch.empty(1, 3, *size, device=place))
    return counter.get_total_flops() // 2


def _on_the_output(x_shape, w_shape, *_, out_shape=None, **__) -> int:
    """Operations of a convolution, every weight once for each cell of its output; one product and one sum each."""
    return 2 * out_shape[0] * math.prod(out_shape[2:]) * math.prod(w_shape)
