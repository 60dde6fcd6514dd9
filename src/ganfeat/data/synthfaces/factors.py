"""The factors of SynthFaces."""

import math

from ganfeat.data.drawn.factors import Factor, FactorTable, continuous

HAIR_STYLES = ("short", "bob", "long", "curly", "bun")
BACKGROUND_PATTERNS = ("plain", "gradient", "stripes", "blobs")

# Lengths are in half sides: the picture spans [-1, 1] in both directions, y pointing down.
FACTORS: tuple[Factor, ...] = (
    continuous("yaw", "layout", -35, 35, "degrees", "turns to the image's right"),
    continuous("pitch", "layout", -20, 20, "degrees", "looks up"),
    continuous("roll", "layout", -20, 20, "degrees", "leans clockwise"),
    continuous("scale", "layout", 0.8, 1.1, "times", "size of the head"),
    continuous("shift_x", "layout", -0.12, 0.12, "sides", "moves right"),
    continuous("shift_y", "layout", -0.12, 0.12, "sides", "moves down"),
    continuous("face_width", "identity", 0.47, 0.58, "half sides", "half width of the head"),
    continuous("jaw_shape", "identity", -1, 1, "", "square to pointed"),
    continuous("forehead_height", "identity", 0.40, 0.53, "half sides", "hairline above centre"),
    continuous("eye_spacing", "identity", 0.20, 0.27, "half sides", "eye centre from the middle"),
    continuous("eye_size", "identity", 0.105, 0.15, "half sides", "half width of an eye"),
    continuous("nose_length", "identity", 0.11, 0.205, "half sides", "tip below centre"),
    continuous("nose_width", "identity", 0.075, 0.125, "half sides", "radius of the tip"),
    continuous("mouth_width", "identity", 0.15, 0.25, "half sides", "half width of the mouth"),
    continuous("lip_fullness", "identity", 0.026, 0.075, "half sides", "height of a lip"),
    continuous("brow_thickness", "identity", 0.022, 0.05, "half sides", "half height of a brow"),
    continuous("brow_tilt", "identity", -0.26, 0.26, "slope", "outer ends go down"),
    continuous("ear_size", "identity", 0.11, 0.21, "half sides", "half height of an ear"),
    continuous("skin_tone", "identity", 0, 1, "", "light to dark", 0.3),
    continuous("eye_colour", "identity", 0, 1, "", "brown, amber, green, blue", 0.9),
    Factor("hair_style", "identity", "categorical", 0, 5, 0, "", ", ".join(HAIR_STYLES)),
    continuous("hair_colour", "identity", 0, 1, "", "black, brown, auburn, blond, white", 0.35),
    continuous("freckles", "identity", 0, 1, "", "how strong; where is up to the person", 0),
    continuous("smile", "expression", -0.7, 1, "", "frown to smile", 0.5),
    continuous("mouth_opening", "expression", 0, 1, "", "closed to open", 0.25),
    continuous("eye_opening", "expression", 0.35, 1, "", "nearly shut to wide open", 0.85),
    continuous("brow_raise", "expression", -1, 1, "", "low to high"),
    continuous("gaze", "expression", -1, 1, "", "looks to the image's right"),
    Factor("glasses", "attribute", "binary", 0, 1, 0, "", "dark frames"),
    Factor("beard", "attribute", "binary", 0, 1, 0, "", "full beard"),
    Factor("hat", "attribute", "binary", 0, 1, 0, "", "woollen hat"),
    Factor("wrinkles", "attribute", "binary", 0, 1, 0, "", "forehead, cheeks, under the eyes"),
    continuous("light_azimuth", "scene", -75, 75, "degrees", "light from the left to the right"),
    continuous("light_strength", "scene", 0, 1, "", "flat to strongly modelled"),
    Factor("background_hue", "scene", "circular", 0, 2 * math.pi, 3.6, "radians", "hue"),
    Factor(
        "background_pattern", "scene", "categorical", 0, 4, 0, "", ", ".join(BACKGROUND_PATTERNS)
    ),
    continuous("camera_grain", "scene", 0, 1, "", "strength of the pixel noise", 0),
)
TABLE = FactorTable("SynthFaces", FACTORS)
NAMES = TABLE.names
factor, normalise, denormalise = TABLE.factor, TABLE.normalise, TABLE.denormalise
