"""What rooms are set up from: numbers, colours with the light on them, and faces of boxes.

A few hundred operations on [N] in float64 on the CPU; rounding to float32 afterwards hides the last
bits in which two mathematics libraries may differ.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ganfeat.data.drawn.factors import Array
from ganfeat.data.synthrooms.camera import Camera

# How much light of the sky reaches a face that looks this way, and how much a window adds to it.
# Faces that look out of the left wall never see the window in it.
DAY = {
    "left": (0.50, 0.10), "right": (0.64, 0.62), "floor": (0.66, 0.75), "ceiling": (0.66, 0.40),
    "top": (0.80, 0.70), "front": (0.50, 0.0), "side": (0.64, 0.12),
}  # fmt: skip
_LAMP = {"left": 1.0, "top": 1.0, "front": 0.55, "side": 0.4}
# How fast light falls with the square of the distance in metres, from the window and the lamp.
FADE_DAY, FADE_LAMP = 0.7, 0.8
_WINDOW_UP = 1.5

Pair = tuple[Array | float, Array | float]
Bounds = tuple[float, float, float, float]


class Stage:
    """N rooms in the making.

    Args:
        camera: their views.
        window: [N] 1 where a window lets light in, which is at `window_at` [N] metres.
        lamp: where the lamp is, three times [N] or a number, and `glow` [N], how bright it is.
    """

    def __init__(
        self,
        camera: Camera,
        window: Array,
        window_at: Array,
        lamp: tuple[Array | float, Array | float, float],
        glow: Array,
    ) -> None:
        self.camera, self._window, self._window_at = camera, window, window_at
        self._lamp, self._glow = lamp, glow
        zero = np.zeros_like(window)
        self.number = {
            "window": window,
            "window_at": window_at,
            "window_up": zero + _WINDOW_UP,
            "lamp_p": zero + lamp[0],
            "lamp_q": zero + lamp[1],
            "lamp_up": zero + lamp[2],
            "glow": glow,
        }
        self.inks: dict[str, Array] = {}
        self.faces: dict[str, Array] = {}
        self.bounds: dict[str, Bounds] = {}

    def ink(
        self, name: str, colour: Array, facing: str, p: Array | float, q: Array | float, up: float
    ) -> None:
        """A colour [N,3], with the light that falls on a face there: [N,5]."""
        base, gain = DAY[facing]
        away = (p - self._window_at) ** 2 + np.square(q) + (up - _WINDOW_UP) ** 2
        day = base + gain * self._window / (1 + FADE_DAY * away)
        lamp_p, lamp_q, lamp_up = self._lamp
        away = np.square(p - lamp_p) + np.square(q - lamp_q) + (up - lamp_up) ** 2
        lamp = _LAMP[facing] * self._glow / (1 + FADE_LAMP * away)
        self.inks[name] = np.column_stack([colour, day, lamp])

    def paint(self, name: str, colour: Array, day: float = 0.0, lamp: Array | float = 0.0) -> None:
        """A colour [N,3] with this light on it; none is asked for where a wall's light stays."""
        zero = np.zeros(len(colour))
        self.inks[name] = np.column_stack([colour, zero + day, zero + lamp])

    def upright(self, name: str, left: Pair, right: Pair, low: float, high: float) -> None:
        """A face between two upright lines at (p, q), `left` of which is the picture's."""
        (x0, top0), (_, bottom0) = (self.camera.see(*left, up) for up in (high, low))
        (x1, top1), (_, bottom1) = (self.camera.see(*right, up) for up in (high, low))
        self._quad(name, x0, x1, (top0, top1), (bottom0, bottom1))

    def _quad(
        self, name: str, x0: Array, x1: Array, top: tuple[Array, Array], bottom: tuple[Array, Array]
    ) -> None:
        """Its sides, its highest and lowest point; slope, start and steepness of top and bottom."""
        # A face that is turned away, or seen edge-on, covers nothing: it ends before it begins.
        seen = x1 - x0 > 1e-4
        high, low = np.minimum(*top), np.maximum(*bottom)
        rows = [np.where(seen, x0, 9.0), np.where(seen, x1, -9.0), high, low]
        width = np.where(seen, x1 - x0, 1.0)
        for y0, y1 in (top, bottom):
            slope = (y1 - y0) / width
            rows += [slope, y0 - slope * x0, 1 / np.sqrt(1 + slope * slope)]
        self.faces[name] = np.array(rows)
        self._bound(name, np.array([x0, x1]), np.array([*top, *bottom]))

    def post(
        self, name: str, p: Array | float, q: Array | float, half: float, low: float, high: float
    ) -> None:
        """A thin thing that looks alike from all sides, `half` as wide to either side."""
        x, bottom = self.camera.see(p, q, low)
        _, top = self.camera.see(p, q, high)
        wide = half * (bottom - top) / (high - low)
        self._quad(name, x - wide, x + wide, (top, top), (bottom, bottom))

    def shade(
        self, name: str, p: Array | float, q: Array | float, half: Pair, low: float, high: float
    ) -> None:
        """A cone that looks alike from all sides, with its half widths low and high."""
        x, bottom = self.camera.see(p, q, low)
        _, top = self.camera.see(p, q, high)
        below, above = (h * (bottom - top) / (high - low) for h in half)
        corners = [(x - above, top), (x + above, top), (x + below, bottom), (x - below, bottom)]
        self._polygon(name, corners)

    def slab(self, name: str, p: Pair, q: Pair, up: Array | float) -> None:
        """A level face."""
        corners = ((p[0], q[0]), (p[1], q[0]), (p[1], q[1]), (p[0], q[1]))
        self._polygon(name, [self.camera.see(*corner, up) for corner in corners])

    def _polygon(self, name: str, corners: list[tuple[Array, Array]]) -> None:
        """Four edges a x + b y + c, >= 0 inside and of slope 1; opposite ones are two apart."""
        x, y = (np.array(axis) for axis in zip(*corners, strict=True))
        dx, dy = np.roll(x, -1, 0) - x, np.roll(y, -1, 0) - y
        # Seen from above the corners of a slab run one way round, from below the other.
        turn = np.where((x * dy - y * dx).sum(0) < 0, -1, 1)
        size = np.maximum(np.sqrt(dx * dx + dy * dy), 1e-6) * turn
        a, b = -dy / size, dx / size
        ends = np.array([x.min(0), x.max(0), y.min(0), y.max(0)])
        self.faces[name] = np.concatenate([a, b, -(a * x + b * y), ends])
        self._bound(name, x, y)

    def _bound(self, name: str, x: Array, y: Array) -> None:
        """Note the part of the picture that a face stays in, whatever the room."""
        if x.size == 0:
            self.bounds[name] = (0.0, 0.0, 0.0, 0.0)
            return
        ends = np.clip([x.min(), x.max(), y.min(), y.max()], -9, 9)
        left, right, top, bottom = map(float, ends)
        self.bounds[name] = (left, right, top, bottom)

    def box(self, name: str, colour: Array, p: Pair, q: Pair, low: float, high: float) -> None:
        """The three faces of a box that may be seen: `.side` (p), `.front` (q) and `.top`."""
        middle_p, middle_q, middle = (p[0] + p[1]) / 2, (q[0] + q[1]) / 2, (low + high) / 2
        self.upright(f"{name}.side", (p[1], q[0]), (p[1], q[1]), low, high)
        self.upright(f"{name}.front", (p[1], q[1]), (p[0], q[1]), low, high)
        # The level face that shows is the lower one where the camera is below it.
        shown = np.where(self.camera.height < low, low, high)
        self.slab(f"{name}.top", p, q, shown)
        self.ink(f"{name}.side", colour, "side", p[1], middle_q, middle)
        self.ink(f"{name}.front", colour, "front", middle_p, q[1], middle)
        self.ink(f"{name}.top", colour, "top", middle_p, middle_q, high)

    def room(self, device: torch.device) -> "Room":
        """All of it in float32, on `device`."""
        numbers = {name: value[None] for name, value in self.number.items()}
        inks = {name: value.T for name, value in self.inks.items()}
        rows = [*numbers.values(), *inks.values(), *self.faces.values()]
        whole = torch.from_numpy(np.concatenate(rows).astype(np.float32)).to(device)
        parts = iter(torch.split(whole[..., None, None], [len(value) for value in rows]))
        return Room(
            {name: next(parts)[0] for name in numbers},
            {name: next(parts).transpose(0, 1) for name in inks},
            {name: next(parts) for name in self.faces},
            self.bounds,
        )


@dataclass(frozen=True)
class Room:
    """What N rooms are drawn from.

    `number`: name -> [N,1,1]; `ink`: name -> [N,5,1,1], a colour in [0, 1], the daylight on it and
    the lamplight; `face`: name -> [10,N,1,1] of a face with upright sides, or [16,N,1,1] of four
    edges and what they lie in; `bounds`: name -> left, right, top and bottom end of such a face in
    half sides, over all the rooms.
    """

    number: dict[str, Tensor]
    ink: dict[str, Tensor]
    face: dict[str, Tensor]
    bounds: dict[str, Bounds]

    def rows(self, rows: slice) -> "Room":
        """Some of the rooms."""
        return Room(
            {name: value[rows] for name, value in self.number.items()},
            {name: value[rows] for name, value in self.ink.items()},
            {name: value[:, rows] for name, value in self.face.items()},
            self.bounds,
        )
