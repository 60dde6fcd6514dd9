"""FIR filtering with resampling: zero-insert, pad, convolve, decimate (`upfirdn`).

The one primitive behind every resampling of StyleGAN2 (Karras et al. 2020, appendix B; the term is
Matlab's), for any filter. It is made of depthwise convolutions in plain PyTorch, so it is linear
in the image and can be differentiated any number of times.

Wherever a size belongs to an axis the order is x before y, as in `padding`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[int, int, int, int]


def setup_filter(
    taps: Sequence[float] | Tensor,
    normalize: bool = True,
    flip: bool = False,
    gain: float = 1,
    separable: bool | None = None,
) -> Tensor:
    """A float32 filter for `upfirdn2d`: [k] if separable, else [kh, kw].

    Args:
        taps: [k] numbers (whose outer product is taken unless separable), or [kh, kw].
        normalize: divide so that the filter sums to 1, i.e. keeps a constant image.
        flip: mirror it along every axis.
        gain: factor on the image that is filtered.
        separable: keep a 1-D filter 1-D. By default from 8 taps on, where two passes are cheaper.
    """
    f = torch.as_tensor(taps, dtype=torch.float32)
    if f.ndim not in (1, 2) or f.numel() == 0:
        raise ValueError(f"a filter has 1 or 2 axes and at least one tap, not shape {[*f.shape]}")
    if separable is None:
        separable = f.ndim == 1 and f.numel() >= 8
    if f.ndim == 1 and not separable:
        f = f.outer(f)
    if normalize:
        f = f / f.sum()
    if flip:
        f = f.flip([*range(f.ndim)])
    per_pass: float = gain ** (f.ndim / 2)  # a 1-D filter is applied twice
    return f * per_pass


def upfirdn2d(
    x: Tensor,
    f: Tensor,
    up: Pair = 1,
    down: Pair = 1,
    padding: Padding = 0,
    flip: bool = False,
    gain: float = 1,
) -> Tensor:
    """Upsample by inserting zeros, pad with zeros, convolve with `f`, keep every `down`-th pixel.

    Args:
        x: [N, C, H, W], any floating type; every channel is filtered alike.
        f: [kh, kw], or [k] for a separable filter that runs along x and then along y.
        up, down: factors, one for both axes or (x, y).
        padding: one number, (x, y), or (x before, x after, y before, y after), counted on the
            upsampled grid. Negative padding crops.
        flip: False is a true convolution (the filter is mirrored), True is correlation.
        gain: factor on the result.

    Returns:
        [N, C, (H*up + padding - kh) // down + 1, the same for W].
    """
    (up_x, up_y), (down_x, down_y) = _pair(up), _pair(down)
    x0, x1, y0, y1 = _padding(padding)
    if f.ndim == 1:
        x = upfirdn2d(x, f[None, :], (up_x, 1), (down_x, 1), (x0, x1, 0, 0), flip, gain)
        return upfirdn2d(x, f[:, None], (1, up_y), (1, down_y), (0, 0, y0, y1), flip)

    kh, kw = f.shape
    channels = x.shape[1]
    # conv_transpose2d convolves, conv2d correlates: mirror the filter where the other is wanted.
    if flip == (up_x * up_y > 1):
        f = f.flip([0, 1])
    weight = (f * gain).to(x.dtype).expand(channels, 1, kh, kw)
    if up_x * up_y == 1:
        x = F.pad(x, [x0, x1, y0, y1])
        return F.conv2d(x, weight, stride=(down_y, down_x), groups=channels)
    # A strided transposed convolution never multiplies the inserted zeros. It yields the full
    # convolution, that of an image padded by k-1 on both sides, less the last up-1 zeros.
    x = F.conv_transpose2d(x, weight, stride=(up_y, up_x), groups=channels)
    x = F.pad(x, [x0 + 1 - kw, x1 + up_x - kw, y0 + 1 - kh, y1 + up_y - kh])
    return x[:, :, ::down_y, ::down_x]


def upsample2d(
    x: Tensor, f: Tensor, up: Pair = 2, padding: Padding = 0, flip: bool = False, gain: float = 1
) -> Tensor:
    """[N, C, H, W] -> [N, C, H*up, W*up], keeping the brightness; `padding` is extra."""
    (up_x, up_y), (kw, kh) = _pair(up), _taps(f)
    x0, x1, y0, y1 = _padding(padding)
    x0, x1 = x0 + (kw + up_x - 1) // 2, x1 + (kw - up_x) // 2
    y0, y1 = y0 + (kh + up_y - 1) // 2, y1 + (kh - up_y) // 2
    return upfirdn2d(x, f, up, 1, (x0, x1, y0, y1), flip, gain * up_x * up_y)


def downsample2d(
    x: Tensor, f: Tensor, down: Pair = 2, padding: Padding = 0, flip: bool = False, gain: float = 1
) -> Tensor:
    """[N, C, H, W] -> [N, C, H/down, W/down], low-pass filtered; `padding` is extra."""
    (down_x, down_y), (kw, kh) = _pair(down), _taps(f)
    x0, x1, y0, y1 = _padding(padding)
    x0, x1 = x0 + (kw - down_x + 1) // 2, x1 + (kw - down_x) // 2
    y0, y1 = y0 + (kh - down_y + 1) // 2, y1 + (kh - down_y) // 2
    return upfirdn2d(x, f, 1, down, (x0, x1, y0, y1), flip, gain)


def filter2d(
    x: Tensor, f: Tensor, padding: Padding = 0, flip: bool = False, gain: float = 1
) -> Tensor:
    """[N, C, H, W] -> the same size, filtered; `padding` is extra."""
    return downsample2d(x, f, 1, padding, flip, gain)


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _padding(value: Padding) -> tuple[int, int, int, int]:
    if isinstance(value, int):
        return value, value, value, value
    if len(value) == 2:
        return value[0], value[0], value[1], value[1]
    return value


def _taps(f: Tensor) -> tuple[int, int]:
    return f.shape[-1], f.shape[0]
