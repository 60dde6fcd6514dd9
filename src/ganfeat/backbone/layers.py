"""Layers with an equalised learning rate (Progressive GAN, arXiv:1710.10196, section 4.1).

Weights are stored with unit variance and scaled at run time by ``lr_multiplier / sqrt(fan_in)``.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.backbone import ops
from ganfeat.errors import UserError


class Linear(nn.Module):
    """Dense layer [N,I] -> [N,O], optionally followed by leaky ReLU with gain sqrt(2)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activate: bool = False,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))
        self.activate, self.bias_init = activate, bias_init
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.weight.copy_(torch.randn(self.weight.shape) / self.bias_gain)
        self.bias.fill_(self.bias_init)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to ``x`` [N,I]."""
        bias = self.bias * self.bias_gain if self.bias_gain != 1 else self.bias
        x = F.linear(x, self.weight * self.weight_gain, bias)
        return ops.bias_act(x) if self.activate else x


class Conv2d(nn.Module):
    """Convolution, optionally halving or doubling the size, with bias and leaky ReLU.

    ``gain`` (sqrt 1/2 in residual branches) multiplies the output and the clamp limit.
    """

    fir: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        activate: bool = True,
        up: bool = False,
        down: bool = False,
        gain: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        shape = [out_channels, in_channels, kernel_size, kernel_size]
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()
        self.up, self.down, self.activate = up, down, activate
        self.gain = gain * (ops.LRELU_GAIN if activate else 1.0)
        self.weight_gain = self.gain / math.sqrt(in_channels * kernel_size**2)
        self.clamp = None if clamp is None else clamp * gain
        if up or down:
            fir = ops.fir_kernel(out_channels, 4.0) if up else ops.fir_kernel(in_channels)
            self.register_buffer("fir", fir, persistent=False)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.weight.copy_(torch.randn(self.weight.shape))
        if self.bias is not None:
            self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Apply to ``x`` [N,I,H,W], in its precision."""
        weight = (self.weight * self.weight_gain).to(x.dtype)
        bias = None if self.bias is None else (self.bias * self.gain).to(x.dtype)
        if self.up:
            x = ops.conv2d_up(x, weight, self.fir)
            x = x if bias is None else x + bias[:, None, None]
        elif self.down:
            x = ops.conv2d_down(x, weight, self.fir, bias)
        else:
            x = F.conv2d(x, weight, bias, padding=self.weight.shape[-1] // 2)
        if self.activate:
            return ops.lrelu_clamp(x, self.clamp)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class MappingNetwork(nn.Module):
    """z and label to w: normalise, embed, ``num_layers`` dense layers with lr multiplier 0.01.

    With ``z_dim=0`` it maps a label alone (the discriminator's projection head).
    """

    w_avg: Tensor

    def __init__(
        self,
        z_dim: int,
        label_dim: int,
        w_dim: int,
        num_layers: int = 8,
        *,
        track_average: bool = True,
    ) -> None:
        super().__init__()
        if not 0 <= num_layers <= 64:
            raise UserError(f"mapping_layers={num_layers}: it must be from 0 to 64")
        self.z_dim, self.label_dim, self.num_layers = z_dim, label_dim, num_layers
        if label_dim > 0:
            self.embed = Linear(label_dim, w_dim)
        for i in range(num_layers):
            fan_in = z_dim + (w_dim if label_dim > 0 else 0) if i == 0 else w_dim
            self.add_module(f"fc{i}", Linear(fan_in, w_dim, activate=True, lr_multiplier=0.01))
        if track_average:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, label: Tensor | None = None) -> Tensor:
        """``z`` [N,z_dim] and ``label`` [N,label_dim] to w [N,w_dim]."""
        if self.label_dim == 0 and label is not None and label.shape[1] > 0:
            raise ValueError("a label was given to a network without labels")
        parts = []
        if z is not None:
            parts.append(ops.normalize_2nd_moment(z))
        if self.label_dim > 0:
            if label is None or label.shape[1] != self.label_dim:
                got = "none" if label is None else f"{label.shape[1]} columns"
                raise ValueError(f"labels of {self.label_dim} columns are needed, got {got}")
            parts.append(ops.normalize_2nd_moment(self.embed(label)))
        x = torch.cat(parts, dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        return x

    def update_average(self, w: Tensor, beta: float = 0.995) -> None:
        """Move ``w_avg`` by 1 - beta towards the mean of a batch ``w`` [N,w_dim]."""
        self.w_avg.lerp_(w.detach().mean(dim=0), 1 - beta)
