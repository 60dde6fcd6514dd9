"""Frozen networks that look at images."""

from ganfeat.features.network import Features
from ganfeat.features.small import ClassNet, FactorNet, SmallNet

__all__ = ["ClassNet", "FactorNet", "Features", "SmallNet"]
