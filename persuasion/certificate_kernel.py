"""`persuasion.certificate.certify`, compiled: the same numbers for a small part of the time.

The definition is the one in NumPy; the tests hold this to it, number by number, on proposals good
and bad. Where a scheme mixes in few states, as a vertex does, nothing here takes more than a few
looks at each number of the game.
"""

from __future__ import annotations

import numpy as np

from persuasion.compiled import whole

__all__ = ["PRECISE", "certify_arrays"]

PRECISE: tuple[float, float] = (1e-12, 1e-14)
"""`_NOISE` and `_STRAY` of `persuasion.certificate`, which checks that they agree."""
_NOISE, _STRAY = PRECISE
_EPSILON = 2.0**-52


@whole
def certify_arrays(weights, gains, payoffs, slack, allowed, rounded, rows, prices, given, masses,
                   theta):  # fmt: skip
    """Certify one proposal; see `persuasion.certificate.certify` for what the numbers are.

    Parameters
    ----------
    weights, slack : ndarray (m,)
    gains, payoffs, given : ndarray (m, n)
        `given` are the masses proposed.
    allowed : ndarray of bool (n,)
    rounded : bool
    rows : ndarray of int (k, 2)
    prices : ndarray (k,)
    masses : ndarray (m, n)
        Receives the masses certified.
    theta : ndarray (m,)
        Receives the prices of the states.

    Returns
    -------
    tuple of float
        Value, upper bound, plausibility, obedience, duality gap; the first is minus infinity and
        the last three are infinite where the masses are not finite.
    """
    m, n = gains.shape
    reduced = gains.copy()
    for k in range(len(prices)):
        if prices[k] > 0.0:
            a, b, y = rows[k, 0], rows[k, 1], prices[k]
            for w in range(m):
                reduced[w, a] += y * (payoffs[w, a] - payoffs[w, b] - slack[w])
    upper, total, size, floor = 0.0, 0.0, 0.0, 0.0
    reach = np.empty(m)
    for w in range(m):
        best, high, low, largest = -np.inf, gains[w, 0], gains[w, 0], 0.0
        for a in range(n):
            if allowed[a]:
                best = max(best, reduced[w, a])
            high, low = max(high, gains[w, a]), min(low, gains[w, a])
            largest = max(largest, abs(gains[w, a]))
            total += given[w, a]
        theta[w], reach[w] = best, high - low
        upper += weights[w] * best
        size += weights[w] * reach[w]
        floor += weights[w] * largest
    spread = max(size, 1e-6 * floor)
    if spread == 0.0:
        spread = 1.0
    masses[:] = 0.0
    if not np.isfinite(total):
        return -np.inf, upper, np.inf, np.inf, np.inf
    # masses as they are used: exactly plausible
    deviation, value = 0.0, 0.0
    at_stake, noise, used = np.zeros(n), np.zeros(n), np.zeros(n, np.bool_)
    against = np.zeros((n, n))
    for w in range(m):
        x, left, largest = weights[w], 0.0, 0.0
        for a in range(n):
            if allowed[a]:
                if given[w, a] >= _STRAY * x:
                    masses[w, a] = given[w, a]
                    left += given[w, a]
                deviation = max(deviation, -given[w, a] / x)
            largest = max(largest, abs(payoffs[w, a]))
        deviation = max(deviation, abs(left / x - 1.0))
        if left == 0.0:
            best = -1
            for a in range(n):
                if allowed[a] and (best < 0 or reduced[w, a] > reduced[w, best]):
                    best = a
            masses[w, best], left = 1.0, 1.0
        factor = x / left
        for a in range(n):
            if masses[w, a] > 0.0:
                t = masses[w, a] * factor
                masses[w, a], used[a] = t, True
                value += t * gains[w, a]
                at_stake[a] += t * reach[w]
                noise[a] += t * largest
                for b in range(n):
                    against[a, b] += t * (payoffs[w, b] + slack[w])
                against[a, a] -= t * slack[w]
    # rows within their rounding error are summed as differences
    obedience, worth = 0.0, 0.0
    for a in range(n):
        worst = 0.0
        for b in range(n):
            if b == a or not used[a]:
                continue
            if against[a, a] - against[a, b] > _NOISE * noise[a]:
                continue
            surplus, scale, hidden = 0.0, 0.0, 0.0
            for w in range(m):
                if masses[w, a] > 0.0:
                    t = masses[w, a] * (payoffs[w, a] - payoffs[w, b] - slack[w])
                    surplus += t
                    scale += abs(t)
                    hidden += masses[w, a] * (abs(payoffs[w, a]) + abs(payoffs[w, b]))
            hidden = _EPSILON * hidden if rounded else 0.0
            loss = max(-surplus, 0.0)
            if scale > 0.0:
                worst = max(worst, (loss + 1e-3 * hidden) / scale)
            for k in range(len(prices)):
                if rows[k, 0] == a and rows[k, 1] == b:
                    worth += max(prices[k], 0.0) * (loss + hidden)
        obedience = max(obedience, min(worst, at_stake[a] / spread))
    return value, upper, deviation, obedience, (abs(upper - value) + worth) / spread
