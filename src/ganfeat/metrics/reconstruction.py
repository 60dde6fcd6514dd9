"""How near rebuilt images are to the originals."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from ganfeat.errors import UserError
from ganfeat.metrics.frechet import Moments, frechet_distance
from ganfeat.metrics.measure import Result
from ganfeat.metrics.progress import Bar, silent
from ganfeat.metrics.reference import References, describe
from ganfeat.metrics.rows import Rows, finite
from ganfeat.metrics.subject import Judge
from ganfeat.metrics.value import Value, count_name, mean_value

Watch = Callable[[Tensor, dict[str, Tensor], Tensor], None]
Rebuild = Callable[[Tensor], Tensor]  # images [N,3,R,R] in [-1,1] to their reconstructions
EXACT = 1e-10  # a mean squared error below it counts as this: 106 dB


@torch.no_grad()
def reconstruction(
    rebuild: Rebuild,
    judge: Judge,
    references: References,
    n: int = 5000,
    bar: Bar = silent,
    extras: Sequence[str] = (),
    watch: Watch = lambda numbers, batch, rebuilt: None,
) -> Result:
    """``mse<n>``, ``psnr<n>``, ``ssim<n>``, ``distance<n>_<network>`` and ``rfid<n>_<network>``.

    Means over ``n`` real images, both sides clamped to [-1,1] and not rounded. ``rfid`` is the
    Frechet distance of the reconstructions to these same originals; of no more images than its
    network's vectors have numbers there is none (``n/a``).

    Args:
        rebuild: what is measured.
        judge: the networks that measure; neither trained ``rebuild``.
        references: the real images, and this process's share of them.
        n: how many of them.
        bar: shows how far it is.
        extras: what else the data are to say of the images.
        watch: is given the numbers [N] of images, the data's batch and what was rebuilt, so that
            nobody has to rebuild them again.

    Raises:
        UserError: there are too few images, or a reconstruction is not finite.
    """
    perceptual, embedding = judge.perceptual, judge.embedding
    data, device = references.real(n), references.device
    if len(data) < n:
        raise UserError(f"reconstructions of {n} images: there are {len(data)}")
    width = embedding.width(data.resolution, device)
    rows = Rows(n, 4, what="an error").to(device)
    before, after = (Moments(width).to(device) for _ in range(2))
    advance = bar("reconstructions", n // references.ranks)
    for numbers, batch in references.share(n, extras):
        images = batch["image"].clamp(-1, 1)
        rebuilt = finite(rebuild(images), "a reconstruction").clamp(-1, 1)
        distances = perceptual.distance(images, rebuilt)
        rows.update(torch.stack([*pixel_errors(images, rebuilt), distances], dim=1), numbers)
        before.update(embedding.embed(images))
        after.update(embedding.embed(rebuilt))
        watch(numbers, batch, rebuilt)
        advance(len(images))
    found = rows.numpy()
    protocol = {"data": references.fingerprint(n), "clamped": True, "networks": {}}
    count = count_name(n)
    values = [
        mean_value(f"{name}{count}", found[:, i], protocol)
        for i, name in enumerate(("mse", "psnr", "ssim"))
    ]
    by_distance = {**protocol, "networks": describe(perceptual)}
    values.append(mean_value(f"distance{count}_{perceptual.name}", found[:, 3], by_distance))
    by_vectors = {**protocol, "networks": describe(embedding)}
    distance = frechet_distance(after.compute(), before.compute()) if n > width else None
    values.append(Value(f"rfid{count}_{embedding.name}", distance, n=n, protocol=by_vectors))
    return Result(values)


def pixel_errors(originals: Tensor, rebuilt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squared error, PSNR in dB and SSIM of each pair of images in [-1,1], each [N].

    SSIM as in Wang et al. 2004: a Gaussian window of 11 px, sigma 1.5.
    """
    error = (originals - rebuilt).square().mean(dim=[1, 2, 3])
    psnr = 10 * torch.log10(4 / error.clamp(min=EXACT))
    similar = structural_similarity_index_measure(
        rebuilt, originals, data_range=2.0, reduction="none"
    )
    assert isinstance(similar, Tensor)
    return error, psnr, similar
