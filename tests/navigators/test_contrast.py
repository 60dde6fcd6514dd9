"""ContraFeat's formulae against the author's arrays, and against what they must do."""

import math

import parity
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganfeat.navigators.contrafeat import Prototypes
from ganfeat.navigators.contrast import (
    against,
    alike,
    alike_all,
    compared,
    diversity,
    focused,
    masks,
    unit,
)
from ganfeat.navigators.latents import cuts, mixed
from ganfeat.navigators.semantics import Semantics, smoothed

LAYERS = (0, 1, 2)
# Arrays of what is not built: the author's code has it, the runs that count did not use it.
NOT_BUILT = (
    "smoothed_k5s2", "kernel_k5s2", "first7", "temperature", "cumax", "logits_b", "group", "union",
    "neg_on_self", "flat_loss", "proto_diversity", "xent", "recog", "semantic_pair", "mirrored",
)  # fmt: skip
BOUND = 2e-5


class Arrays:
    """The author's arrays, and which of them were looked at."""

    def __init__(self) -> None:
        loaded = parity.load("methods/contrafeat")
        self.all = {
            k: torch.as_tensor(v) for k, v in loaded.items() if not any(n in k for n in NOT_BUILT)
        }
        self.seen: set[str] = set()

    def __getitem__(self, key: str) -> Tensor:
        self.seen.add(key)
        return self.all[key]

    def layers(self, key: str) -> list[Tensor]:
        return [self[f"{key}.{i}"] for i in LAYERS]


@pytest.fixture(scope="module")
def a() -> Arrays:
    return Arrays()


def close(got: Tensor, want: Tensor, bound: float = BOUND) -> None:
    """Within a share of the largest entry."""
    assert got.shape == want.shape
    assert (got - want).abs().max() <= bound * want.abs().max()


def semantics(a: Arrays, key: str) -> Semantics:
    free = key == "free"
    found = Semantics(5, 10, 16, axes=None if free else 6)
    found.coordinates.data = a[f"dir.in.A_{key}"]
    found.logits.data = a["att.in.logits"]
    if not free:
        found.basis.copy_(a["dir.in.V"].T[:6])
    return found


def test_attention(a: Arrays) -> None:
    shares = a["att.in.logits"].softmax(dim=1)
    close(shares, a["att.out.softmax"])
    close(smoothed(shares), a["att.out.smoothed_k3s1"])
    kernel = smoothed(torch.eye(5))[2, 1:4]
    close(kernel, a["att.kernel_k3s1"].flatten())


def test_directions_and_edits(a: Arrays) -> None:
    found = semantics(a, "eigen")
    close(found.coordinates @ found.basis, a["dir.out.raw_eigen"])
    close(found.directions(), a["dir.out.u_eigen"])
    close(semantics(a, "free").directions(), a["dir.out.u_free"])
    close(found.table(), a["edit.out.D"])
    w, which, step = a["edit.in.w"], a["edit.in.k"].long(), a["edit.in.s"].float()
    move = step[:, None, None] * found.edits(w)[torch.arange(3), which]
    close(w + move, a["edit.out.w_plain"])
    close(w - move / 2, a["edit.out.w_minus"])
    close(w + move / 2, a["edit.out.w_plus"])


def test_masks_and_similarities(a: Arrays) -> None:
    one, two = a.layers("sim.in.a"), a.layers("sim.in.b")
    lengths = [x.norm(dim=1) for x in one]
    for got, want in zip(lengths, a.layers("sim.out.norm_a"), strict=True):
        close(got, want)
    of = {(n, k): masks(x, k) for n, x in (("a", one), ("b", two)) for k in ("layer", "depth")}
    for kind, word in (("layer", "mask"), ("depth", "depthmask")):
        for name in ("a", "b"):
            for got, want in zip(of[name, kind], a.layers(f"sim.out.{word}_{name}"), strict=True):
                close(got, want)
    for i in LAYERS:
        close((unit(one[i]) * unit(two[i])).sum(dim=1), a[f"sim.out.cos.{i}"])
        for kind, end in (("layer", ""), ("depth", "_depthmask")):
            pair = (one[i], two[i], of["a", kind][i], of["b", kind][i])
            close(alike(*pair, "author"), a[f"sim.out.author{end}.{i}"])
            close(alike(*pair, "clean"), a[f"sim.out.mask_after_square{end}.{i}"])
        bare = [masks(x, "none")[i] for x in (one, two)]
        close(alike(one[i], two[i], *bare, "clean"), a[f"sim.out.no_mask.{i}"])
        mask = of["a", "layer"][i]
        close(alike(one[i], one[i], mask, mask, "author"), a[f"sim.out.author_self.{i}"])


VARIANTS = {
    "default": ("layer", "author"),
    "depthmask": ("depth", "author"),
    "mask_after_square": ("layer", "clean"),
    "depthmask_mask_after_square": ("depth", "clean"),
    "no_mask": ("none", "clean"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_binary_loss(a: Arrays, variant: str) -> None:
    maps = [x.clone().requires_grad_(True) for x in a.layers("bi.in.feat")]
    parts = [x.split(2) for x in maps]
    query, same, other = (
        [p[end] - p[start] for p in parts] for start, end in ((0, 2), (1, 3), (1, 4))
    )
    mask, form = VARIANTS[variant]
    found = compared(query, same, other, mask, form)
    loss = found.other - found.same
    want = f"bi.out.{variant}"
    close(loss, a[f"{want}.loss"])
    at = [masks(x, mask) for x in (query, same, other)]
    totals = torch.zeros(2)
    for i in LAYERS:
        pos = alike(query[i], same[i], at[0][i], at[1][i], form)
        neg = alike(query[i], other[i], at[0][i], at[2][i], form)
        close(pos, a[f"{want}.pos.{i}"])
        close(neg, a[f"{want}.neg.{i}"])
        totals = totals + neg - pos
    close(totals, a[f"{want}.loss_per_triple"])
    loss.backward()
    for i, x in enumerate(maps):
        if f"{want}.grad.feat.{i}" in a.all:
            close(x.grad, a[f"{want}.grad.feat.{i}"], 1e-3)


@pytest.mark.parametrize(("variant", "mask", "form"), [
    ("default", "layer", "author"), ("no_mask", "none", "clean"),
])  # fmt: skip
def test_prototype_loss(a: Arrays, variant: str, mask: str, form: str) -> None:
    maps = [x.clone().requires_grad_(True) for x in a.layers("pt.in.feat")]
    prototypes = [x.clone().requires_grad_(True) for x in a.layers("pt.in.proto_feat")]
    changes = [x[3:] - x[:3] for x in maps]
    stand = [
        F.interpolate(p, c.shape[-2:], mode="bilinear", align_corners=False)
        for p, c in zip(prototypes, changes, strict=True)
    ]
    at, there = masks(changes, mask), masks(stand, mask)
    which = a["pt.in.q_idx"].long()
    own = F.one_hot(which, 4).bool()
    for i in LAYERS:
        close(changes[i], a[f"pt.out.change.{i}"])
        close(stand[i], a[f"pt.out.proto_resized.{i}"])
        table = alike_all(changes[i], stand[i], at[i], there[i], form)
        close(table, a[f"pt.out.sim{'_no_mask' if mask == 'none' else ''}.{i}"])
        if mask == "layer":
            close(at[i], a[f"pt.out.mask_q.{i}"])
            close(there[i], a[f"pt.out.mask_proto.{i}"])
        close(table[own].mean(), a[f"pt.out.{variant}.pos.{i}"])
        close(table[~own].mean(), a[f"pt.out.{variant}.neg.{i}"])
        close(table[~own].mean() - table[own].mean(), a[f"pt.out.{variant}.loss.{i}"])
    found = against(changes, stand, which, mask, form)
    loss = found.other - found.same
    close(loss, a[f"pt.out.{variant}.loss"])
    if variant == "default":
        loss.backward()
        for i in LAYERS:
            close(maps[i].grad, a[f"pt.out.grad.feat.{i}"], 1e-3)
            close(prototypes[i].grad, a[f"pt.out.grad.proto_feat.{i}"], 1e-3)


def test_prototypes_are_squashed(a: Arrays) -> None:
    logits = a["pt.in.image_logits"]
    found = Prototypes(len(logits), logits.shape[-1])
    with torch.no_grad():
        found.images.copy_(logits)
    close(found(), a["pt.out.image"])


def test_diversity(a: Arrays) -> None:
    edits = a["div.in.D"].clone().requires_grad_(True)
    loss = torch.stack([diversity(x) for x in edits]).mean()
    close(loss, a["div.out.loss"])
    loss.backward()
    close(edits.grad, a["div.out.grad"], 1e-4)
    close(diversity(a["edit.out.D"]), a["div.out.loss_of_edit_D"])


def test_start_codes(a: Arrays) -> None:
    for key in [k for k in a.all if k.startswith("cuts.")]:
        _, layers, count = key.split(".")
        assert cuts(int(layers[1:]), int(count[4:])) == a[key].tolist()
    for count in (2, 3):
        w = a[f"mix.in.w.ncol{count}"].transpose(0, 1)
        close(mixed(w, 10), a[f"mix.out.ws.ncol{count}"])
    for count in (2, 3, 16):
        numbers = torch.arange(count).float()[None, :, None]
        got = mixed(numbers, 10).flatten().long()
        assert got.tolist() == a[f"mix.out.source.ncol{count}"].tolist()


def test_every_array_was_looked_at(a: Arrays) -> None:
    """What remains after `NOT_BUILT`; this test is the last of those that share the arrays."""
    assert a.all.keys() - a.seen == set()


# What they must do.


def test_attention_that_says_nothing_is_even() -> None:
    """Check U2."""
    found = Semantics(4, 10, 32)
    torch.nn.init.zeros_(found.logits)
    torch.testing.assert_close(found.attention(), torch.full([4, 10], 0.1))
    rms = found.directions().square().mean(dim=1).sqrt()
    torch.testing.assert_close(rms, torch.ones(4), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        Semantics(4, 10, 32, attention="uniform").attention(), torch.full([4, 10], 0.1)
    )


def test_attention_at_an_end_does_not_add_up_to_one() -> None:
    """Trap 8: what is reflected counts twice. So sums are measured, not assumed."""
    sums = smoothed(torch.eye(6)).sum(dim=1)
    assert float(sums[2]) == pytest.approx(1)
    side = math.exp(-0.5) / (1 + 2 * math.exp(-0.5))  # of the kernel
    assert float(sums[0]) == pytest.approx(1 - side)
    assert float(sums[1]) == pytest.approx(1 + side)


def test_directions_stay_in_their_subspace() -> None:
    """Check U3."""
    basis, _ = torch.linalg.qr(torch.randn(32, 5))
    found = Semantics(4, 10, 32, axes=5)
    found.basis.copy_(basis.T)
    u = found.directions().detach()
    assert float((u - u @ basis @ basis.T).norm(dim=1).max()) < 1e-4 * math.sqrt(32)
    assert found.edits(torch.randn(3, 10, 32)).shape == (3, 4, 10, 32)  # check U1
    a, b = (found.edits(torch.randn(2, 10, 32)) for _ in range(2))
    assert torch.equal(a, b)


def test_similarity_of_what_is_known() -> None:
    """Checks U4 to U6."""
    change = torch.randn(1, 4, 6, 6)
    (mask,) = masks([change], "layer")
    turned = torch.stack([-change[:, 1], change[:, 0], -change[:, 3], change[:, 2]], dim=1)
    for other, expected in ((change, 1.0), (-change, 1.0), (turned, 0.0), (7 * change, 1.0)):
        (theirs,) = masks([other], "layer")
        assert float(alike(change, other, mask, theirs, "clean")) == pytest.approx(
            expected, abs=1e-5
        )
    expected = float(mask.pow(4).sum() / (mask.square().sum() + 1e-6))
    assert float(alike(change, change, mask, mask, "author")) == pytest.approx(expected, rel=1e-5)
    assert expected < 0.9
    other = torch.randn(1, 4, 6, 6)
    (theirs,), (same,) = masks([other], "layer"), masks([7 * change], "layer")
    once = alike(change, other, mask, theirs, "clean")
    assert float(alike(7 * change, other, same, theirs, "clean")) == pytest.approx(
        float(once), rel=1e-4
    )


def test_the_mask_looks_where_something_changes() -> None:
    """Check U7."""
    generator = torch.Generator().manual_seed(0)
    a, b = (0.05 * torch.randn(8, 16, 12, 12, generator=generator) for _ in range(2))
    strong = torch.randn(8, 16, 3, 3, generator=generator)
    a[..., 4:7, 4:7], b[..., 4:7, 4:7] = strong, strong
    by = {
        kind: float(alike(a, b, masks([a], kind)[0], masks([b], kind)[0], "clean").mean())
        for kind in ("layer", "none")
    }
    assert by["layer"] > by["none"] + 0.3


def test_diversity_of_what_is_known() -> None:
    """Check U8."""
    assert float(diversity(torch.eye(6).view(6, 2, 3))) == pytest.approx(0, abs=1e-6)
    assert float(diversity(torch.ones(5, 2, 3))) == pytest.approx(5 * 4)


def test_all_pairs_are_the_pairs() -> None:
    a, b = torch.randn(3, 5, 4, 4), torch.randn(2, 5, 4, 4)
    (at,), (there,) = masks([a], "layer"), masks([b], "layer")
    table = alike_all(a, b, at, there, "author")
    for k in range(2):
        other, mask = b[k : k + 1].expand(3, -1, -1, -1), there[k : k + 1].expand(3, -1, -1)
        torch.testing.assert_close(table[:, k], alike(a, other, at, mask, "author"))
    assert float(focused(torch.ones(1, 4, 4), torch.zeros(1, 4, 4), "clean")) == 0


def test_prototypes_take_no_product_of_all() -> None:
    """Nothing that the backward pass needs is as large as [N,K,C,h,w] would be."""
    n, k, c, side = 6, 20, 32, 8
    largest = 0

    def note(x: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, x.numel())
        return x

    changes, stand = torch.randn(n, c, side, side), torch.randn(k, c, side, side)
    changes.requires_grad_(True), stand.requires_grad_(True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        found = against([changes], [stand], torch.arange(n), "layer", "clean")
        (found.other - found.same).backward()
    assert largest == max(n * k * side**2, k * c * side**2)
    assert largest < n * k * c * side**2 / 4
