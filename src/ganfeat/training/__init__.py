"""Phases, optimisers, weight average, augmentation, checkpoints, and the run itself."""
