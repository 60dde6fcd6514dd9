"""Pictures of what was measured, of which it is known where what is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganfeat.features.network import to_uint8
from ganfeat.pages import heat_map, traversals
from ganfeat.pictures import save_gif, save_png


def pixels(picture: torch.Tensor) -> np.ndarray:
    return to_uint8(picture).permute(1, 2, 0).numpy()


def test_traversals_show_images_and_layers() -> None:
    """Images at the right, enlarged; before them bars as high as the shares."""
    strips = torch.full([2, 3, 3, 16, 16], -1.0)
    strips[1, 2, 0] = 1  # the last image of the second edit is red
    page = pixels(traversals(strips, torch.tensor([[0.5, 0.5], [1.0, 0.0]]), ["a", "+smile 40%"]))
    assert page.shape[0] == 2 * 64
    assert (page[:64, -192:] == 0).all()
    assert (page[64:, -64:] == [255, 0, 0]).all()
    assert (page[64:, -192:-64] == 0).all()
    dark = (page[:, :-192] < 60).all(axis=2)
    heights = [dark[rows].sum(axis=0) for rows in (slice(0, 64), slice(64, 128))]
    wide = [h[-25:] for h in heights]  # where bars are, right of the names
    assert wide[1].max() == pytest.approx(2 * wide[0].max(), abs=2)
    assert (wide[1] > 40).sum() < (wide[0] > 20).sum()


def test_heat_maps_have_a_scale() -> None:
    """Zero is white in both kinds; signs have colours of their own."""
    signed = pixels(heat_map([[1.0, -1.0], [0.0, 0.0]], ["a", "b"], ["x", "y"], "z", "title"))
    assert (signed == [103, 0, 31]).all(axis=2).sum() > 100  # the ends of the colour map
    assert (signed == [5, 48, 97]).all(axis=2).sum() > 100
    plain = pixels(heat_map([[1.0, 0.0]], ["a"], ["x", "y"], "z", "title"))
    assert (plain == plain[..., :1]).all()
    heat_map(np.zeros([2, 3]), ["a", "b"], ["x", "y", "z"], "z", "nothing")


@pytest.mark.parametrize(("colours", "mode"), [(3, "P"), (256, "P"), (300, "RGB")])
def test_a_palette_loses_nothing(tmp_path: Path, colours: int, mode: str) -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, [colours, 3])
    image = table[np.arange(64 * 64).reshape(64, 64) % colours].astype(np.uint8)
    save_png(torch.from_numpy(image).permute(2, 0, 1).float().sub(127.5).div(127.5), tmp_path / "a")
    found = Image.open(tmp_path / "a")
    assert found.mode == mode
    assert np.array_equal(np.asarray(found.convert("RGB")), image)


def test_a_gif_goes_there_and_back(tmp_path: Path) -> None:
    frames = [torch.full([3, 8, 8], level) for level in (-1.0, 0.0, 1.0)]
    save_gif(frames, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as found:
        seen = []
        for i in range(found.n_frames):
            found.seek(i)
            seen.append(int(np.asarray(found.convert("L")).mean()))
    assert seen == [0, 128, 255, 128]
