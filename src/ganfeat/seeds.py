"""Seeds that depend on everything they should depend on."""

import hashlib


def seed_of(*key: object) -> int:
    """A 63-bit seed that depends on every part of ``key`` and on nothing else."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
