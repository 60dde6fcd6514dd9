"""GH-Feat: generative hierarchical features (Xu et al., CVPR 2021, arXiv:2007.10379)."""

from ganfeat.encoders.ghfeat.method import GHFeat
from ganfeat.encoders.ghfeat.network import GHFeatNet

__all__ = ["GHFeat", "GHFeatNet"]
