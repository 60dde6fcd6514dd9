"""A generator as it is, for the same measurements and records as those that are trained."""

from ganfeat import backbone
from ganfeat.training.fixed import Fixed


class FixedGenerator(Fixed):
    """A generator that nothing is learnt by.

    Args:
        weights: holds it: a run, a checkpoint, a weights file, an official pickle, `EMBEDDED`.
        resolution: of the data.
        batch_size, seed: as in `Method`.
    """

    def __init__(self, *, weights: str, resolution: int, batch_size: int, seed: int) -> None:
        generator = backbone.load_for(weights, resolution)
        super().__init__(generator, "g_ema", batch_size=batch_size, seed=seed)
