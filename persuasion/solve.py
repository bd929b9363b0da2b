"""Solving: choose a method, run it, and believe nothing that the game does not confirm."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from time import perf_counter
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from persuasion import solvers
from persuasion.calling import called_like, require_game
from persuasion.certificate import Certified, Residuals, certify, sender_spread
from persuasion.errors import (
    InfeasibleError,
    NotSolvedError,
    PersuasionError,
    SchemeError,
    UnsupportedError,
)
from persuasion.game import PersuasionGame
from persuasion.polish import polish
from persuasion.problem import Candidate, Problem, Solver, SplitCandidate, Vertex
from persuasion.rationals import frozen
from persuasion.receivers import Bayesian, Receiver, is_best_responder
from persuasion.results import OPTIMAL, TIME_LIMIT, WITHIN_BOUND, Solution
from persuasion.scheme import SignalingScheme
from persuasion.type_mixture import TypeMixture
from persuasion.values import sender_value

if TYPE_CHECKING:
    from persuasion.exact_certificate import ExactCertificate
    from persuasion.type_program import TypeSolution
    from persuasion.types import ReceiverTypes

__all__ = ["solve"]

_BAYESIAN = Bayesian()
_KNAPSACK_WINS = 2000
"""With two actions, above this many states a sort is faster than the compiled simplex."""
_HULL_WINS = 50
"""With two states, above this many actions an upper hull is."""
_EXACT_FALLBACK_CELLS = 5000
"""Above this many (state, action) pairs `auto` does not fall back to exact arithmetic."""


@overload
def solve(
    game: PersuasionGame,
    *,
    method: str | Solver = ...,
    receiver: Receiver | None = ...,
    types: None = ...,
    margin: float | Fraction | str = ...,
    max_signals: int | None = ...,
    exact: bool = ...,
    time_limit: float | None = ...,
    tolerance: float = ...,
    start: Solution | None = ...,
) -> Solution: ...


@overload
def solve(
    game: PersuasionGame, *, types: ReceiverTypes | TypeMixture, tolerance: float = ...
) -> TypeSolution: ...


@called_like("solve(game)")
def solve(
    game: PersuasionGame,
    *,
    method: str | Solver = "auto",
    receiver: Receiver | None = None,
    types: ReceiverTypes | TypeMixture | None = None,
    margin: float | Fraction | str = 0,
    max_signals: int | None = None,
    exact: bool = False,
    time_limit: float | None = None,
    tolerance: float = 1e-9,
    start: Solution | None = None,
) -> Solution:
    """Find an optimal signaling scheme and certify it.

    Parameters
    ----------
    game : PersuasionGame
    method : str or Solver
        "auto" picks the fastest method that applies and falls through to the next when an answer
        fails its certificate; a name from `persuasion.solvers.names`, also "cvxpy:BACKEND", or an
        object with the `Solver` protocol is used alone.
    receiver : Receiver, optional
        Default `Bayesian()`. `Biased` is solved exactly; `Quantal` on 2 to 4 states within an
        error bound; `TypeMixture` over all posteriors that can matter.
    types : ReceiverTypes or TypeMixture, optional
        Receivers of several types with a known law, ``ReceiverTypes(utilities, IID(weights))``,
        in place of `receiver`: the best scheme for all of them, see `persuasion.type_program`.
        For types who report themselves see `solve_menu`.
    margin : float, Fraction or string such as "1/10", >= 0
        Obedience with slack, in Receiver's utils: a recommendation must beat every other action
        by `margin` in conditional expectation.
    max_signals : int, optional
        Use at most this many signals (exact, by a search over sets of recommendations).
    exact : bool
        Solve in rational arithmetic; `value`, kernel and prices are then `Fraction`.
    time_limit : float, optional
        Seconds. Reaching it gives status "time limit" with a feasible scheme and a bound where
        there is one.
    tolerance : float
        Largest residual accepted, unit-free (see `Residuals`).
    start : Solution, optional
        The solution of a game with the same states and actions: where only the prior or some
        utilities differ, its basis is mostly near the new one. It never changes what is certified,
        only how soon, and which of several optima is found.

    Returns
    -------
    Solution
        With `types` a `TypeSolution`, which also says what each type does.

    Raises
    ------
    UnsupportedError
        When the method cannot answer; the message says which one can.
    InfeasibleError
        When no scheme satisfies `margin`.
    NotSolvedError
        When no answer passes the certificate; the message gives the residuals.

    Notes
    -----
    Ties are broken in the Sender's favour. With ties against her an optimum need not exist; see
    `supremum_adversarial`.
    Source: Kamenica & Gentzkow, AER 101(6), 2011; linear program as in Bergemann & Morris, TE 11,
    2016.
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame, solve
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> solution = solve(game)
    >>> round(solution.value, 12), solution.scheme.kernel.round(4).tolist()
    (0.6, [[0.5714, 0.4286], [0.0, 1.0]])
    >>> solve(game, exact=True).value
    Fraction(3, 5)
    """
    started = perf_counter()
    if types is not None and receiver is not None:
        raise PersuasionError("`types` are the Receivers; drop `receiver`, or `types`")
    if types is not None or isinstance(receiver, TypeMixture):
        given: dict[str, Any] = {"margin": margin != 0, "max_signals": max_signals, "exact": exact}
        given |= {"time_limit": time_limit, "method": method != "auto"}
        return _solve_types(game, receiver if types is None else types, tolerance, given)
    receiver = _BAYESIAN if receiver is None else receiver
    margin = _number(margin, "margin")
    _check_options(game, receiver, margin, max_signals, time_limit, tolerance)
    problem = Problem.of(game, receiver, margin=margin, time_limit=time_limit)
    if start is not None:
        problem.start = _basis_of(start, problem)
    options: dict[str, Any] = {}
    if margin:
        options["margin"] = margin
    if max_signals is not None:
        options["max_signals"] = max_signals

    def solve_part(part: Problem) -> Solution:
        methods = _methods(part, method, exact)
        return _first_certified(part, methods, tolerance, started, options, exact)

    enough = min(problem.n_states, problem.n_actions)
    if max_signals is None or max_signals >= enough:
        solution = solve_part(problem)
        # a vertex has no more signals than that, but not every method returns one
        if max_signals is None or solution.scheme.n_signals <= max_signals:
            return solution
    from persuasion.signal_limit import solve_with_few_signals

    return solve_with_few_signals(problem, max_signals, solve_part)


def _basis_of(start: Solution, problem: Problem) -> Vertex | None:
    """Return the basis at which an earlier solution stopped, where it is one of this program."""
    if not isinstance(start, Solution):
        raise PersuasionError(f"`start` must be a Solution; got {type(start).__name__}")
    shapes = [(game.n_states, game.n_actions) for game in (start.game, problem.game)]
    if shapes[0] != shapes[1]:
        raise PersuasionError(
            f"`start` solves a game of shape {shapes[0]}, this one has shape {shapes[1]}; it must "
            "have as many states and actions"
        )
    if start.problem is None or not isinstance(start.candidate, Candidate):
        return None
    theirs, ours = start.problem.support, problem.support
    same = (
        np.array_equal(theirs, ours)
        if theirs is not None and ours is not None
        else (theirs is ours)
    )
    return start.candidate.vertex if same else None


def _solve_types(
    game: PersuasionGame, types: Any, tolerance: float, given: dict[str, Any]
) -> TypeSolution:
    """Answer for Receivers of several types, who have a program of their own."""
    from persuasion.type_program import mixture_of, solve_types

    refused = [name for name, value in given.items() if value not in (None, False)]
    if refused:
        raise UnsupportedError(
            f"against several types `{refused[0]}` is not supported; leave it out. An exact or "
            "restricted answer exists for one Receiver: solve(game)"
        )
    mixture = mixture_of(types)
    if mixture.ties != "sender":
        raise UnsupportedError(
            f"types that break ties {mixture.ties!r} are not optimised against; pass ties='sender'"
        )
    candidates = None
    if not isinstance(types, TypeMixture) and types.posteriors is not None:
        candidates = types.for_game(game).candidates
    solution = solve_types(game, mixture.utilities, mixture.weights, candidates=candidates)
    if solution.complete and solution.residuals.duality_gap > tolerance:
        raise NotSolvedError(
            f"the duality gap {solution.residuals.duality_gap:.1e} is above the tolerance "
            f"{tolerance:g}; ask for less"
        )
    return solution


def _methods(problem: Problem, method: str | Solver, exact: bool) -> Iterator[tuple[Solver, bool]]:
    """Yield the methods to try and whether a refusal by each is final."""
    if not isinstance(method, str):
        if not isinstance(method, Solver):
            raise UnsupportedError(
                f"`method` must be a name or have .supports and .solve; got {method!r}"
            )
        yield method, True
        return
    if exact and method not in ("auto", "exact"):
        raise UnsupportedError(
            f"exact=True needs method='exact' (or 'auto'); got method={method!r}"
        )
    if exact or method == "exact":
        yield solvers.load("exact"), True
        return
    if method != "auto":
        yield solvers.load(method), True
        return
    if not problem.is_linear:
        yield solvers.load("concave_closure"), True
        return
    m, n = problem.n_states, problem.n_actions
    if n == 2:
        order = ["structured", "knapsack"] if m <= _KNAPSACK_WINS else ["knapsack", "structured"]
    elif m == 2:
        order = ["structured", "hull"] if n <= _HULL_WINS else ["hull"]
    else:
        order = ["structured"]
    for name in order:
        yield solvers.load(name), False
    yield solvers.load("lp"), False
    if problem.n_states * problem.n_actions <= _EXACT_FALLBACK_CELLS:
        yield solvers.load("exact"), False
    yield solvers.load("cvxpy"), False


def _first_certified(
    problem: Problem,
    methods: Iterator[tuple[Solver, bool]],
    tolerance: float,
    started: float,
    options: dict[str, Any],
    exact: bool,
) -> Solution:
    attempts: list[tuple[str, str]] = []
    spare: Solution | None = None
    for solver, final in methods:
        reason = solver.supports(problem)
        if reason is not None:
            if final:
                raise UnsupportedError(f"method {solver.name!r} does not apply: {reason}")
            attempts.append((solver.name, reason))
            continue
        try:
            candidate = solver.solve(problem)
        except InfeasibleError as failure:
            if solver.name == "exact":
                raise
            overruled = _scheme_after_all(problem)
            if overruled is None:
                raise
            attempts.append((solver.name, f"{failure}; but exact arithmetic finds a scheme"))
            if final:
                continue
            solver, candidate = solvers.load("exact"), overruled
        except (NotSolvedError, ImportError, np.linalg.LinAlgError) as failure:
            attempts.append((solver.name, str(failure)))
            continue
        if isinstance(candidate, SplitCandidate):
            try:
                split = _split_solution(
                    problem, candidate, solver, tolerance, started, attempts, options
                )
            except SchemeError as failure:
                attempts.append((solver.name, str(failure)))
                continue
            if split.residuals.obeys(tolerance) and split.residuals.duality_gap >= -tolerance:
                return split
            attempts.append((solver.name, f"residuals too large: {split.residuals}"))
            continue
        if candidate.exact_masses is not None:
            found = _exact_solution(problem, candidate, solver, started, attempts, options)
            return found if exact else _in_floats(found)
        certified = certify(problem, candidate)
        if candidate.finished and not certified.residuals.within(tolerance):
            polished = polish(problem, candidate)
            if polished is not None:
                candidate, certified = polished, certify(problem, polished)
        residuals = certified.residuals
        passed = residuals.within(tolerance)
        if passed or (not candidate.finished and residuals.obeys(tolerance)):
            solution = _solution(
                problem,
                candidate,
                certified,
                status=OPTIMAL if passed else TIME_LIMIT,
                method=solver.name,
                seconds=perf_counter() - started,
                attempts=tuple(attempts),
                options=options,
            )
            if final or not _dusty(problem, candidate, certified):
                return solution
            spare = spare or solution  # right, but fractions may give fewer signals
            attempts.append((solver.name, "rounding left more signals than a vertex has"))
            continue
        attempts.append((solver.name, f"residuals too large: {residuals}"))
    if spare is not None:
        return spare
    tried = "; ".join(f"{name}: {why}" for name, why in attempts)
    raise NotSolvedError(
        f"no answer passed the certificate at tolerance {tolerance:g} ({tried}). "
        "Try method='auto' or exact=True, or a larger `tolerance` if the game's numbers are "
        "themselves uncertain",
        tuple(attempts),
    )


def _dusty(problem: Problem, candidate: Candidate, certified: Certified) -> bool:
    """Whether a vertex came out with too many signals, where fractions can say which are real.

    A degenerate vertex has basic variables whose exact value is zero; in badly scaled games they
    come out as masses too small to matter and too large to tell from rounding.
    """
    few = min(problem.n_states, problem.n_actions)
    small = problem.n_states * problem.n_actions <= _EXACT_FALLBACK_CELLS
    return small and candidate.vertex is not None and len(certified.used) > few


def _scheme_after_all(problem: Problem) -> Candidate | None:
    """Exact answer where floats found none: a tie may make a scheme possible, but just so."""
    exact = solvers.load("exact")
    if problem.n_states * problem.n_actions > _EXACT_FALLBACK_CELLS or exact.supports(problem):
        return None
    try:
        candidate = exact.solve(problem)
    except (InfeasibleError, NotSolvedError, ImportError):
        return None
    assert isinstance(candidate, Candidate)
    return candidate


def _solution(
    problem: Problem,
    candidate: Candidate,
    certified: Certified,
    **found: Any,
) -> Solution:
    return Solution(
        game=problem.game,
        receiver=problem.receiver,
        value=certified.value,
        upper_bound=certified.upper_bound,
        residuals=certified.residuals,
        recommendations=tuple(certified.used.tolist()),
        masses=certified.masses,
        support_prices=certified.prices,
        price_rows=(candidate.price_rows, candidate.prices),
        problem=problem,
        candidate=candidate,
        **found,
    )


def _exact_solution(
    problem: Problem,
    candidate: Candidate,
    solver: Solver,
    started: float,
    attempts: list[tuple[str, str]],
    options: dict[str, Any],
) -> Solution:
    """Check an exact answer in fractions and present it in fractions."""
    from persuasion.exact_certificate import check_certificate

    assert candidate.exact_masses is not None
    assert candidate.exact_prices is not None
    masses = candidate.exact_masses
    exact = check_certificate(problem, masses, candidate.exact_prices)
    if not (exact.plausible and exact.obeys and exact.value <= exact.upper_bound):
        raise NotSolvedError(
            f"method {solver.name!r} returned an answer that fails exactly: {exact}"
        )
    optimal = exact.value == exact.upper_bound
    if not optimal and candidate.finished:
        raise NotSolvedError(f"method {solver.name!r} returned a suboptimal answer: {exact}")
    used = tuple(sorted({a for (_, a), mass in masses.items() if mass > 0}))
    floats = [[float(masses.get((w, a), 0)) for a in used] for w in range(problem.n_states)]
    # as they are: what `certify` takes for rounding noise may be what makes a signal obeyed
    certified = replace(
        certify(problem, candidate), masses=frozen(np.array(floats)), used=np.array(used)
    )
    solution = _solution(
        problem,
        candidate,
        certified,
        status=OPTIMAL if optimal else TIME_LIMIT,
        method=solver.name,
        seconds=perf_counter() - started,
        attempts=tuple(attempts),
        options=options,
    )
    return _in_fractions(solution, exact, used)


def _in_fractions(solution: Solution, exact: ExactCertificate, used: tuple[int, ...]) -> Solution:
    problem, candidate = solution.problem, solution.candidate
    assert problem is not None
    assert isinstance(candidate, Candidate)
    assert candidate.exact_masses is not None
    weights = problem.exact.weights
    game = solution.game
    kept = range(game.n_states) if problem.support is None else problem.support.tolist()
    zero = Fraction(0)
    rows: list[list[Fraction]] = []
    by_state = dict(zip(kept, range(len(weights)), strict=True))
    for state in range(game.n_states):
        if state in by_state:
            w = by_state[state]
            rows.append([candidate.exact_masses.get((w, a), zero) / weights[w] for a in used])
        else:  # nobody deems it possible: what the Receiver likes best there
            utility = [game.exact.receiver_utility[state][a] for a in used]
            best = utility.index(max(utility))
            rows.append([Fraction(int(i == best)) for i in range(len(used))])
    scheme = SignalingScheme(np.array(rows, dtype=object), signals=[game.actions[a] for a in used])
    return replace(
        solution,
        value=exact.value,
        upper_bound=exact.upper_bound,
        residuals=Residuals(0.0, 0.0, float(exact.upper_bound - exact.value)),
        given_scheme=scheme,
    )


def _in_floats(solution: Solution) -> Solution:
    """An exactly certified answer for a caller who asked for floats."""
    return replace(
        solution,
        value=float(solution.value),
        upper_bound=float(solution.upper_bound),
        given_scheme=None,
    )


def _split_solution(
    problem: Problem,
    candidate: SplitCandidate,
    solver: Solver,
    tolerance: float,
    started: float,
    attempts: list[tuple[str, str]],
    options: dict[str, Any],
) -> Solution:
    """Turn a split into a scheme, let the Receiver play against it, and state the interval."""
    game = problem.game
    posteriors = candidate.posteriors
    if problem.support is not None:
        wide = np.zeros((len(posteriors), game.n_states))
        wide[:, problem.support] = posteriors
        posteriors = wide
    scheme = SignalingScheme.from_posteriors(game.receiver_prior, candidate.weights, posteriors)
    value = sender_value(game, scheme, problem.receiver)
    mean = candidate.weights @ posteriors
    plausibility = float(np.abs(mean - game.receiver_prior).max())
    gains = problem.gains
    spread = sender_spread(problem.weights, gains, np.ptp(gains, axis=1))
    gap = (candidate.upper_bound - value) / spread
    recommendations: tuple[int, ...] | None = None
    obedience = 0.0
    if problem.is_linear:
        response = problem.receiver.respond(game, scheme.posteriors(game.receiver_prior))
        recommendations = tuple(int(a) for a in response.argmax(axis=1))
        masses = np.zeros_like(gains)
        joint = candidate.weights[:, None] * candidate.posteriors
        np.add.at(masses.T, list(recommendations), joint)
        obeyed = Candidate(masses, np.zeros((0, 2), dtype=np.intp), np.zeros(0))
        obedience = certify(problem, obeyed).residuals.obedience
    status = WITHIN_BOUND if candidate.finished else TIME_LIMIT
    if candidate.finished and abs(gap) <= tolerance:
        status = OPTIMAL
    return Solution(
        game=game,
        receiver=problem.receiver,
        value=value,
        upper_bound=candidate.upper_bound,
        status=status,
        residuals=Residuals(plausibility, obedience, gap),
        recommendations=recommendations,
        method=solver.name,
        seconds=perf_counter() - started,
        attempts=tuple(attempts),
        options=options,
        given_scheme=scheme,
        problem=problem,
        candidate=candidate,
    )


def _number(value: Any, name: str) -> float | Fraction:
    """Read a number that may be a rational string."""
    if isinstance(value, (str, Fraction)):
        try:
            return Fraction(value)
        except (ValueError, ZeroDivisionError) as cause:
            raise PersuasionError(
                f'`{name}` must be a number or a string such as "1/10"; got {value!r}'
            ) from cause
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise PersuasionError(f"`{name}` must be a number; got {value!r}")
    return float(value)


def _check_options(
    game: PersuasionGame,
    receiver: Receiver,
    margin: float | Fraction,
    max_signals: int | None,
    time_limit: float | None,
    tolerance: float,
) -> None:
    require_game(game)
    if isinstance(receiver, type):
        raise PersuasionError(f"pass a Receiver, not its class: {receiver.__name__}(...)")
    if not hasattr(receiver, "respond"):
        raise PersuasionError(
            f"`receiver` must have a method respond(game, posteriors); got {receiver!r}"
        )
    if getattr(receiver, "ties", "sender") != "sender":
        raise UnsupportedError(
            f"an optimum need not exist under ties={receiver.ties!r}; "  # type: ignore[attr-defined]
            "use persuasion.supremum_adversarial(game) for the supremum against adversarial ties, "
            "or sender_value(game, scheme, receiver) to evaluate a given scheme"
        )
    if not is_best_responder(receiver) and (margin != 0 or max_signals is not None):
        raise UnsupportedError(
            f"`margin` and `max_signals` are about recommendations, and {receiver!r} does not "
            "follow any: leave them out, or solve against Bayesian() or Biased(alpha)"
        )
    if margin != 0 and not (margin >= 0 and math.isfinite(margin)):
        raise PersuasionError(f"`margin` must be a finite number >= 0; got {margin}")
    if max_signals is not None and (
        isinstance(max_signals, bool) or max_signals != int(max_signals) or max_signals < 1
    ):
        raise PersuasionError(f"`max_signals` must be an integer >= 1; got {max_signals}")
    if time_limit is not None and not time_limit > 0:
        raise PersuasionError(
            f"`time_limit` must be a positive number of seconds; got {time_limit}"
        )
    if not (0 < tolerance < 1):
        raise PersuasionError(f"`tolerance` must be between 0 and 1, like 1e-9; got {tolerance}")
