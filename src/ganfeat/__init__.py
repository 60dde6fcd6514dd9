"""GANFeat: the ways to get features out of a GAN, compared fairly."""

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganfeat.networks import Network

if sys.argv[:1] == ["-m"]:  # a command of ours begins: until it can say more, Ctrl-C just ends it
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def load(path: "str | os.PathLike[str]") -> "Network":
    """The generator, encoder or navigator of a run folder, a checkpoint or a weights file.

    See `ganfeat.artefacts.load`; torch is imported only now.
    """
    from ganfeat import artefacts

    return artefacts.load(path)
