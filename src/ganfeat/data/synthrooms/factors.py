"""The factors of SynthRooms, for the two families of rooms.

Whether a thing is there is a binary factor of its own. Where it is not there, its position and its
colour still have a value, drawn like the others, which changes no pixel: `PRESENCE` names the
columns whose value says so. Who regresses such a column should leave those images out, or weigh
them with 0; with them, half of the variance cannot be explained by anything.
"""

import math

from ganfeat.data.drawn.factors import Factor, FactorTable, continuous
from ganfeat.errors import UserError

BEDROOM_PALETTES = ("chalk", "oak", "walnut", "slate")
KITCHEN_PALETTES = ("white", "country", "steel", "retro")


def _binary(name: str, level: str, about: str, neutral: int = 1) -> Factor:
    return Factor(name, level, "binary", 0, 1, neutral, "", about)


def _hue(name: str, level: str, about: str, neutral: float) -> Factor:
    return Factor(name, level, "circular", 0, 2 * math.pi, neutral, "radians", about)


def _place(thing: str, low: float, high: float, wall: str, neutral: float = math.nan) -> Factor:
    about = f"from the corner, {wall} wall"
    return continuous(f"{thing}_place", "objects", low, high, "m", about, neutral)


# Both families share the box, the camera and the light.
_LAYOUT = (
    continuous("corner_x", "layout", -0.14, 0.14, "sides", "edge of the walls moves right"),
    continuous("camera_yaw", "layout", -12, 12, "degrees", "turns to the right wall"),
    continuous("camera_height", "layout", 1.1, 1.7, "m", "above the floor"),
)
_OPENINGS = (
    _binary("window", "objects", "in the left wall"),
    _place("window", 0.85, 1.5, "left"),
    _binary("door", "objects", "in the right wall"),
    _place("door", 0.55, 0.82, "right"),
)


def _scene(palettes: tuple[str, ...]) -> tuple[Factor, ...]:
    names = ", ".join(palettes)
    return (
        Factor("palette", "scene", "categorical", 0, len(palettes), 1, "", names),
        _hue("wall_hue", "scene", "colour of the walls", 3.5),
        continuous("floor_tone", "scene", 0, 1, "", "light to dark", 0.4),
        _binary("night", "scene", "day or night", 0),
        continuous("light_strength", "scene", 0, 1, "", "dim to bright", 0.6),
        continuous("camera_grain", "scene", 0, 1, "", "strength of the pixel noise", 0),
    )


BEDROOM = FactorTable(
    "SynthRooms of bedrooms",
    (
        *_LAYOUT,
        *_OPENINGS,
        _hue("curtain_hue", "objects", "colour of the curtains", 0.2),
        _binary("bed", "objects", "its head at the left wall"),
        _place("bed", 1.2, 1.75, "left"),
        _hue("bed_hue", "objects", "colour of the blanket", 5.7),
        _binary("lamp", "objects", "a standard lamp"),
        _place("lamp", 0.45, 1.8, "right", 1.35),
        _binary("lamp_on", "objects", "off or on", 0),
        _binary("picture", "objects", "on the right wall"),
        _place("picture", 1.7, 2.05, "right"),
        _hue("picture_hue", "objects", "colour of the painting", 2.2),
        *_scene(BEDROOM_PALETTES),
    ),
)
KITCHEN = FactorTable(
    "SynthRooms of kitchens",
    (
        *_LAYOUT,
        *_OPENINGS,
        _hue("blind_hue", "objects", "colour of the blind", 0.2),
        _binary("counter", "objects", "cupboards at the left wall"),
        _place("counter", 0.95, 1.5, "left"),
        _hue("counter_hue", "objects", "colour of the cupboards", 2.4),
        _binary("table", "objects", "in the room"),
        _place("table", 1.15, 1.6, "right"),
        _hue("table_hue", "objects", "colour of its cloth", 0.0),
        _binary("shelf", "objects", "on the right wall"),
        _place("shelf", 1.7, 2.05, "right"),
        _hue("shelf_hue", "objects", "colour of what stands on it", 1.0),
        *_scene(KITCHEN_PALETTES),
    ),
)
FAMILIES = {"bedroom": BEDROOM, "kitchen": KITCHEN}

_THINGS = ("window", "door", "bed", "lamp", "picture", "counter", "table", "shelf")
# Column -> the binary column without which it means nothing, for both families.
PRESENCE = {
    **{
        name: name.split("_")[0]
        for table in FAMILIES.values()
        for name in table.names
        if name.split("_")[0] in _THINGS and "_" in name
    },
    "curtain_hue": "window",
    "blind_hue": "window",
}


def table_of(family: str) -> FactorTable:
    """The factors of a family; raises UserError for an unknown one."""
    if family not in FAMILIES:
        raise UserError(
            f"SynthRooms has no family {family!r}; expected one of {', '.join(FAMILIES)}; "
            "correct data.family"
        )
    return FAMILIES[family]
