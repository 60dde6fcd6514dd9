"""GANFeat: the ways to get features out of a GAN, compared fairly."""

import signal
import sys

if sys.argv[:1] == ["-m"]:  # a command of ours begins: until it can say more, Ctrl-C just ends it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
