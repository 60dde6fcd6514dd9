"""Published collections of photographs of which something is known, each with its protocol.

They are for the tasks of an encoder: its ``train`` and ``val`` teach readers and choose among them,
its ``test`` is what numbers are reported of.
"""

from ganfeat.data.benchmarks.celeba import CelebA
from ganfeat.data.benchmarks.classes import ClassFolders
from ganfeat.data.benchmarks.lfw import LFW
from ganfeat.data.benchmarks.rooms import LSUNRooms

__all__ = ["LFW", "CelebA", "ClassFolders", "LSUNRooms"]
