"""The README's picture, from pictures that studies have left: ``python experiments/picture.py``."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
ROW = 64  # px, as sheets have them
WIDTH, TITLE, GAP = 830, 30, 14
PARTS = (  # title, file, where its rows begin, px
    (
        "HSR, generators: a path in W, of a plain StyleGAN2 and of a regularised one",
        "hsr_synthfaces/strips.png", [132, 196],
    ),
    (
        "GH-Feat, encoders: faces are coded level by level, drawn again, and levels exchanged",
        "ghfeat_synthfaces/runs/ghfeat-s0-mixing.png", [0, 64, 128, 192],
    ),
    (
        "ContraFeat, navigators: edits, the layers they act on, and what the judge calls them",
        "navigators_synthfaces/runs/contrafeat-s0-traversals.png", [0, 64, 192, 320],
    ),
)  # fmt: skip


def main() -> None:
    """Write ``picture.png`` here."""
    font = ImageFont.load_default(15)
    parts = []
    for title, file, rows in PARTS:
        with Image.open(HERE / file) as opened:
            whole = opened.convert("RGB")
        part = Image.new("RGB", (WIDTH, TITLE + ROW * len(rows)), "white")
        ImageDraw.Draw(part).text((8, 6), title, "black", font)
        for i, row in enumerate(rows):
            strip = whole.crop((0, row, whole.width, row + ROW))
            part.paste(strip, (8, TITLE + i * ROW))
        parts.append(part)
    page = Image.new("RGB", (WIDTH, sum(p.height + GAP for p in parts)), "white")
    top = 0
    for part in parts:
        page.paste(part, (0, top))
        top += part.height + GAP
    page.save(HERE / "picture.png", optimize=True)


if __name__ == "__main__":
    main()
