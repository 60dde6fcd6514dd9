"""GH-Feat: generative hierarchical features (Xu et al., CVPR 2021, arXiv:2007.10379)."""

from ganfeat.encoders.ghfeat.network import GHFeat

__all__ = ["GHFeat"]
