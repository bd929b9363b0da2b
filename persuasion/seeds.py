"""Generators for learners, which must not find out what others draw."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

__all__ = ["anonymous"]


def anonymous(seed: SeedSequence) -> Generator:
    """Return a generator that does not tell from which seed it was spawned.

    A spawned generator carries the seed of the whole simulation and its own place in it, from
    which the future states and types could be drawn in advance.

    Examples
    --------
    >>> from numpy.random import SeedSequence
    >>> from persuasion.seeds import anonymous
    >>> anonymous(SeedSequence(7, spawn_key=(0, 1))).bit_generator.seed_seq.spawn_key
    ()
    """
    return default_rng(seed.generate_state(4, np.uint64))
