"""Vision transformers (Dosovitskiy et al. 2021) through timm: DINO's, and CLIP's image tower."""

from collections.abc import Sequence
from typing import Any

import timm
from timm.models import get_pretrained_cfg
from torch import Tensor

from ganfeat.errors import UserError
from ganfeat.features.embedded import freeze
from ganfeat.features.files import Published, fill, find, read_state
from ganfeat.features.network import Features, Resize, resized, standardise


class ViT(Features):
    """Grids of patch tokens of some blocks, and the vector that the model pools.

    Args:
        model: timm's name, such as ``vit_base_patch16_224.dino``.
        name: as metrics name it.
        path: the file of weights, or its folder; None looks into the caches.
        download: fetch it where it is absent.
        blocks: whose outputs are tapped, from 0; the finest (earliest) first.
        norm: apply the model's last LayerNorm to each tap, as DINO's own helper does.
        resize: how images come to the model's size.
        mean, std: per channel, of images in [0,1]; None takes the model's.
    """

    def __init__(
        self,
        model: str = "vit_base_patch16_224.dino",
        name: str = "dino",
        path: str | None = None,
        download: bool = False,
        blocks: Sequence[int] = (2, 5, 8, 11),
        norm: bool = True,
        resize: Resize = "bicubic",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.config = ViT.arguments(locals())
        try:
            published = get_pretrained_cfg(model)
        except RuntimeError:  # the architecture is there, its tag is not
            published = None
        if published is None:
            raise UserError(
                f"timm has no model {model!r}: see timm.list_models('vit*', pretrained=True)"
            )
        self.size = published.input_size[-1]
        self.name, self.resize, self.rule = name, f"{resize} to {self.size}", resize
        self.mean, self.std = tuple(mean or published.mean), tuple(std or published.std)
        self.blocks, self.norm = list(blocks), norm
        self.settings = {
            "mean": list(self.mean), "std": list(self.std), "blocks": self.blocks, "norm": norm
        }  # fmt: skip
        transformer: Any = timm.create_model(model, pretrained=False, num_classes=0)
        if max(blocks) >= len(transformer.blocks):
            raise UserError(f"{model} has {len(transformer.blocks)} blocks, not {max(blocks) + 1}")
        self.model = transformer
        file = find(
            Published(
                "model.safetensors", f"timm ({published.hf_hub_id})", None, published.hf_hub_id
            ),
            path,
            download,
        )
        held = self.model.state_dict()
        fill(self.model, {k: v for k, v in read_state(file).items() if k in held}, file)
        freeze(self)

    def prepare(self, images: Tensor) -> Tensor:
        """What enters the model; its sides are multiples of the patch."""
        return standardise(resized(images, self.size, self.rule), self.mean, self.std)

    def taps(self, images: Tensor) -> list[Tensor]:
        """Patch tokens as maps [N,D,14,14], without the class token."""
        found: list[Tensor] = self.model.forward_intermediates(
            self.prepare(images), indices=self.blocks, norm=self.norm, intermediates_only=True
        )
        return found

    def embed(self, images: Tensor) -> Tensor:
        """The pooled vector (the class token, after the last norm): [N,D]."""
        vectors: Tensor = self.model(self.prepare(images))
        return vectors
