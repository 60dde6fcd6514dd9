"""GANFeat: the ways to get features out of a GAN, compared fairly."""
