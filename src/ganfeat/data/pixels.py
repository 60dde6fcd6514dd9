"""From the bytes of an image file to a square RGB picture. Training and preparation share this,
so that a folder resized on the fly and the zip prepared from it hold the same pixels."""

from io import BytesIO
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganfeat.errors import UserError

Fit = Literal["crop", "pad", "stretch"]


def decode(data: bytes) -> Image.Image:
    """Any image file as 8-bit RGB, upright.

    Grey is repeated, 16 bits become 8, what is transparent becomes white, of an animation the
    first frame is taken, and a camera's EXIF rotation is applied.

    Raises:
        ValueError: no image, or pixels of 32 bits, whose range no file states.
        Exception: nearly anything, by Pillow's decoders, on damaged files.
    """
    try:
        image: Image.Image = Image.open(BytesIO(data))
    except UnidentifiedImageError:
        raise ValueError("no image, or of a format that Pillow does not know") from None
    # PNG and PPM of mode I hold 16 bits.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise ValueError("its pixels have 32 bits, of a range that no file states: save 8 or 16")
    if "exif" in image.info:
        image = ImageOps.exif_transpose(image)
    if image.mode == "RGB" and "transparency" not in image.info:
        image.load()
        return image
    if image.mode.startswith("I"):  # convert("L") would clip 16 bits at 255
        grey = np.asarray(image).astype(np.float32) / 257
        image = Image.fromarray(grey.round().clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        colour = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), colour)
    return image.convert("RGB")


def fit_square(image: Image.Image, resolution: int, fit: Fit = "crop") -> Image.Image:
    """`image` as `resolution` x `resolution`.

    Pillow's Lanczos filter with its support widened by the scale, hence without aliasing.

    Args:
        image: RGB, any size.
        resolution: the side in pixels.
        fit: "crop" keeps the central square, "pad" adds black bars, "stretch" ignores the aspect.
    """
    width, height = image.size
    if (width, height) == (resolution, resolution):
        return image
    if fit == "pad":
        size = (resolution, resolution)
        return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color="black")
    box = (0, 0, width, height)
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
    # Cropped first: resize(box=...) would let the filter see beyond the crop's edge.
    return image.crop(box).resize((resolution, resolution), Image.Resampling.LANCZOS)


def check_resolution(resolution: int) -> int:
    """`resolution` itself if it is a power of two in 16..1024. Raises UserError otherwise."""
    if resolution not in (16, 32, 64, 128, 256, 512, 1024):
        raise UserError(
            f"resolution {resolution} does not fit the networks: "
            "expected 16, 32, 64, 128, 256, 512 or 1024"
        )
    return resolution
