"""StyleGAN2: generator, discriminator, latent spaces, weights in and out."""

from ganfeat.backbone.built_on import BuiltOn
from ganfeat.backbone.discriminator import Discriminator
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.loading import load, load_for

__all__ = ["BuiltOn", "Discriminator", "Generator", "load", "load_for"]
