"""How time grows with the size of a game: a straight line in logarithms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["PowerLaw", "fit_power_law"]


@dataclass(frozen=True)
class PowerLaw:
    """``seconds = factor * size_1 ** exponent_1 * ...``, by least squares in logarithms.

    Attributes
    ----------
    factor : float
    exponents : dict of str to float
    r_squared : float
        Share of the variance of log seconds explained; 1 when there was nothing to explain.
    """

    factor: float
    exponents: dict[str, float]
    r_squared: float

    def __str__(self) -> str:
        powers = " ".join(f"{name}^{power:.2f}" for name, power in self.exponents.items())
        return f"{self.factor:.2g} s {powers} (R² {self.r_squared:.3f})"


def fit_power_law(
    sizes: Mapping[str, Sequence[float]], seconds: Sequence[float]
) -> PowerLaw | None:
    """Fit the exponents of those sizes that vary.

    Parameters
    ----------
    sizes : mapping of str to sequence (k,)
    seconds : sequence (k,)

    Returns
    -------
    PowerLaw or None
        None unless there are more points than numbers to fit.
    """
    varying = {name: np.log(values) for name, values in sizes.items() if len(set(values)) > 1}
    if not varying or len(seconds) < len(varying) + 2:
        return None
    design = np.column_stack([np.ones(len(seconds)), *varying.values()])
    target = np.log(seconds)
    coefficients, _, rank, _ = np.linalg.lstsq(design, target, rcond=None)
    if rank < design.shape[1]:
        return None
    spread = float(((target - target.mean()) ** 2).sum())
    missed = float(((target - design @ coefficients) ** 2).sum())
    return PowerLaw(
        factor=float(np.exp(coefficients[0])),
        exponents=dict(zip(varying, coefficients[1:].tolist(), strict=True)),
        r_squared=1 - missed / spread if spread > 0 else 1.0,
    )
