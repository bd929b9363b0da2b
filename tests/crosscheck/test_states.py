"""State sequences: counts agree with states, whoever asks and in whatever order."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.random import SeedSequence
from scipy import stats

from persuasion import PersuasionError
from persuasion.environments import Drifting, StateSequence

PRIOR = np.array([0.5, 0.2, 0.3, 0.0])


def sequence(seed=1, prior=PRIOR):
    return StateSequence(prior, SeedSequence(seed))


def test_counts_are_the_histogram_of_the_states():
    one = sequence()
    for start, stop in [(1, 2), (1, 1000), (300, 301), (255, 258), (777, 5003), (65_536, 70_001)]:
        expected = np.bincount(one.states(start, stop), minlength=4)
        assert one.counts(start, stop).tolist() == expected.tolist()


def test_nothing_depends_on_the_order_of_questions():
    reference = sequence().counts(1, 100_001)
    asked_in_pieces = sequence()
    cuts = [1, 2, 3, 17, 100, 5000, 5001, 77_777, 100_001]
    pieces = [asked_in_pieces.counts(a, b) for a, b in pairwise(cuts)]
    assert sum(pieces).tolist() == reference.tolist()
    backwards = sequence()
    late = [backwards.counts(a, b) for a, b in zip(cuts[-2::-1], cuts[:0:-1], strict=False)]
    assert sum(late).tolist() == reference.tolist()


def test_a_long_question_does_not_change_the_beginning():
    short, long = sequence(), sequence()
    long.counts(1, 10**9)
    assert short.states(1, 400).tolist() == long.states(1, 400).tolist()


def test_other_seeds_give_other_states():
    assert sequence(1).states(1, 200).tolist() != sequence(2).states(1, 200).tolist()


def test_impossible_states_never_occur():
    assert sequence().counts(1, 10**7)[3] == 0


def test_the_law_is_multinomial():
    """Chi-square over 4000 sequences of 20 rounds across a block border; p-value above 1e-4."""
    prior = np.array([0.6, 0.4])
    hits = [int(sequence(seed, prior).counts(250, 270)[0]) for seed in range(4000)]
    edges = [*range(7, 17), 21]
    law = stats.binom(20, 0.6)
    cells = np.diff([0.0, *law.cdf(edges[:-1]), 1.0])
    seen = np.histogram(hits, bins=[-1, *[e + 0.5 for e in edges[:-1]], 21])[0]
    assert stats.chisquare(seen, 4000 * cells).pvalue > 1e-4


def test_that_test_would_notice_a_biased_split():
    """Negative control: the same statistic rejects a prior off by 0.02."""
    law = stats.binom(20, 0.58)
    hits = law.rvs(4000, random_state=1)
    edges = [*range(7, 17), 21]
    cells = np.diff([0.0, *stats.binom(20, 0.6).cdf(edges[:-1]), 1.0])
    seen = np.histogram(hits, bins=[-1, *[e + 0.5 for e in edges[:-1]], 21])[0]
    assert stats.chisquare(seen, 4000 * cells).pvalue < 1e-4


def test_halves_of_a_stretch_are_uncorrelated():
    """Given independent rounds, counts of two neighbouring stretches do not correlate (5 sigma)."""
    pairs = np.array(
        [
            (one.counts(512, 640)[0], one.counts(640, 768)[0])
            for one in (sequence(seed, np.array([0.5, 0.5])) for seed in range(2000))
        ]
    )
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 5 / np.sqrt(2000)


def test_drifting_priors_switch_where_they_say():
    drift = Drifting(((1.0, 0.0), (0.0, 1.0)), (1, 101))
    states = drift.sequence(SeedSequence(5)).states(1, 201)
    assert states.tolist() == [0] * 100 + [1] * 100
    assert drift.sequence(SeedSequence(5)).counts(90, 111).tolist() == [11, 10]


@pytest.mark.parametrize(
    ("priors", "starts"), [((), ()), (((1.0,),), (2,)), (((1.0,), (1.0,)), (1, 1))]
)
def test_bad_change_points_are_refused(priors, starts):
    with pytest.raises(PersuasionError, match=r"round|increase"):
        Drifting(priors, starts)
