"""Paint the parts in order, back to front, and shade them.

background, hair behind the head, neck, shoulders, ears, head, blush and freckles, eyes, beard and
brows, mouth, shadows and wrinkles, nose, hair in front, hat; then light; then glasses, unlit so
that they stay legible.
"""

import torch
from torch import Tensor

from ganfeat.data.drawn.canvas import centres
from ganfeat.data.drawn.shapes import cover, wave
from ganfeat.data.synthfaces import parts
from ganfeat.data.synthfaces.geometry import Geometry
from ganfeat.data.synthfaces.shapes import bump, ellipse

CLASSES = (
    "background", "skin", "hair", "brows", "eyes", "nose", "mouth", "glasses", "hat", "beard",
    "ears", "neck",
)  # fmt: skip
_CODE = {name: code for code, name in enumerate(CLASSES)}

# Discs of the background: x, y, radius.
_BLOBS = (
    (-0.75, -0.70, 0.30), (0.05, -0.95, 0.20), (0.72, -0.62, 0.36), (-0.98, 0.05, 0.24),
    (0.98, 0.18, 0.22), (-0.70, 0.72, 0.28), (0.66, 0.80, 0.30), (-0.28, -0.45, 0.14),
    (0.2, 0.3, 0.2),
)  # fmt: skip
# Share of a pixel from which a thin part owns it: half would break a one-pixel line into dots.
_THIN = 0.3


class Painting:
    """A batch of pictures in the making.

    `image` [N,3,R,R] in [0, 1]; `mask` [N,R,R] uint8, the class of what is on top, or None;
    `covered` [N,R,R], the share of a pixel that is not background; `shade` [N,R,R], the brightness
    that this share gets.
    """

    def __init__(self, g: Geometry, resolution: int, with_mask: bool) -> None:
        self.s, self.colour = g.scalar, g.colour
        grid = centres(resolution, self.s["zoom"].device)
        x, y = grid[None, None, :], grid[None, :, None]
        self.surface = parts.place(self.s, x, y, resolution / 2)
        self.image = self._background(x, y, resolution / 2)
        self.mask = torch.zeros_like(self.surface.u, dtype=torch.uint8) if with_mask else None
        self._spare = torch.empty_like(self.image)

    def paint(
        self, alpha: Tensor, colour: str | Tensor, part: str = "", least: float = 0.5
    ) -> None:
        """Lay a colour over the picture where `alpha` covers it, and note whose pixels they are."""
        ink = self.colour[colour] if isinstance(colour, str) else colour
        torch.sub(ink, self.image, out=self._spare)
        self.image.add_(self._spare.mul_(alpha[:, None]))
        if part:
            self.mark(alpha, part, least)

    def mark(self, alpha: Tensor, part: str, least: float = 0.5) -> None:
        """Note the class of the pixels of which at least this share is covered."""
        if self.mask is not None:
            self.mask.masked_fill_(alpha > least, _CODE[part])

    def _background(self, x: Tensor, y: Tensor, pixels: float) -> Tensor:
        fall = x.new_tensor(-pixels)
        blobs = torch.zeros_like(x + y)
        for at_x, at_y, radius in _BLOBS:
            distance = ((x - at_x).square() + (y - at_y).square()).sqrt_().sub_(radius)
            blobs = torch.maximum(blobs, cover(distance, fall))
        stripes = wave((x + y * 0.6) * 1.5).mul_(pixels * 0.09).add_(0.5).clamp_(0, 1)
        pattern = blobs * self.s["blobs"]
        pattern += stripes * self.s["stripes"]
        pattern += (y * 0.5 + 0.5) * self.s["gradient"]
        first, second = self.colour["first"], self.colour["second"]
        return (second - first).mul(pattern[:, None]).add_(first)

    def light(self) -> None:
        """Lambert's cosine as a brightness around 1, and a highlight where it is near its peak."""
        s, f = self.s, self.surface
        cosine = (f.normal_x * s["light_x"]).add_(f.normal_y * s["light_y"])
        bright = cosine.add_(f.depth * s["light_z"]).clamp_(min=-0.2)
        gloss = bright.clamp(min=0).square_().square_()
        self.gloss = gloss.mul_(gloss).mul_(s["gloss"])
        self.shade = (bright - 0.62).mul_(s["light"]).add_(1)

    def behind(self) -> None:
        """Hair behind the head, neck, shoulders, bun or pompom, ears."""
        s, f = self.s, self.surface
        back, knob = parts.back_hair(s, f), parts.knob(s, f)
        neck, shirt, ears = parts.neck(f), parts.shirt(f), parts.ears(s, f)
        self.paint(back, "hair", "hair")
        self.paint(neck, "neck", "neck")
        self.paint(shirt, "shirt", "neck")
        wool = s["hat"][:, None] > 0
        self.paint(knob, torch.where(wool, self.colour["band"], self.colour["hair"]))
        self.mark(knob * s["hat"], "hat")
        self.mark(knob * (1 - s["hat"]), "hair")
        self.paint(ears, "ear", "ears")
        self.covered = torch.maximum(torch.maximum(back, neck), torch.maximum(shirt, knob))
        self.covered = torch.maximum(self.covered, ears)
        self.ears = ears

    def skin(self, freckles: Tensor) -> None:
        """The head, the near ear over its edge, blush and freckles."""
        s, f = self.s, self.surface
        self.head = cover(f.head, f.fall)
        self.covered = torch.maximum(self.covered, self.head)
        self.paint(self.head, "skin", "skin")
        self.paint(self.ears.mul_(parts.pick(s, "near", f.right)), "ear", "ears")
        cheek = bump(f.eye_u * f.eye_u, (f.eye_v - 0.27).square_(), 0.16, 0.13)
        self.paint(cheek.mul_(0.55).mul_(self.head), "blush")
        self.paint(parts.freckles(s, freckles, f).mul_(self.head), "freckle")

    def eyes(self) -> None:
        """Lids, eyeballs, irises, pupils; the shine waits for the teeth, which share its colour."""
        s, f = self.s, self.surface
        u2, v2 = f.eye_u * f.eye_u, f.eye_v * f.eye_v
        lid = ellipse(s, "lid", u2, (f.eye_v + 0.016).square_())
        white = cover(ellipse(s, "white", u2, v2), f.fall)
        white.mul_(self.head)
        look = f.eye_u - s["gaze"]
        away = (look * look).add_(v2).sqrt_()
        shine = look.add_(s["shine_x"]).square_().add_((f.eye_v + s["shine_y"]).square_()).sqrt_()
        self.paint(cover(lid, f.fall).mul_(self.head), "dark", "eyes", _THIN)
        self.paint(white, "eyeball")
        self.paint(cover(away - s["iris"], f.fall).mul_(white), "iris")
        self.paint(cover(away.sub_(s["pupil"]), f.fall).mul_(white), "dark")
        self.shine = cover(shine.sub_(s["shine"]), f.fall).mul_(white)

    def mouth(self) -> None:
        """Beard and brows, lips, the open mouth, teeth."""
        s, f = self.s, self.surface
        self.beard, brows = parts.beard(s, f), parts.brows(s, f)
        self.paint(torch.maximum(self.beard, brows), "beard")
        self.covered = torch.maximum(self.covered, self.beard)
        self.mark(self.beard, "beard")
        self.mark(brows, "brows", _THIN)
        mouth = parts.mouth(s, f)
        self.paint(mouth.whole, "lips", "mouth", _THIN)
        self.paint(mouth.opening, "throat")
        self.paint(torch.maximum(mouth.teeth, self.shine), "eyeball")

    def nose(self) -> None:
        """Whatever is dark on the skin in one go (wrinkles, shadows of hair and nose), the nose."""
        s, f = self.s, self.surface
        distance, along, across = parts.nose(s, f)
        lower = along.mul_(along)
        x, y = f.u - s["tip_x"], f.v - s["tip_y"]
        dark = cover(distance - 0.028, f.fall).mul_(lower).mul_(0.85)
        below = cover(ellipse(s, "below", x * x, (y - s["below_y"]).square_()), f.fall)
        dark = torch.maximum(dark, below.mul_(0.8))
        dark = torch.maximum(dark, parts.wrinkles(s, f).mul_(1 - self.beard).mul_(0.75))
        self.hair = parts.front_hair(s, f)
        cast = (self.hair * -13).add_(1).clamp_(0, 1).mul_(self.head).mul_(0.45)
        self.paint(torch.maximum(dark, cast), "shadow")
        body = cover(distance, f.fall)
        self.paint((lower * 0.8).add_(0.2).mul_(body), "nose")
        self.mark(body, "nose")
        x2, y2 = x.abs_().sub_(s["nostril_x"]).square_(), y.sub_(s["nostril_y"]).square_()
        self.paint(cover(ellipse(s, "nostril", x2, y2), f.fall), "nostril")
        # The nose's own normal: bright along the ridge, dark on the side away from the light.
        ridge = (across * across).neg_().add_(0.5).mul_(0.2)
        across.mul_(s["nose_light"]).add_(ridge).mul_(body).mul_(lower)
        self.shade.add_(across)

    def front(self) -> None:
        """Hair over the forehead and the hat, with strands and ribs."""
        s, f = self.s, self.surface
        hair = cover(self.hair, f.fall)
        hat, band = parts.hat(s, f)
        self.paint(hair, "hair", "hair")
        self.paint(hat, "hat", "hat")
        self.paint(band, "band")
        top = torch.maximum(hair, hat)
        # Strands are too fine for small pictures: there they fade instead of aliasing.
        fade = (f.fall * -0.03).clamp_(max=1) * 0.08
        self.shade.add_(wave(f.hair_s * 6.5).mul_(top).mul_(fade))
        self.covered = torch.maximum(self.covered, top)

    def finish(self) -> Tensor:
        """Light everything but the background, put the glasses on; the picture in [-1, 1]."""
        s, f = self.s, self.surface
        self.image.mul_(self.shade.sub_(1).mul_(self.covered).add_(1)[:, None])
        self.image.add_(self.gloss.mul_(self.covered)[:, None])
        frame, lens = parts.glasses(s, f)
        self.paint(lens.mul_(0.16), "eyeball")
        self.paint(frame, "frame", "glasses", 0.4)
        return self.image.mul_(2).sub_(1)


def paint(
    g: Geometry, resolution: int, freckles: Tensor, with_mask: bool
) -> tuple[Tensor, Tensor | None]:
    """Pictures [N,3,R,R], nominally in [-1, 1], and masks [N,R,R] uint8 if asked for.

    `freckles` [N,3,32] is what `parts.freckle_table` says of the persons.
    """
    p = Painting(g, resolution, with_mask)
    p.light()
    p.behind()
    p.skin(freckles)
    p.eyes()
    p.mouth()
    p.nose()
    p.front()
    return p.finish(), p.mask
