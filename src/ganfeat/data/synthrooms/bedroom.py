"""The bedroom's own things: curtains, bed, lamp, picture."""

import torch
from torch import Tensor

from ganfeat.data.drawn.factors import Array
from ganfeat.data.drawn.shapes import wave
from ganfeat.data.synthrooms.canvas import Canvas
from ganfeat.data.synthrooms.palette import fabric, same
from ganfeat.data.synthrooms.shell import Shell, boards, fade, soft_box
from ganfeat.data.synthrooms.stage import Pair, Room, Stage

_LAMP_P, _LAMP_UP = 0.32, 1.52
_BED_HALF, _BED_END = 0.65, 1.78


def lamp(f: dict[str, Array]) -> tuple[tuple[Array | float, Array | float, float], Array]:
    """Where the lamp is, and how bright."""
    return (_LAMP_P, f["lamp_place"], _LAMP_UP), 1.15 * f["lamp"] * f["lamp_on"]


def set_up(stage: Stage, f: dict[str, Array], colours: dict[str, Array]) -> None:
    """Faces and colours of all of them."""
    stage.number |= {name: f[name] for name in ("bed", "lamp", "picture")}
    stage.number |= {"bed_at": f["bed_place"], "lamp_at": f["lamp_place"]}
    _curtains(stage, f["window_place"], fabric(f["curtain_hue"]))
    _bed(stage, f["bed_place"], fabric(f["bed_hue"]), colours["wood"])
    _lamp(stage, f["lamp_place"], f["lamp_on"])
    _picture(stage, f["picture_place"], fabric(f["picture_hue"]))


def _curtains(stage: Stage, at: Array, cloth: Array) -> None:
    stage.upright("curtain.left", (at + 0.80, 0.0), (at + 0.40, 0.0), 0.72, 2.24)
    stage.upright("curtain.right", (at - 0.40, 0.0), (at - 0.80, 0.0), 0.72, 2.24)
    stage.upright("curtain.rod", (at + 0.84, 0.0), (at - 0.84, 0.0), 2.22, 2.27)
    stage.ink("curtain", cloth, "left", at, 0.0, 1.5)
    stage.paint("rod", same((0.25, 0.22, 0.20), at))


def _bed(stage: Stage, at: Array, blanket: Array, wood: Array) -> None:
    def wide(more: float) -> Pair:
        return at - _BED_HALF - more, at + _BED_HALF + more

    linen = same((0.95, 0.94, 0.91), at)
    stage.box("bed.headboard", wood, wide(0.04), (0.0, 0.09), 0.0, 0.98)
    stage.box("bed.base", 0.85 * wood, wide(0.0), (0.09, _BED_END), 0.06, 0.30)
    stage.box("bed.mattress", linen, wide(-0.02), (0.09, _BED_END - 0.02), 0.30, 0.50)
    stage.box("bed.blanket", blanket, wide(0.02), (0.66, _BED_END + 0.02), 0.20, 0.54)
    stage.slab("bed.fold", wide(0.02), (0.66, 0.86), 0.54)
    stage.ink("fold", 0.45 * blanket + 0.52, "top", at, 0.7, 0.54)
    for name, near, far in (("bed.far", -0.58, -0.05), ("bed.near", 0.05, 0.58)):
        stage.box(name, linen * 0.99, (at + near, at + far), (0.14, 0.48), 0.50, 0.62)


def _lamp(stage: Stage, at: Array, on: Array) -> None:
    foot = (_LAMP_P - 0.13, _LAMP_P + 0.13), (at - 0.13, at + 0.13)
    stage.slab("lamp.foot", *foot, 0.02)
    stage.post("lamp.pole", _LAMP_P, at, 0.03, 0.02, 1.40)
    stage.shade("lamp.shade", _LAMP_P, at, (0.30, 0.20), 1.26, 1.72)
    stage.ink("metal", same((0.20, 0.19, 0.20), at), "top", _LAMP_P, at, 0.4)
    stage.paint("lampshade", same((0.84, 0.36, 0.24), at), day=0.72, lamp=1.3 * on)


def _picture(stage: Stage, at: Array, paint: Array) -> None:
    def part(name: str, half: float, low: float, high: float) -> None:
        stage.upright(f"picture.{name}", (0.0, at - half), (0.0, at + half), low, high)

    part("shadow", 0.39, 1.06, 1.94)
    part("frame", 0.38, 1.12, 1.98)
    part("mat", 0.345, 1.155, 1.945)
    part("sky", 0.295, 1.205, 1.895)
    part("sea", 0.295, 1.205, 1.44)
    part("tower", 0.06, 1.40, 1.70)
    stage.paint("frame", same((0.16, 0.13, 0.12), at))
    stage.paint("mat", same((0.96, 0.95, 0.92), at))
    stage.paint("painting", paint)
    stage.paint("sea", 0.5 * paint)


def pattern(at: Shell, pixels: float) -> Tensor:
    """What the floor is made of."""
    return boards(at, pixels)


def shadow(room: Room, at: Shell) -> Tensor:
    """How much darker the floor is below bed and lamp: [N,R,R]."""
    s = room.number
    bed = soft_box(at.floor_p - s["bed_at"], _BED_HALF + 0.06, 0.36)
    bed.mul_(soft_box(at.floor_q - _BED_END / 2, _BED_END / 2 + 0.06, 0.36)).mul_(s["bed"] * 0.6)
    foot = soft_box(at.floor_p - _LAMP_P, 0.14, 0.24)
    foot.mul_(soft_box(at.floor_q - s["lamp_at"], 0.14, 0.24)).mul_(s["lamp"] * 0.4)
    return torch.maximum(bed, foot)


def paint(c: Canvas, at: Shell) -> None:
    """Back to front: what hangs on the walls, the lamp, the bed before it."""
    _paint_curtains(c.around("curtain"), at)
    _paint_picture(c.around("picture"))
    _paint_lamp(c.around("lamp"))
    bed, there = c.around("bed"), c.room.number["bed"]
    for name in ("headboard", "base", "mattress", "far", "near", "blanket"):
        bed.box(f"bed.{name}", "bed", there)
    bed.paint(bed.polygon("bed.fold").mul_(there), "fold", "bed")


def _paint_curtains(c: Canvas, at: Shell) -> None:
    there = c.room.number["window"]
    both = c.quad("curtain.left").add_(c.quad("curtain.right")).mul_(there)
    folds = wave(at.p * 7.0).mul_(fade(0.14, at.depth, c.pixels)).mul_(0.16).add_(1)
    folds = folds[:, None, :, c.columns]
    cloth = c.room.ink["curtain"].repeat(1, 1, 1, folds.shape[-1])
    cloth[:, :3] *= folds
    c.paint(both, cloth, "window")
    c.tint(c.quad("curtain.rod").mul_(there), "rod", "window")


def _paint_picture(c: Canvas) -> None:
    """A lighthouse by the sea, in a frame."""
    there = c.room.number["picture"]
    c.tint(c.quad("picture.shadow").mul_(there * 0.25), "frame")
    c.tint(c.quad("picture.frame").mul_(there), "frame", "picture")
    for face, ink in (("mat", "mat"), ("sky", "painting"), ("sea", "sea"), ("tower", "mat")):
        c.tint(c.quad(f"picture.{face}").mul_(there), ink)


def _paint_lamp(c: Canvas) -> None:
    there = c.room.number["lamp"]
    c.paint(c.polygon("lamp.foot").mul_(there), "metal", "lamp", 0.3)
    c.paint(c.quad("lamp.pole").mul_(there), "metal", "lamp", 0.3)
    c.paint(c.polygon("lamp.shade").mul_(there), "lampshade", "lamp")
