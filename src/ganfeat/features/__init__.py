"""Frozen networks that look at images."""

from ganfeat.features.network import AttributeScorer, Features, Rebuilder
from ganfeat.features.small import ClassNet, FactorNet, SmallNet

__all__ = ["AttributeScorer", "ClassNet", "FactorNet", "Features", "Rebuilder", "SmallNet"]
