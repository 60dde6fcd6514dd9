"""What a run was for, back in one line: ``ganfeat.load(path)``.

A generator, an encoder or a navigator; the last two with the generator that they were made with.
"""

from ganfeat import backbone
from ganfeat.backbone import BuiltOn, Generator
from ganfeat.errors import UserError
from ganfeat.files import expanded
from ganfeat.loading import find_checkpoint, load_network, read_about
from ganfeat.networks import AnyPath, Network

NAMES = ("navigator", "encoder_ema", "g_ema")  # by which artefacts go in files, what is whole first
GENERATOR = "g_ema"  # what an artefact draws with goes by the name that generators have


def load(path: AnyPath) -> Network:
    """The artefact of a run folder, a checkpoint, an exported or another weights file, in fp32.

    An encoder or a navigator of an exported file has its generator with it; otherwise that is read
    from where it was in training, once it is needed. ``embedded`` and official pickles give a
    generator.

    Raises:
        UserError: there is no such file, or no artefact in it.
    """
    name = name_of(path)
    if name == GENERATOR:
        found = backbone.load(path)
        assert isinstance(found, Generator)
        return found
    artefact = load_network(path, name)
    if isinstance(artefact, BuiltOn) and GENERATOR in read_about(path)["networks"]:
        artefact.attach(backbone.load(path))
        artefact.weights = str(path)
    return artefact


def name_of(path: AnyPath) -> str:
    """By which name the artefact goes in a file.

    Raises:
        UserError: there is none.
    """
    if not expanded(path).exists():
        return GENERATOR  # a name such as ``embedded``; backbone.load knows, or says what is wrong
    about = read_about(path)
    if "networks" not in about:  # an official pickle
        return GENERATOR
    for name in NAMES:
        if name in about["networks"]:
            return name
    held = ", ".join(about["networks"])
    raise UserError(
        f"{find_checkpoint(path)} holds no generator, encoder or navigator; it holds: {held}"
    )
