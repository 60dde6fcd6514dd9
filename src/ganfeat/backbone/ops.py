"""The operations StyleGAN2 is made of, in plain PyTorch (Karras et al. 2020, arXiv:1912.04958).

Every resampling here uses the one filter of the paper, [1, 3, 3, 1]; general filters are in
``filters.py``. Two facts shape the code. A depthwise convolution with a constant weight is the
fastest FIR in eager mode, so filters arrive expanded as ``[C, 1, 4, 4]`` with their gain folded in.
And leaky ReLU is positively homogeneous, so an activation gain can be multiplied into the small
tensors (weights, biases, demodulation) instead of costing a pass over the activations.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganfeat.errors import UserError

LRELU_SLOPE = 0.2
LRELU_GAIN = math.sqrt(2)
FIR_TAPS = (1.0, 3.0, 3.0, 1.0)


def fir_kernel(channels: int, gain: float = 1.0) -> Tensor:
    """The 2-D filter [1,3,3,1] x [1,3,3,1], summing to ``gain``, as depthwise weights [C,1,4,4]."""
    taps = torch.tensor(FIR_TAPS)
    kernel = torch.outer(taps, taps)
    return (kernel * (gain / kernel.sum())).expand(channels, 1, 4, 4).contiguous()


def to_channels_last(module: nn.Module) -> None:
    """Lay convolution weights out with channels last; the activations follow them.

    On a CPU convolutions run 10 to 20 % faster in that layout.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


def upsample(x: Tensor, fir: Tensor) -> Tensor:
    """Zero-insert by 2 and filter: [N,C,H,W] -> [N,C,2H,2W]. ``fir`` must sum to 4."""
    return F.conv_transpose2d(x, fir.to(x.dtype), stride=2, padding=1, groups=x.shape[1])


def downsample(x: Tensor, fir: Tensor) -> Tensor:
    """Filter and keep every second pixel: [N,C,H,W] -> [N,C,H/2,W/2]. ``fir`` must sum to 1."""
    return F.conv2d(x, fir.to(x.dtype), stride=2, padding=1, groups=x.shape[1])


def conv2d_up(x: Tensor, weight: Tensor, fir: Tensor) -> Tensor:
    """Convolve and double the size. ``weight``: [O,I,k,k], k = 1 or 3; ``fir``: [O,1,4,4], sum 4.

    A 3x3 kernel acts as a true convolution (a transposed one with stride 2, then the filter);
    a 1x1 kernel is applied at the small size, where it is cheaper by four.
    """
    if weight.shape[-1] == 1:
        return upsample(F.conv2d(x, weight), fir)
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return F.conv2d(x, fir.to(x.dtype), padding=1, groups=x.shape[1])


def conv2d_down(x: Tensor, weight: Tensor, fir: Tensor, bias: Tensor | None = None) -> Tensor:
    """Halve the size and convolve. ``weight``: [O,I,k,k], k = 1 or 3; ``fir``: [I,1,4,4], sum 1."""
    if weight.shape[-1] == 1:
        return F.conv2d(downsample(x, fir), weight, bias)
    x = F.conv2d(x, fir.to(x.dtype), padding=2, groups=x.shape[1])
    return F.conv2d(x, weight, bias, stride=2)


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """Scale that brings each output channel of a modulated convolution back to unit variance.

    ``weight`` [O,I,k,k], ``styles`` [N,I] -> [N,O]. Equation 3 of the paper, written as one matmul
    of squares so that the modulated weights [N,O,I,k,k] are never built.
    """
    return (styles.square() @ weight.square().sum([2, 3]).t() + 1e-8).rsqrt()


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    bias: Tensor,
    *,
    demodulate: bool = True,
    gain: float = 1.0,
    up_fir: Tensor | None = None,
) -> Tensor:
    """Convolution whose weight is scaled by a style, as scale - convolve - scale; then the bias.

    ``x`` [N,I,H,W], ``weight`` [O,I,k,k] (no equalised-lr factor), ``styles`` [N,I], ``bias`` [O]
    -> [N,O,H',W'], all multiplied by ``gain``; with ``up_fir`` twice the size. Never a grouped
    convolution with a weight per sample: on a CPU that is six times slower, and the two differ by
    rounding only.
    """
    x = x * styles.to(x.dtype)[:, :, None, None]
    kernel = weight.to(x.dtype)
    if up_fir is not None:
        x = conv2d_up(x, kernel, up_fir)
    else:
        x = F.conv2d(x, kernel, padding=weight.shape[-1] // 2)
    bias = (bias * gain).to(x.dtype)[:, None, None]
    if not demodulate:
        return torch.add(bias, x, alpha=gain)
    scale = (demodulation(weight, styles) * gain).to(x.dtype)[:, :, None, None]
    return torch.addcmul(bias, x, scale)


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    slope: float | None = LRELU_SLOPE,
    gain: float | None = None,
    clamp: float | None = None,
    dim: int = 1,
) -> Tensor:
    """Bias along ``dim``, leaky ReLU, gain, clamp: in this order.

    ``slope=None`` leaves the activation out. ``gain=None`` is sqrt 2 with and 1 without it.
    """
    if bias is not None:
        shape = [1] * x.ndim
        shape[dim] = -1
        x = x + bias.to(x.dtype).reshape(shape)
    if slope is not None:
        x = F.leaky_relu(x, slope)
    if gain is None:
        gain = 1.0 if slope is None else LRELU_GAIN
    if gain != 1:
        x = x * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def lrelu_clamp(x: Tensor, limit: float | None) -> Tensor:
    """Leaky ReLU of values that already carry their gain, then the clamp."""
    x = F.leaky_relu(x, LRELU_SLOPE)
    return x if limit is None else x.clamp(-limit, limit)


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """Scale each row of ``x`` [N,D] to mean square 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def minibatch_stddev(x: Tensor, group: int, channels: int = 1) -> Tensor:
    """Append the standard deviation over groups of samples as ``channels`` extra maps.

    ``x`` [N,C,H,W] -> [N,C+channels,H,W]. Sample i belongs to group i mod (N / group), so shares
    taken as i mod ranks keep their groups. Progressive GAN (arXiv:1710.10196), section 3.

    Raises:
        UserError: the batch is no multiple of the group size.
    """
    n, c, h, w = x.shape
    group = min(group, n)
    if n % group:
        raise UserError(
            f"{n} images do not divide into groups of {group} for the minibatch standard "
            f"deviation: use a multiple of {group}, or another discriminator mbstd_group"
        )
    y = x.reshape(group, -1, channels, c // channels, h, w)
    y = y - y.mean(dim=0)
    y = (y.square().mean(dim=0) + 1e-8).sqrt().mean(dim=[2, 3, 4])
    y = y.reshape(-1, channels, 1, 1).repeat(group, 1, h, w)
    return torch.cat([x, y.to(x.dtype)], dim=1).contiguous(memory_format=torch.channels_last)
