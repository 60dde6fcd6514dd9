"""The kitchen's own things: blind, counter, table, shelf."""

import torch
from torch import Tensor

from ganfeat.data.drawn.factors import Array
from ganfeat.data.synthrooms.canvas import Canvas
from ganfeat.data.synthrooms.palette import fabric, same
from ganfeat.data.synthrooms.shell import Shell, soft_box, tiles
from ganfeat.data.synthrooms.stage import Pair, Room, Stage

_TABLE_P, _TABLE_HALF = 1.35, (0.46, 0.34)
_COUNTER_HALF, _COUNTER_DEEP = 0.80, 0.58
_BOARDS, _SHELF_DEEP = (1.24, 1.70), 0.22
# What stands on the shelf: board, place along it, half width, height, which colour.
_GOODS = (
    (0, -0.29, 0.075, 0.29, 0), (0, -0.10, 0.060, 0.22, 1), (0, 0.08, 0.090, 0.18, 2),
    (0, 0.28, 0.070, 0.31, 0), (1, -0.25, 0.100, 0.20, 1), (1, -0.02, 0.060, 0.30, 0),
    (1, 0.21, 0.110, 0.24, 2),
)  # fmt: skip


def lamp(f: dict[str, Array]) -> tuple[tuple[Array | float, Array | float, float], Array]:
    """A light at the ceiling, out of sight, that is on at night."""
    return (1.3, 1.3, 1.9), 1.15 * f["night"]


def set_up(stage: Stage, f: dict[str, Array], colours: dict[str, Array]) -> None:
    """Faces and colours of all of them."""
    stage.number |= {name: f[name] for name in ("counter", "table", "shelf")}
    stage.number |= {"counter_at": f["counter_place"], "table_at": f["table_place"]}
    at = f["window_place"]
    stage.upright("blind.cloth", (at + 0.50, 0.0), (at - 0.50, 0.0), 1.55, 2.07)
    stage.upright("blind.hem", (at + 0.50, 0.0), (at - 0.50, 0.0), 1.55, 1.60)
    stage.ink("blind", fabric(f["blind_hue"]), "left", at, 0.0, 1.8)
    stage.ink("hem", 0.7 * fabric(f["blind_hue"]), "left", at, 0.0, 1.8)
    stage.paint("pane", same((0.63, 0.75, 0.85), at))
    _counter(stage, f["counter_place"], fabric(f["counter_hue"]), colours)
    _table(stage, f["table_place"], fabric(f["table_hue"]), colours["wood"])
    _shelf(stage, f["shelf_place"], f["shelf_hue"], colours["wood"])


def _counter(stage: Stage, at: Array, paint: Array, colours: dict[str, Array]) -> None:
    def front(name: str, middle: float, half: float, low: float, high: float) -> None:
        ends = ((at + middle + half, _COUNTER_DEEP), (at + middle - half, _COUNTER_DEEP))
        stage.upright(f"counter.{name}", *ends, low, high)

    def wide(more: float) -> Pair:
        return at - _COUNTER_HALF - more, at + _COUNTER_HALF + more

    deep, dark = _COUNTER_DEEP, same((0.15, 0.15, 0.16), at)
    stage.box("counter.kick", dark, wide(0.0), (0.0, deep - 0.05), 0.0, 0.1)
    stage.box("counter.body", paint, wide(0.0), (0.0, deep), 0.1, 0.87)
    stone = 0.4 * colours["trim"] + 0.4 * colours["wood"]
    stage.box("counter.top", stone, wide(0.02), (0.0, deep + 0.04), 0.87, 0.92)
    for number, middle in enumerate((-0.53, 0.0, 0.53)):
        front(f"door{number}", middle, 0.235, 0.14, 0.83)
        front(f"handle{number}", middle, 0.09, 0.74, 0.78)
    stage.ink("cupboard", 0.84 * paint, "front", at, deep, 0.45)
    stage.ink("handle", same((0.85, 0.86, 0.88), at), "front", at, deep, 0.75)
    stage.slab("counter.hob", (at - 0.02, at + 0.46), (0.10, 0.52), 0.92)
    stage.slab("counter.sink", (at - 0.62, at - 0.20), (0.12, 0.50), 0.92)
    stage.ink("hob", same((0.10, 0.10, 0.12), at), "top", at, 0.3, 0.92)
    stage.ink("sink", same((0.66, 0.70, 0.74), at), "top", at, 0.3, 0.92)


def _table(stage: Stage, at: Array, cloth: Array, wood: Array) -> None:
    p, (half_p, half_q) = _TABLE_P, _TABLE_HALF
    for number, (side, end) in enumerate(((-1, -1), (-1, 1), (1, -1), (1, 1))):
        stage.post(f"table.leg{number}", p + side * (half_p - 0.05), at + end * (half_q - 0.05),
                   0.032, 0.0, 0.66)  # fmt: skip
    stage.ink("leg", wood, "front", p, at, 0.3)
    stage.box(
        "table.cloth", cloth, (p - half_p, p + half_p), (at - half_q, at + half_q), 0.56, 0.74
    )
    stage.shade("table.bowl", p - 0.1, at, (0.06, 0.15), 0.74, 0.85)
    stage.ink("bowl", same((0.95, 0.94, 0.90), at), "front", p, at, 0.8)


def _shelf(stage: Stage, at: Array, angle: Array, wood: Array) -> None:
    for number, up in enumerate(_BOARDS):
        stage.box(
            f"shelf.board{number}", wood, (0.0, _SHELF_DEEP), (at - 0.40, at + 0.40), up - 0.04, up
        )
    for number, (board, place, half, high, _) in enumerate(_GOODS):
        low = _BOARDS[board]
        stage.post(f"shelf.good{number}", _SHELF_DEEP - 0.01, at + place, half, low, low + high)
    for number, turn in enumerate((0.0, 0.5, -0.5)):
        stage.ink(f"good{number}", fabric(angle + turn), "side", _SHELF_DEEP, at, 1.5)


def pattern(at: Shell, pixels: float) -> Tensor:
    """What the floor is made of."""
    return tiles(at, pixels)


def shadow(room: Room, at: Shell) -> Tensor:
    """How much darker the floor is below counter and table: [N,R,R]."""
    s, half = room.number, _COUNTER_DEEP / 2
    counter = soft_box(at.floor_p - s["counter_at"], _COUNTER_HALF + 0.05, 0.3)
    counter.mul_(soft_box(at.floor_q - half, half + 0.06, 0.3)).mul_(s["counter"] * 0.6)
    table = soft_box(at.floor_p - _TABLE_P, _TABLE_HALF[0], 0.5)
    table.mul_(soft_box(at.floor_q - s["table_at"], _TABLE_HALF[1], 0.5)).mul_(s["table"] * 0.5)
    return torch.maximum(counter, table)


def paint(c: Canvas, at: Shell) -> None:
    """Back to front: what hangs on the walls, the counter, the table before it."""
    s = c.room.number
    blind = c.around("blind")
    blind.paint(blind.quad("blind.cloth").mul_(s["window"]), "blind", "window")
    blind.paint(blind.quad("blind.hem").mul_(s["window"]), "hem")
    door = c.around("door")
    door.tint(door.quad("door.upper").mul_(s["door"]), "pane")
    _paint_shelf(c.around("shelf"), s["shelf"])
    _paint_counter(c.around("counter"), s["counter"])
    _paint_table(c.around("table"), s["table"])


def _paint_shelf(c: Canvas, there: Tensor) -> None:
    for number in range(len(_BOARDS)):
        c.box(f"shelf.board{number}", "shelf", there)
    for number, (*_, colour) in enumerate(_GOODS):
        c.paint(c.quad(f"shelf.good{number}").mul_(there), f"good{colour}", "shelf")


def _paint_counter(c: Canvas, there: Tensor) -> None:
    c.box("counter.kick", "counter", there)
    c.box("counter.body", "counter", there)
    for number in range(3):
        c.paint(c.quad(f"counter.door{number}").mul_(there), "cupboard")
        c.paint(c.quad(f"counter.handle{number}").mul_(there), "handle")
    c.box("counter.top", "counter", there)
    c.paint(c.polygon("counter.hob").mul_(there), "hob")
    c.paint(c.polygon("counter.sink").mul_(there), "sink")


def _paint_table(c: Canvas, there: Tensor) -> None:
    legs = torch.stack([c.quad(f"table.leg{number}") for number in range(4)]).amax(0)
    c.paint(legs.mul_(there), "leg", "table", 0.3)
    c.box("table.cloth", "table", there)
    c.paint(c.polygon("table.bowl").mul_(there), "bowl", "table")
