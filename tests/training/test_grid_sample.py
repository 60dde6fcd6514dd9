"""The differentiable sampler against PyTorch's own, finite differences and a dense matrix."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganfeat.training.grid_sample import grid_sample


def example() -> tuple[Tensor, Tensor]:
    """Images [2, 3, 5, 4] and positions [2, 6, 3, 2], some outside, in float64."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 5, 4, generator=rng, dtype=torch.float64)
    grid = torch.rand(2, 6, 3, 2, generator=rng, dtype=torch.float64) * 2.6 - 1.3
    return images.requires_grad_(), grid


def test_agrees_with_torch_in_value_and_first_derivative() -> None:
    images, grid = example()
    ours = grid_sample(images, grid)
    theirs = F.grid_sample(images, grid, align_corners=False)
    assert torch.equal(ours, theirs)
    weight = torch.randn_like(ours)
    (a,) = torch.autograd.grad((ours * weight).sum(), images)
    (b,) = torch.autograd.grad((theirs * weight).sum(), images)
    torch.testing.assert_close(a, b)


def test_has_first_and_second_derivatives() -> None:
    images, grid = example()
    assert torch.autograd.gradcheck(lambda x: grid_sample(x, grid).tanh(), [images])
    assert torch.autograd.gradgradcheck(lambda x: grid_sample(x, grid).tanh(), [images])


def test_second_derivative_agrees_with_a_dense_matrix() -> None:
    """R1 of sum(tanh(S x) w): by autograd, and with S written out column by column."""
    images, grid = example()
    images, grid = images[:1, :1], grid[:1]
    basis = torch.eye(20, dtype=torch.float64).view(20, 1, 5, 4)
    matrix = grid_sample(basis, grid.expand(20, -1, -1, -1)).flatten(1).T  # [18, 20]
    weight = torch.randn(18, dtype=torch.float64, requires_grad=True)

    def penalty(samples: Tensor) -> Tensor:
        (grad,) = torch.autograd.grad(
            (samples.flatten().tanh() * weight).sum(), images, create_graph=True
        )
        return grad.square().sum()

    ours = torch.autograd.grad(penalty(grid_sample(images, grid)), [weight, images])
    dense = torch.autograd.grad(penalty(matrix @ images.flatten()), [weight, images])
    torch.testing.assert_close(ours, dense)


def test_works_under_functional_gradients() -> None:
    images, grid = example()
    gradient = torch.func.grad(lambda x: grid_sample(x, grid).square().sum())
    ours = torch.func.grad(lambda x: gradient(x).square().sum())(images.detach())
    (first,) = torch.autograd.grad(
        grid_sample(images, grid).square().sum(), images, create_graph=True
    )
    torch.testing.assert_close(ours, torch.autograd.grad(first.square().sum(), images)[0])


def test_refuses_a_grid_that_wants_a_gradient() -> None:
    images, grid = example()
    with pytest.raises(ValueError, match="detach"):
        grid_sample(images, grid.requires_grad_())
