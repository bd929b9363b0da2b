"""A dual simplex method that sees the shape of a persuasion game; compiled by numba.

The program of `persuasion.problem`, over masses ``x[a, w]``:

    maximise    sum x * gains
    subject to  sum_a x[a, w] = weights[w]                                     every state w
                sum_w x[a, w] (payoffs[a, w] - payoffs[b, w] - slack[w]) >= 0   all a != b
                sum_w x[a_k, w] cuts[k, w] >= 0                                 any further rows

A basis has one *key* action per state and, for every tight row, one more basic cell. The key cells
take what the others leave of their state's weight, so that the rows of the states never enter the
linear algebra (generalised upper bounds, Dantzig & Van Slyke 1967): the working matrix W is as
large as there are tight rows. ``W[i, k]`` is what a unit of weight, moved from the key cell of a
state to its k-th other basic cell, adds to tight row i.

The start, every state at its dearest action and no row tight, has feasible prices (all zero). Each
step takes the most violated basic quantity, raises the price that repairs it, and follows

    phi(prices) = sum_w weights[w] max_a (gains[a, w] + what the prices add to it)

down to its minimum along that ray. On the way states change their key action, one by one, each at
the price where its maximum is attained twice; none of that touches W as long as the state has no
other basic cell. So one change of basis does the work of thousands where states are many.

Arrays are indexed ``[action, state]``, so that inner loops run over adjacent numbers.
"""

from __future__ import annotations

import numpy as np

from persuasion.compiled import part, whole

__all__ = [
    "BUDGET",
    "OPTIMAL",
    "SINGULAR",
    "STALE",
    "STALLED",
    "UNREACHABLE",
    "propose",
    "solve_structured",
]

OPTIMAL, BUDGET, SINGULAR, UNREACHABLE, STALE, STALLED = 0, 1, 2, 3, 4, 5
"""Why the method stopped. UNREACHABLE: no scheme satisfies the rows, as far as floats can tell.
STALE: the prices of the basis handed over as the start are not feasible. STALLED: too many changes
of basis in a row changed no price."""

_SMALL_PIVOT = 1e-14
_LEAST_RATE = 1e-13
"""Slower changes, against the largest, are taken for rounding."""
_FEASIBLE = 1e-13
"""Basic quantities above minus this, relative to their scale, count as nonnegative."""
_OBEYED = 3e-13
"""Violations of a row, relative to the sum of its absolute terms, that are let pass."""
_NEARLY_TIGHT = 1e-9
"""Rows with more slack than this, relative to the largest coefficient, surely hold."""
_ROUNDING = 1e-15
"""A few units in the last place: what sums may be wrong by, relative to their absolute terms."""
_LOST = 1e-13
"""What may be left of a violation, relative to its terms, when no price can repair it further."""
_DOUBTFUL = 1e-11
"""Violations, relative to the state's weight, that do not make a program infeasible."""
_PRICED = 1e-12
"""Prices of a start may be wrong by this much, in units of the gains."""
_PATIENCE = 100
"""Changes of basis in a row, beyond the rows tight, that may leave all prices as they are."""
_REFRESH = 50
"""Changes of basis after which W is inverted anew."""


@part
def _row(a, b, payoffs, slack, pool, out):
    """Coefficients of a row over the cells (a, w), divided by the largest; returns the divisor."""
    n, m = payoffs.shape
    size = 0.0
    if b < n:
        for w in range(m):
            out[w] = payoffs[a, w] - payoffs[b, w] - slack[w]
    else:
        for w in range(m):
            out[w] = pool[b - n, w]
    for w in range(m):
        size = max(size, abs(out[w]))
    if size > 0.0:
        for w in range(m):
            out[w] /= size
    return size


@part
def _invert(r, key, cell_w, cell_a, row_a, T, swaps, Z):
    """Z := inverse of the working matrix, by elimination in place. False when singular."""
    for i in range(r):
        for k in range(r):
            w = cell_w[k]
            value = 0.0
            if cell_a[k] == row_a[i]:
                value += T[i, w]
            if key[w] == row_a[i]:
                value -= T[i, w]
            Z[i, k] = value
    for c in range(r):
        p = c
        for i in range(c + 1, r):
            if abs(Z[i, c]) > abs(Z[p, c]):
                p = i
        swaps[c] = p
        if abs(Z[p, c]) < 1e-15:
            return False
        if p != c:
            for k in range(r):
                Z[c, k], Z[p, k] = Z[p, k], Z[c, k]
        factor = 1.0 / Z[c, c]
        Z[c, c] = 1.0
        for k in range(r):
            Z[c, k] *= factor
        for i in range(r):
            factor = Z[i, c]
            if i != c and factor != 0.0:
                Z[i, c] = 0.0
                for k in range(r):
                    Z[i, k] -= factor * Z[c, k]
    for c in range(r - 1, -1, -1):
        p = swaps[c]
        if p != c:
            for i in range(r):
                Z[i, c], Z[i, p] = Z[i, p], Z[i, c]
    return True


@part
def _prices(r, gains, key, cell_w, cell_a, Z, y):
    """Prices of the tight rows at which every basic cell of a state is worth the same."""
    for i in range(r):
        y[i] = 0.0
    for k in range(r):
        w = cell_w[k]
        t = gains[key[w], w] - gains[cell_a[k], w]
        if t != 0.0:
            for i in range(r):
                y[i] += t * Z[k, i]


@part
def _worths(r, gains, row_a, T, y, F):
    """F := gains plus what the prices add."""
    n, m = gains.shape
    for a in range(n):
        for w in range(m):
            F[a, w] = gains[a, w]
    for i in range(r):
        if y[i] != 0.0:
            a, t = row_a[i], y[i]
            for w in range(m):
                F[a, w] += t * T[i, w]


@part
def _prices_feasible(r, allowed, key, y, F):
    """Whether no price is negative and no cell is worth more than the key cell of its state."""
    n, m = F.shape
    for i in range(r):
        if y[i] < -_PRICED:
            return False
    for a in range(n):
        if allowed[a]:
            for w in range(m):
                if F[a, w] > F[key[w], w] + _PRICED:
                    return False
    return True


@part
def _key_sums(weights, payoffs, slack, pool_action, pool, key, S, SP):
    """Sum up all rows if every state sent its whole weight to its key action."""
    n, m = payoffs.shape
    for a in range(n):
        for b in range(n):
            S[a, b] = 0.0
    for w in range(m):
        a = key[w]
        for b in range(n):
            if b != a:
                S[a, b] += weights[w] * (payoffs[a, w] - payoffs[b, w] - slack[w])
    for k in range(len(pool_action)):
        t = 0.0
        for w in range(m):
            if key[w] == pool_action[k]:
                t += weights[w] * pool[k, w]
        SP[k] = t


@part
def _rekey(w, a, weights, payoffs, slack, pool_action, pool, key, S, SP):
    """Change the key action of a state, and the sums with it."""
    n = payoffs.shape[0]
    old, x = key[w], weights[w]
    for b in range(n):
        if b != old:
            S[old, b] -= x * (payoffs[old, w] - payoffs[b, w] - slack[w])
        if b != a:
            S[a, b] += x * (payoffs[a, w] - payoffs[b, w] - slack[w])
    for k in range(len(pool_action)):
        if pool_action[k] == old:
            SP[k] -= x * pool[k, w]
        if pool_action[k] == a:
            SP[k] += x * pool[k, w]
    key[w] = a


@part
def _best_keys(allowed, mixed, F, key):
    """Let every state without other basic cells begin at the cell that is worth most."""
    n, m = F.shape
    for a in range(n):
        if allowed[a]:
            for w in range(m):
                if not mixed[w] and F[a, w] > F[key[w], w]:
                    key[w] = a


@part
def _values(
    r, weights, by_state, slack, pool_action, pool, sizes, key, cell_w, cell_a, row_a, row_b, S, SP,
    Z, x, noise, rest, s, sp, rhs,
):  # fmt: skip
    """Values of everything basic: cells x, key cells `rest` of mixed states, slacks s and sp.

    `by_state` are the payoffs, those of a state lying together; `noise` bounds the rounding errors
    of x.
    """
    n = by_state.shape[1]
    for a in range(n):
        for b in range(n):
            s[a, b] = S[a, b]
    for k in range(len(pool_action)):
        sp[k] = SP[k]
    for i in range(r):
        a, b = row_a[i], row_b[i]
        rhs[i] = -(S[a, b] if b < n else SP[b - n]) / sizes[a, b]
        rest[cell_w[i]] = weights[cell_w[i]]
    for k in range(r):
        t, size = 0.0, 0.0
        for i in range(r):
            t += Z[k, i] * rhs[i]
            size += abs(Z[k, i] * rhs[i])
        x[k] = t
        noise[k] = _ROUNDING * size
        w, a = cell_w[k], cell_a[k]
        o = key[w]
        rest[w] -= t
        for b in range(n):
            s[a, b] += t * (by_state[w, a] - by_state[w, b] - slack[w])
        for b in range(n):
            s[o, b] -= t * (by_state[w, o] - by_state[w, b] - slack[w])
        for j in range(len(pool_action)):
            if pool_action[j] == a:
                sp[j] += t * pool[j, w]
            elif pool_action[j] == o:
                sp[j] -= t * pool[j, w]
    for a in range(n):
        s[a, a] = 0.0
    for i in range(r):
        if row_b[i] < n:
            s[row_a[i], row_b[i]] = 0.0
        else:
            sp[row_b[i] - n] = 0.0


@part
def _violation(r, weights, allowed, pool_action, sizes, cell_w, x, noise, rest, s, sp):
    """Return the kind of the most violated basic quantity (-1: none) and what names it.

    0: the cell k; 1: the key cell of state w; 2: row (a, b).
    """
    n = s.shape[0]
    kind, first, second, worst, total = -1, -1, -1, 0.0, 0.0
    for k in range(r):
        w = cell_w[k]
        total += noise[k]
        least = -_FEASIBLE * weights[w] - noise[k]
        if x[k] < least and x[k] < worst:
            kind, first, worst = 0, k, x[k]
        if rest[w] < least and rest[w] < worst:
            kind, first, worst = 1, w, rest[w]
    least = -_FEASIBLE - total
    for a in range(n):
        if not allowed[a]:
            continue
        for b in range(n):
            if s[a, b] < least * sizes[a, b] and s[a, b] / sizes[a, b] < worst:
                kind, first, second, worst = 2, a, b, s[a, b] / sizes[a, b]
    for k in range(len(pool_action)):
        size = sizes[pool_action[k], n + k]
        if allowed[pool_action[k]] and sp[k] < least * size and sp[k] / size < worst:
            kind, first, second, worst = 2, pool_action[k], n + k, sp[k] / size
    return kind, first, second, worst


@part
def _disobeyed(
    r, weights, payoffs, slack, allowed, sizes, key, mixed, cell_w, cell_a, x, noise, rest, s
):  # fmt: skip
    """Return the row violated most against its own terms (-1: none), and its slack.

    A row may hold up to rounding of its largest coefficient and fail by much of what the states
    that take part in it have at stake.
    """
    n, m = payoffs.shape
    first, second, slope, worst = -1, -1, 0.0, -_OBEYED
    for a in range(n):
        if not allowed[a]:
            continue
        for b in range(n):
            if b == a or s[a, b] == 0.0 or s[a, b] > _NEARLY_TIGHT * sizes[a, b]:
                continue
            total, scale, doubt = 0.0, 0.0, 0.0
            for w in range(m):
                if key[w] == a:
                    t = payoffs[a, w] - payoffs[b, w] - slack[w]
                    t *= rest[w] if mixed[w] else weights[w]
                    total += t
                    scale += abs(t)
            for k in range(r):
                w = cell_w[k]
                t = payoffs[a, w] - payoffs[b, w] - slack[w]
                if cell_a[k] == a:
                    total += x[k] * t
                    scale += abs(x[k] * t)
                if cell_a[k] == a or key[w] == a:
                    doubt += (noise[k] + 10.0 * _ROUNDING * weights[w]) * abs(t)
            if total < -doubt and total < worst * scale:
                first, second, slope, worst = a, b, total / sizes[a, b], total / scale
    return first, second, slope


@part
def _first_time(w, r, allowed, moving, cell_w, cell_a, F, B, key, least_rate, limit):
    """When a cell of state w that is not basic first is worth as much as the key cell; which."""
    time, action, o = limit, -1, key[w]
    for a in range(len(allowed)):
        basic = a == o
        for k in range(r):
            basic |= cell_w[k] == w and cell_a[k] == a
        if allowed[a] and not basic:
            rate = (B[a, w] if moving[a] else 0.0) - (B[o, w] if moving[o] else 0.0)
            if rate > least_rate:
                t = max(F[o, w] - F[a, w], 0.0) / rate
                if t < time:
                    time, action = t, a
    return time, action


@part
def _sift(times, states, size, j):
    """Restore the heap below position j."""
    t, w = times[j], states[j]
    while True:
        c = 2 * j + 1
        if c >= size:
            break
        if c + 1 < size and times[c + 1] < times[c]:
            c += 1
        if times[c] >= t:
            break
        times[j], states[j] = times[c], states[c]
        j = c
    times[j], states[j] = t, w


@part
def _replace_column(p, r, d, Z):
    factor = 1.0 / d[p]
    for i in range(r):
        Z[p, i] *= factor
    for k in range(r):
        if k != p and d[k] != 0.0:
            for i in range(r):
                Z[k, i] -= d[k] * Z[p, i]


@part
def _replace_row(q, r, v, Z):
    """Row q of W becomes the row whose product with Z is v."""
    factor = 1.0 / v[q]
    for k in range(r):
        t = Z[k, q] * factor
        if t != 0.0:
            for i in range(r):
                Z[k, i] -= t * v[i]
        Z[k, q] = t


@part
def _border(r, d, v, sigma, Z):
    """Add the row whose product with Z is v and the column whose product is d."""
    factor = 1.0 / sigma
    for k in range(r):
        t = d[k] * factor
        if t != 0.0:
            for i in range(r):
                Z[k, i] += t * v[i]
        Z[k, r] = -t
    for i in range(r):
        Z[r, i] = -v[i] * factor
    Z[r, r] = factor


@part
def _shrink(p, q, r, Z):
    """Drop column p and row q of W; the last ones take their places."""
    factor = 1.0 / Z[p, q]
    for k in range(r):
        if k != p:
            t = Z[k, q] * factor
            if t != 0.0:
                for i in range(r):
                    Z[k, i] -= t * Z[p, i]
    last = r - 1
    for i in range(r):
        Z[p, i] = Z[last, i]
    for k in range(last):
        Z[k, q] = Z[k, last]


@part
def _wider(old, size):
    new = np.zeros(size, old.dtype)
    new[: len(old)] = old
    return new


@part
def _taller(old, rows, columns):
    new = np.zeros((rows, columns))
    new[: old.shape[0], : old.shape[1]] = old
    return new


@whole
def solve_structured(
    weights, gains, payoffs, slack, allowed, pool_action, pool, key, cells, rows, budget
):  # fmt: skip
    """Solve one program from a basis with feasible prices.

    Parameters
    ----------
    weights : ndarray (m,), > 0
    gains, payoffs : ndarray (n, m)
        The largest difference of gains in a state should be of order one.
    slack : ndarray (m,)
    allowed : ndarray of bool (n,)
        Actions that may be recommended.
    pool_action : ndarray of int (k,)
    pool : ndarray (k, m)
        Further rows and the actions they are about; row k is named ``(pool_action[k], n + k)``.
    key : ndarray of int (m,)
        Changed in place: the key action of every state. All -1: start at the dearest actions, and
        `cells` and `rows` are empty.
    cells : ndarray of int (r, 2)
        Further basic cells (state, action) of the start.
    rows : ndarray of int (r, 2)
        Tight rows of the start.
    budget : int
        Greatest number of changes of basis.

    Returns
    -------
    status : int
    cells, rows : ndarray of int (r, 2)
        The last basis.
    x : ndarray (r,)
        Masses of `cells`; key cells hold the rest of their states.
    y : ndarray (r,)
        Prices of `rows`, in gains per unit of the row.
    counts : ndarray of int (4,)
        Changes of basis, states that changed key in passing, inversions of W, cells of the
        largest W.
    """
    n, m = gains.shape
    n_pool = len(pool_action)
    r = len(cells)
    cap = 16
    while cap < r + 2:
        cap *= 2
    cell_w, cell_a = np.zeros(cap, np.int64), np.zeros(cap, np.int64)
    row_a, row_b = np.zeros(cap, np.int64), np.zeros(cap, np.int64)
    x, y, d, v, h = np.zeros(cap), np.zeros(cap), np.zeros(cap), np.zeros(cap), np.zeros(cap)
    noises, nonzero = np.zeros(cap), np.zeros(cap, np.int64)
    Z, T, swaps = np.zeros((cap, cap)), np.zeros((cap, m)), np.zeros(cap, np.int64)
    rest, new_row, first = np.zeros(m), np.zeros(m), np.zeros(m)
    times, states = np.zeros(m), np.zeros(m, np.int64)
    move_to, mixed = np.zeros(m, np.int64), np.zeros(m, np.bool_)
    s, S, sp, SP = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n_pool), np.zeros(n_pool)
    sizes = np.ones((n, n + n_pool))
    F, B = np.zeros((n, m)), np.zeros((n, m))
    moving = np.zeros(n, np.bool_)
    counts = np.zeros(4, np.int64)
    by_state = np.empty((m, n))
    for w in range(m):
        for a in range(n):
            by_state[w, a] = payoffs[a, w]
    for a in range(n):
        if allowed[a]:
            for b in range(n):
                if b != a:
                    size = 0.0
                    for w in range(m):
                        size = max(size, abs(payoffs[a, w] - payoffs[b, w] - slack[w]))
                    if size > 0.0:
                        sizes[a, b] = size
    for k in range(n_pool):
        size = 0.0
        for w in range(m):
            size = max(size, abs(pool[k, w]))
        if size > 0.0:
            sizes[pool_action[k], n + k] = size
    if key[0] < 0:
        for w in range(m):
            best = -1
            for a in range(n):
                if allowed[a] and (best < 0 or gains[a, w] > gains[best, w]):
                    best = a
            key[w] = best
    for k in range(r):
        cell_w[k], cell_a[k] = cells[k, 0], cells[k, 1]
        row_a[k], row_b[k] = rows[k, 0], rows[k, 1]
        mixed[cells[k, 0]] = True
        _row(row_a[k], row_b[k], payoffs, slack, pool, T[k])
    since, troubles, strict, idle, status = 10**9, 0, 0, 0, BUDGET
    while counts[0] <= budget:
        if since > _REFRESH + r // 4:
            if not _invert(r, key, cell_w, cell_a, row_a, T, swaps, Z):
                status = SINGULAR
                break
            _prices(r, gains, key, cell_w, cell_a, Z, y)
            _worths(r, gains, row_a, T, y, F)
            _key_sums(weights, payoffs, slack, pool_action, pool, key, S, SP)
            since = 0
            counts[2] += 1
            if counts[2] == 1 and r > 0 and not _prices_feasible(r, allowed, key, y, F):
                status = STALE
                break
        if r + 2 > cap:
            cap *= 2
            cell_w, cell_a = _wider(cell_w, cap), _wider(cell_a, cap)
            row_a, row_b = _wider(row_a, cap), _wider(row_b, cap)
            x, y, d = _wider(x, cap), _wider(y, cap), _wider(d, cap)
            v, h, noises = _wider(v, cap), _wider(h, cap), _wider(noises, cap)
            nonzero = _wider(nonzero, cap)
            Z, T, swaps = _taller(Z, cap, cap), _taller(T, cap, m), np.zeros(cap, np.int64)
        _values(
            r, weights, by_state, slack, pool_action, pool, sizes, key, cell_w, cell_a, row_a,
            row_b, S, SP, Z, x, noises, rest, s, sp, h,
        )  # fmt: skip
        kind, out_a, out_b, slope = _violation(
            r, weights, allowed, pool_action, sizes, cell_w, x, noises, rest, s, sp
        )
        if kind < 0:
            if since > 0:
                since = 10**9  # look again with fresh numbers
                continue
            out_a, out_b, slope = _disobeyed(
                r, weights, payoffs, slack, allowed, sizes, key, mixed, cell_w, cell_a, x, noises,
                rest, s,
            )  # fmt: skip
            strict += 1
            if out_a < 0 or strict > _PATIENCE:
                status = OPTIMAL
                break
            kind = 2
        if kind == 1:
            # exchange the key of the state with its largest other cell: Z := E Z, E = E^-1
            w, p = out_a, -1
            for k in range(r):
                if cell_w[k] == w and (p < 0 or x[k] > x[p]):
                    p = k
            for i in range(r):
                t = -Z[p, i]
                for k in range(r):
                    if k != p and cell_w[k] == w:
                        t -= Z[k, i]
                Z[p, i] = t
            a = cell_a[p]
            cell_a[p] = key[w]
            _rekey(w, a, weights, payoffs, slack, pool_action, pool, key, S, SP)
            kind, out_a = 0, p
            noises[p] = _ROUNDING * weights[w]
        # v: the row of the leaving quantity; prices of tight rows move by -t v, t >= 0
        if kind == 0:
            noise = noises[out_a]
            for i in range(r):
                v[i] = Z[out_a, i]
        else:
            _row(out_a, out_b, payoffs, slack, pool, new_row)
            noise = 0.0
            for k in range(r):
                noise += noises[k]
            for w in range(m):
                if key[w] == out_a:
                    noise += _ROUNDING * weights[w] * abs(new_row[w])
            for i in range(r):
                v[i] = 0.0
            for k in range(r):
                w = cell_w[k]
                t = 0.0
                if cell_a[k] == out_a:
                    t = new_row[w]
                elif key[w] == out_a:
                    t = -new_row[w]
                if t != 0.0:
                    for i in range(r):
                        v[i] += t * Z[k, i]
        largest = 1.0
        for i in range(r):
            largest = max(largest, abs(v[i]))
        least_rate = _LEAST_RATE * largest
        limit, row_in, rate_in = np.inf, -1, 0.0
        for i in range(r):
            if v[i] > least_rate:
                t = max(y[i], 0.0) / v[i]
                if t < limit or (t <= limit + 1e-14 and v[i] > rate_in):
                    limit, row_in, rate_in = t, i, v[i]
        # B: how fast the worths of cells rise
        for a in range(n):
            moving[a] = False
        if kind == 2:
            moving[out_a] = True
            for w in range(m):
                B[out_a, w] = new_row[w]
        for i in range(r):
            if v[i] != 0.0:
                a, t = row_a[i], -v[i]
                if moving[a]:
                    for w in range(m):
                        B[a, w] += t * T[i, w]
                else:
                    moving[a] = True
                    for w in range(m):
                        B[a, w] = t * T[i, w]
        # the first price at which each state's maximum is attained elsewhere
        for w in range(m):
            times[w] = limit
            move_to[w] = -1
            new_row[w] = F[key[w], w]  # scratch: worth and rate of the key cell
            first[w] = B[key[w], w] if moving[key[w]] else 0.0
        for a in range(n):
            if not allowed[a]:
                continue
            if moving[a]:
                for w in range(m):
                    rate = B[a, w] - first[w]
                    if rate > least_rate:
                        gap = max(new_row[w] - F[a, w], 0.0)
                        if gap < times[w] * rate:
                            times[w] = gap / rate
                            move_to[w] = a
            else:
                for w in range(m):
                    if -first[w] > least_rate:
                        gap = max(new_row[w] - F[a, w], 0.0)
                        if gap < -times[w] * first[w]:
                            times[w] = -gap / first[w]
                            move_to[w] = a
        for k in range(r):
            if move_to[cell_w[k]] == cell_a[k]:  # it is basic: a rate above zero is rounding
                w = cell_w[k]
                times[w], move_to[w] = _first_time(
                    w, r, allowed, moving, cell_w, cell_a, F, B, key, least_rate, limit
                )
        size = 0
        for w in range(m):
            if move_to[w] >= 0:
                times[size] = times[w]
                states[size] = w
                size += 1
        for j in range(size // 2 - 1, -1, -1):
            _sift(times, states, size, j)
        # walk along the ray while its slope is negative
        step, w_in, a_in, w_last, a_last, t_last = limit, -1, -1, -1, -1, 0.0
        while size > 0:
            w = states[0]
            a, o = move_to[w], key[w]
            rate_a = B[a, w] if moving[a] else 0.0
            rate = rate_a - (B[o, w] if moving[o] else 0.0)
            noise += _ROUNDING * weights[w] * rate
            if mixed[w] or slope + weights[w] * rate >= -noise:
                step, w_in, a_in = times[0], w, a
                break
            slope += weights[w] * rate
            w_last, a_last, t_last = w, o, times[0]
            _rekey(w, a, weights, payoffs, slack, pool_action, pool, key, S, SP)
            counts[1] += 1
            now, t, e = times[0], limit, -1
            for b in range(n):
                if allowed[b]:
                    rate = (B[b, w] if moving[b] else 0.0) - rate_a
                    if rate > least_rate:
                        z = max((F[a, w] - F[b, w]) / rate, now)
                        if z < t:
                            t, e = z, b
            if e >= 0:
                times[0], move_to[w] = t, e
            else:
                size -= 1
                times[0], states[0] = times[size], states[size]
            if size > 0:
                _sift(times, states, size, 0)
        if w_in < 0 and row_in < 0:
            if w_last < 0 or slope < -_LOST * max(1.0, noise / _ROUNDING):
                if since > 0 and troubles <= 5:
                    troubles += 1  # sums updated for long may be to blame: look again
                    since = 10**9
                    _best_keys(allowed, mixed, F, key)
                    continue
                # what so little is wrong with, and cannot be put right, is for others to judge
                little = _DOUBTFUL * (weights[cell_w[out_a]] if kind == 0 else 1.0)
                status = OPTIMAL if w_last < 0 and slope > -little else UNREACHABLE
                break
            # nothing is left that could repair the rest, which is rounding: the last state mixes
            w_in, a_in, step = w_last, key[w_last], t_last
            _rekey(w_in, a_last, weights, payoffs, slack, pool_action, pool, key, S, SP)
        if step > 0.0:
            for a in range(n):
                if moving[a]:
                    for w in range(m):
                        F[a, w] += step * B[a, w]
            for i in range(r):
                y[i] -= step * v[i]
        idle = idle + 1 if step <= 1e-14 else 0
        if idle > _PATIENCE + r:
            status = STALLED
            break
        # change the basis
        counts[0] += 1
        since += 1
        if w_in >= 0:
            o = key[w_in]
            for i in range(r):
                t = 0.0
                if row_a[i] == a_in:
                    t = T[i, w_in]
                elif row_a[i] == o:
                    t = -T[i, w_in]
                h[i] = t
            count = 0  # few rows have to do with either action
            for i in range(r):
                if h[i] != 0.0:
                    nonzero[count] = i
                    count += 1
            for k in range(r):
                t = 0.0
                for j in range(count):
                    t += Z[k, nonzero[j]] * h[nonzero[j]]
                d[k] = t
        if kind == 0:
            pivot = d[out_a] if w_in >= 0 else Z[out_a, row_in]
        else:
            _row(out_a, out_b, payoffs, slack, pool, new_row)
            if w_in >= 0:
                pivot = 0.0
                if out_a == a_in:
                    pivot = new_row[w_in]
                elif out_a == key[w_in]:
                    pivot = -new_row[w_in]
                for i in range(r):
                    pivot -= v[i] * h[i]
            else:
                pivot = v[row_in]
        if abs(pivot) < _SMALL_PIVOT:
            troubles += 1
            if troubles > 5:
                status = SINGULAR
                break
            since = 10**9
            continue
        if w_in >= 0 and kind == 0:
            mixed[cell_w[out_a]] = False
            _replace_column(out_a, r, d, Z)
            cell_w[out_a], cell_a[out_a] = w_in, a_in
        elif w_in >= 0:
            _border(r, d, v, pivot, Z)
            cell_w[r], cell_a[r], row_a[r], row_b[r] = w_in, a_in, out_a, out_b
            T[r] = new_row
            y[r] = step
            r += 1
            counts[3] = max(counts[3], r)
        elif kind == 0:
            mixed[cell_w[out_a]] = False
            _shrink(out_a, row_in, r, Z)
            r -= 1
            cell_w[out_a], cell_a[out_a] = cell_w[r], cell_a[r]
            row_a[row_in], row_b[row_in], y[row_in] = row_a[r], row_b[r], y[r]
            if row_in != r:
                T[row_in] = T[r]
        else:
            _replace_row(row_in, r, v, Z)
            row_a[row_in], row_b[row_in], y[row_in] = out_a, out_b, step
            T[row_in] = new_row
        for k in range(r):
            mixed[cell_w[k]] = True
    out_cells, out_rows = np.zeros((r, 2), np.int64), np.zeros((r, 2), np.int64)
    for k in range(r):
        out_cells[k, 0], out_cells[k, 1] = cell_w[k], cell_a[k]
        out_rows[k, 0], out_rows[k, 1] = row_a[k], row_b[k]
        y[k] /= sizes[row_a[k], row_b[k]]
    return status, out_cells, out_rows, x[:r].copy(), y[:r].copy(), counts


@whole
def propose(weights, gains, payoffs, slack, allowed, key, cells, rows, budget, masses):
    """Solve the program of a game, whose tables are indexed ``[state, action]`` and have any unit.

    Parameters
    ----------
    weights, slack, allowed, key, cells, rows, budget
        As in `solve_structured`; `key` comes back as that of the last basis.
    gains, payoffs : ndarray (m, n)
    masses : ndarray (m, n)
        Receives the masses of all pairs.

    Returns
    -------
    status : int
    cells, rows : ndarray of int (r, 2)
        The last basis.
    prices : ndarray (r,)
        Prices of `rows`, >= 0, in gains per unit of payoffs.
    counts : ndarray of int (4,)
    """
    m, n = gains.shape
    scaled, turned = np.empty((n, m)), np.empty((n, m))
    unit = 0.0
    for w in range(m):
        best = gains[w, 0]
        for a in range(n):
            best = max(best, gains[w, a])
            turned[a, w] = payoffs[w, a]
        for a in range(n):
            scaled[a, w] = gains[w, a] - best
            unit = max(unit, best - gains[w, a])
    if unit == 0.0:
        unit = 1.0
    for a in range(n):
        for w in range(m):
            scaled[a, w] /= unit
    status, cells, rows, x, prices, counts = solve_structured(
        weights, scaled, turned, slack, allowed, np.zeros(0, np.int64), np.zeros((0, m)), key,
        cells, rows, budget,
    )  # fmt: skip
    masses[:] = 0.0
    for w in range(m):
        masses[w, key[w]] = weights[w]
    for k in range(len(cells)):
        w = cells[k, 0]
        masses[w, cells[k, 1]] = max(x[k], 0.0)
        masses[w, key[w]] -= x[k]
    for w in range(m):
        masses[w, key[w]] = max(masses[w, key[w]], 0.0)
    for k in range(len(prices)):
        prices[k] = max(prices[k], 0.0) * unit
    return status, cells, rows, prices, counts
