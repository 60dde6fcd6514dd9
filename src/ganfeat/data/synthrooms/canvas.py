"""Faces laid over a batch of pictures: coverage of quads and polygons, and paint."""

import torch
from torch import Tensor

from ganfeat.data.synthrooms.stage import Room

# Curtains and blind belong to the window, frames and glass to window and door.
CLASSES = (
    "floor", "ceiling", "left wall", "right wall", "window", "door", "bed", "lamp", "picture",
    "counter", "table", "shelf",
)  # fmt: skip
CODE = {name: code for code, name in enumerate(CLASSES)}


class Canvas:
    """A part of a batch of pictures.

    `image` [N,5,H,W]: colours in [0, 1], then the daylight and the lamplight on them; `mask`
    [N,H,W] uint8, the class of what is on top, or None; `x` [1,1,W] and `y` [1,H,1] in half sides;
    `pixels` per half side; `columns`: which of the picture's it has.
    """

    def __init__(
        self, room: Room, image: Tensor, mask: Tensor | None, x: Tensor, y: Tensor, pixels: float
    ) -> None:
        self.room, self.image, self.mask = room, image, mask
        self.x, self.y, self.pixels = x, y, pixels
        self.columns = slice(None)

    def around(self, thing: str) -> "Canvas":
        """The part that the faces of a thing can touch, on the same pixels.

        Faces of a thing are called by its name and a dot. What is painted on a part costs as much
        as it is large, and looks the same.
        """
        bounds = [b for name, b in self.room.bounds.items() if name.startswith(f"{thing}.")]
        left, right, top, bottom = zip(*bounds, strict=True)
        columns = self._span(self.x, min(left), max(right))
        rows = self._span(self.y, min(top), max(bottom))
        mask = None if self.mask is None else self.mask[:, rows, columns]
        part = Canvas(
            self.room, self.image[:, :, rows, columns], mask,
            self.x[..., columns], self.y[:, rows], self.pixels,
        )  # fmt: skip
        part.columns = columns
        return part

    def _span(self, centres: Tensor, first: float, last: float) -> slice:
        """Pixels of a side that reach into [first, last], and two more at both ends."""
        side = centres.numel()
        start, stop = ((end + 1) * self.pixels for end in (first, last))
        return slice(min(max(int(start) - 2, 0), side - 1), max(min(int(stop) + 3, side), 1))

    def quad(self, name: str, grow: tuple[float, float, float, float] = (0, 0, 0, 0)) -> Tensor:
        """Share of each pixel in a face with upright sides: [N,H,W].

        `grow` moves its left, right, top and bottom edge out by so many pixels: under a face that
        is painted later, so that no gap shows between the two.
        """
        face = self.room.face[name].unbind()
        x0, x1, high, low, top, top0, top1, bottom, bottom0, bottom1 = face
        px, (left, right, up, down) = self.pixels, grow
        # Where its edges are steep a face grows less, or it would show above the later one.
        across = torch.sub(self.x, x0).mul_(px).add_(top1 * left + 0.5).clamp_(0, 1)
        across.add_(((x1 - self.x) * px).add_(top1 * right - 0.5).clamp_(-1, 0)).clamp_(min=0)
        # A pixel's share is what lies below the top edge, less what lies below the bottom edge.
        steep_top, steep_bottom = top1 * px, bottom1 * px
        edge = (self.x * top).add_(top0).mul_(steep_top).sub_(0.5 + up)
        share = (self.y * steep_top - edge).clamp_(0, 1)
        edge = (self.x * bottom).add_(bottom0).mul_(steep_bottom).add_(down - 0.5)
        share.add_((edge - self.y * steep_bottom).clamp_(-1, 0)).clamp_(min=0)
        return share.mul_(across).mul_(self._within(self.y, high, low))

    def polygon(self, name: str) -> Tensor:
        """Share of each pixel in a polygon of four edges: [N,H,W]."""
        face = self.room.face[name]
        a, b, c = (face[row : row + 4] * self.pixels for row in (0, 4, 8))
        left, right, high, low = face[12:].unbind()
        first = self._edge(a[0], b[0], c[0], 0.5).clamp_(0, 1)
        first.add_(self._edge(a[2], b[2], c[2], -0.5).clamp_(-1, 0)).clamp_(min=0)
        second = self._edge(a[1], b[1], c[1], 0.5).clamp_(0, 1)
        second.add_(self._edge(a[3], b[3], c[3], -0.5).clamp_(-1, 0)).clamp_(min=0)
        within = self._within(self.x, left, right), self._within(self.y, high, low)
        return first.mul_(second).mul_(within[0]).mul_(within[1])

    def _edge(self, a: Tensor, b: Tensor, c: Tensor, add: float) -> Tensor:
        return (self.x * a).add_(c + add) + torch.mul(self.y, b)

    def _within(self, centres: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """1 up to half a pixel beyond two ends, and 0 a pixel further out.

        Edges that meet at a sharp angle, or that grow, would else run on as spikes.
        """
        inside = ((centres - first) * self.pixels).add_(1.5).clamp_(0, 1)
        return inside.mul_(((last - centres) * self.pixels).add_(1.5).clamp_(0, 1))

    def paint(self, alpha: Tensor, ink: str | Tensor, part: str = "", least: float = 0.5) -> None:
        """Lay a colour and its light over the picture, and note whose pixels they are."""
        new = self.room.ink[ink] if isinstance(ink, str) else ink
        self._lay(self.image, alpha, new, part, least)

    def tint(self, alpha: Tensor, ink: str | Tensor, part: str = "", least: float = 0.5) -> None:
        """Lay a colour over the picture in the light that is there."""
        new = self.room.ink[ink][:, :3] if isinstance(ink, str) else ink
        self._lay(self.image[:, :3], alpha, new, part, least)

    def _lay(self, image: Tensor, alpha: Tensor, new: Tensor, part: str, least: float) -> None:
        image.add_((new - image).mul_(alpha[:, None]))
        if part and self.mask is not None:
            self.mask.masked_fill_(alpha > least, CODE[part])

    def box(self, name: str, part: str, there: Tensor) -> None:
        """The three faces of a box, far ones first: those turned away cover nothing."""
        self.paint(self.quad(f"{name}.side", (0, 0.8, 0.8, 0)).mul_(there), f"{name}.side", part)
        self.paint(self.quad(f"{name}.front", (0, 0, 0.8, 0)).mul_(there), f"{name}.front", part)
        self.paint(self.polygon(f"{name}.top").mul_(there), f"{name}.top", part)
