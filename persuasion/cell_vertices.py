"""Vertices of the sets of beliefs at which each action is a best response."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from persuasion.problem import IntArray
from persuasion.rationals import FloatArray

__all__ = ["FEASIBLE", "cell_vertices", "intersections", "n_systems"]

FEASIBLE = 1e-9
"""How far below zero a normalised inequality may come at a vertex."""
_SINGULAR = 1e-13


def n_systems(n_states: int, n_actions: int) -> int:
    """Number of small linear systems that `cell_vertices` looks at.

    Examples
    --------
    >>> from persuasion.cell_vertices import n_systems
    >>> n_systems(3, 4)
    60
    """
    return n_actions * math.comb(n_states + n_actions - 1, n_states - 1)


def cell_vertices(payoffs: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the vertices of every best-response cell of the simplex of beliefs.

    The cell of action a is ``{q : q @ (payoffs[:, a] - payoffs[:, b]) >= 0 for all b}``, closed; a
    vertex has n_states - 1 of these inequalities and those of the simplex tight.

    Parameters
    ----------
    payoffs : ndarray (n_states, n_actions)
        Of the Receiver; only differences within a state matter.

    Returns
    -------
    vertices : ndarray (k, n_states)
        Beliefs, exact up to rounding and its amplification by nearly parallel planes.
    actions : ndarray of int (k,)
        The action whose cell it is; a vertex shared by cells comes once for each.

    Notes
    -----
    By enumeration of all sets of n_states - 1 planes: meant for few states (`n_systems`).

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion.cell_vertices import cell_vertices
    >>> vertices, actions = cell_vertices(np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> vertices.tolist(), actions.tolist()
    ([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [0.0, 1.0]], [0, 0, 1, 1])
    """
    n_states, n_actions = payoffs.shape
    found: list[FloatArray] = []
    owners: list[int] = []
    for action in range(n_actions):
        lead = (payoffs[:, [action]] - payoffs).T
        size = np.abs(lead).max(axis=1)
        planes = np.concatenate([np.eye(n_states), lead[size > 0] / size[size > 0, None]])
        tight = np.array(list(combinations(range(len(planes)), n_states - 1)), dtype=np.intp)
        corners, _ = intersections(planes[tight.reshape(len(tight), n_states - 1)])
        corners = corners[(corners @ planes.T).min(axis=1) >= -FEASIBLE]
        corners = np.maximum(corners, 0.0)
        corners /= corners.sum(axis=1, keepdims=True)
        _, first = np.unique(corners.round(12), axis=0, return_index=True)
        corners = corners[first[::-1]]
        found.append(corners)
        owners += [action] * len(corners)
    return np.concatenate(found), np.array(owners, dtype=np.intp)


def intersections(planes: FloatArray) -> tuple[FloatArray, IntArray]:
    """Points with coordinate sum 1 on n_states - 1 planes through the origin at once.

    Parameters
    ----------
    planes : ndarray (n_systems, n_states - 1, n_states)
        Normal vectors, largest entry of each about 1.

    Returns
    -------
    points : ndarray (k, n_states)
        Entries may be negative: outside the simplex.
    systems : ndarray of int (k,)
        The system that each point solves; systems without a single such point are left out.

    Notes
    -----
    The direction orthogonal to all planes is their generalised cross product.
    """
    n_states = planes.shape[2]
    direction = np.stack(
        [(-1) ** w * np.linalg.det(np.delete(planes, w, axis=2)) for w in range(n_states)], axis=1
    )
    total = direction.sum(axis=1)
    regular = np.flatnonzero(np.abs(total) > _SINGULAR)
    points: FloatArray = direction[regular] / total[regular, None]
    return points, regular
