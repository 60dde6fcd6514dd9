"""Networks of the same form that have learnt nothing: what a claim about learning must beat."""

import copy

import torch
from torch import nn

from ganfeat.features.embedded import freeze
from ganfeat.features.network import Features
from ganfeat.seeds import seeded


def randomised(network: Features, seed: int) -> Features:
    """A copy of a network with new random weights, ``random_<name>``."""
    other = copy.deepcopy(network)
    other.name = f"random_{network.name}"
    with seeded(seed, "random teacher"), torch.no_grad():
        for module in other.modules():
            if isinstance(module, nn.Conv2d):  # whose own start lets images fade away with depth
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif callable(reset := getattr(module, "reset_parameters", None)):
                reset()
            else:
                for parameter in module.parameters(recurse=False):
                    nn.init.normal_(parameter, std=0.02)  # tokens and positions of a transformer
        _calibrate(other)
    return freeze(other)


def _calibrate(network: Features) -> None:
    """Let batch norms know what reaches them, of noise: else images fade away here too."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all that it sees
        norm.train()
    if norms:
        network.taps(torch.rand(8, 3, 64, 64) * 2 - 1)
