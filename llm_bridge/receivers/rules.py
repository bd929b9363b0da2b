"""How a Receiver turns a belief over items into the item that she believes, by name."""

from __future__ import annotations

from typing import Any

from persuasion.errors import PersuasionError
from persuasion.receivers import Bayesian, PosteriorSampling, Quantal, Receiver

__all__ = ["RULES", "rule"]

RULES: dict[str, type[Bayesian] | type[PosteriorSampling] | type[Quantal]] = {
    "best_response": Bayesian,
    "posterior_sampling": PosteriorSampling,
    "quantal": Quantal,
}
"""Receivers of `persuasion` by the names that tasks and configurations use."""


def rule(name: str, **parameters: Any) -> Receiver:
    """Build a rule.

    Parameters
    ----------
    name : str
        One of `RULES`.
    **parameters
        Of that Receiver: ``ties`` for "best_response", ``beta`` for "quantal".

    Raises
    ------
    PersuasionError
        When there is no such rule or parameter, or one is missing.

    Examples
    --------
    >>> from llm_bridge.receivers.rules import rule
    >>> rule("quantal", beta=20.0)
    Quantal(beta=20.0)
    """
    if name not in RULES:
        raise PersuasionError(f"no rule is called {name!r}; legal are {', '.join(RULES)}")
    try:
        return RULES[name](**parameters)
    except TypeError as cause:
        raise PersuasionError(
            f"the rule {name!r} cannot be built with {parameters or 'no parameters'}: {cause}"
        ) from cause
