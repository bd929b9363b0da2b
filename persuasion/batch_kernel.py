"""Many games of one shape, solved and certified one after the other without Python between them."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from persuasion import certificate_kernel, structured_kernel
from persuasion.certificate_kernel import certify_arrays
from persuasion.compiled import whole
from persuasion.structured_kernel import propose

__all__ = ["solve_stack"]


def _stamp() -> int:
    """Return a number that changes with the functions compiled into `solve_stack`."""
    stamp = 0
    for module in (certificate_kernel, structured_kernel):
        stamp = zlib.crc32(Path(str(module.__file__)).read_bytes(), stamp)
    return stamp


def _compiled_for(stamp: int) -> Any:
    def solve_stack(priors, gains, payoffs, budget, first, last, masses, kernels, state_prices,
                    prices, numbers, status):  # fmt: skip
        """Solve and certify the games ``first .. last - 1`` of a stack.

        Parameters
        ----------
        priors : ndarray (g, m)
        gains, payoffs : ndarray (g, m, n)
        budget : int
            Greatest number of changes of basis for a game.
        first, last : int
        masses : ndarray (g, m, n)
            Receives joint masses; states of prior zero have none.
        kernels : ndarray (g, m, n)
            Receives the schemes.
        state_prices : ndarray (g, m)
        prices : ndarray (g, n, n)
            Receives obedience prices.
        numbers : ndarray (g, 5)
            Receives value, upper bound, plausibility, obedience, duality gap.
        status : ndarray of int (g,)
            Receives the status of `structured_kernel`.
        """
        _, m, n = gains.shape
        if stamp < 0:
            return
        slack, allowed = np.zeros(m), np.ones(n, np.bool_)
        no_cells = np.zeros((0, 2), np.int64)
        proposed, used = np.empty((m, n)), np.zeros(n, np.bool_)
        for g in range(first, last):
            kept = np.flatnonzero(priors[g])
            k = len(kept)
            key = np.full(k, -1)
            if k == m:
                weights, v, u = priors[g], gains[g], payoffs[g]
            else:
                weights, v, u = priors[g][kept], gains[g][kept], payoffs[g][kept]
            found, _, rows, y, _ = propose(
                weights, v, u, slack[:k], allowed, key, no_cells, no_cells, budget, proposed[:k]
            )
            status[g] = found
            theta, x = state_prices[g, :k], masses[g, :k]
            out = certify_arrays(
                weights, v, u, slack[:k], allowed, False, rows, y, proposed[:k], x, theta
            )
            for i in range(5):
                numbers[g, i] = out[i]
            prices[g] = 0.0
            for i in range(len(y)):
                prices[g, rows[i, 0], rows[i, 1]] = y[i]
            if k < m:
                for i in range(k - 1, -1, -1):
                    w = kept[i]
                    for a in range(n):
                        masses[g, w, a] = masses[g, i, a]
                    state_prices[g, w] = state_prices[g, i]
                for a in range(n):
                    used[a] = False
                for w in kept:
                    for a in range(n):
                        used[a] |= masses[g, w, a] > 0.0
            for w in range(m):
                if priors[g, w] > 0.0:
                    total = 0.0
                    for a in range(n):
                        total += masses[g, w, a]
                    for a in range(n):
                        kernels[g, w, a] = masses[g, w, a] / total
                    continue
                # nobody deems it possible: what the Receiver likes best of what is recommended
                best, price = -1, -np.inf
                for a in range(n):
                    masses[g, w, a], kernels[g, w, a] = 0.0, 0.0
                    if used[a] and (best < 0 or payoffs[g, w, a] > payoffs[g, w, best]):
                        best = a
                    worth = gains[g, w, a]
                    for b in range(n):
                        worth += prices[g, a, b] * (payoffs[g, w, a] - payoffs[g, w, b])
                    price = max(price, worth)
                kernels[g, w, best], state_prices[g, w] = 1.0, price

    return whole(solve_stack)


solve_stack = _compiled_for(_stamp())
