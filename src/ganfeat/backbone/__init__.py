"""StyleGAN2: generator, discriminator, latent spaces, weights in and out."""

from ganfeat.backbone.discriminator import Discriminator
from ganfeat.backbone.generator import Generator
from ganfeat.backbone.loading import load, load_for

__all__ = ["Discriminator", "Generator", "load", "load_for"]
