"""A language model that learns to persuade while she plays.

She knows both utilities and sees which items occurred, not how likely they are. As the sample
doubles she is trained further, from her last weights, on the exact objective at the empirical
prior; the obedience asked of her shrinks as the confidence radius does, so that what she learns at
the empirical prior is obeyed at the true one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from llm_bridge.advisor import Advisor
from llm_bridge.task import Example, Task
from llm_bridge.train import train
from llm_bridge.training.settings import AdvisorTraining
from persuasion.ambiguity import l1_radius
from persuasion.errors import PersuasionError
from persuasion.learners._epochs import EpochLearner
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from persuasion.view import LearnerView, PriorEstimate

__all__ = ["AdvisorLearner", "room_of_disclosure"]

_BLUR = 5.0
"""How much less precise the Receiver's response is at the beginning of an epoch than at its end."""


@dataclass(kw_only=True)
class AdvisorLearner(EpochLearner):
    """An Advisor in the place of an online Sender.

    Until the sample is large enough for anything else she tells the item. From then on each epoch
    makes `steps` steps along the gradient of her expected utility at the empirical prior.

    Parameters
    ----------
    advisor : Advisor
        Untrained; copied, never changed. Needs a signal for each item.
    task : Task
    examples : sequence of Example
        Inputs of one template. The scheme she plays draws one of them, which the Receiver sees, and
        sends her signal there.
    growth : float, > 1
        A new epoch begins when the sample has grown by this factor.
    delta : float in (0, 1), optional
        Failure probability of all radii together; default 1 / horizon.
    caution : float, >= 0
        The margin is ``caution * radius *`` the width of the Receiver's utilities. 0 does not look
        at how little is known: a negative control.
    least_margin : float, >= 0
        The margin falls no further, in the Receiver's utils: what a model writes is never exact.
    disclosing_steps : int, >= 0
        Steps towards full disclosure before the first round.
    warm_steps, steps : int, >= 0
        Of the first epoch of training, towards softened full disclosure; and of each epoch.
    lr : float, > 0
    batch : int, >= 1
    sharpness : float, > 0
        Precision of the Receiver's response in training times the margin, at the end of an epoch;
        a fifth of it at the beginning. So the response is as sharp as the margin is small.
    device : str
        See `llm_bridge.device.accelerator`.

    Notes
    -----
    Symbols: radius = e_n(delta), of failure probability delta / (j (j + 1)) in epoch j.
    Departures: no theorem is known to cover her. A margin is asked for after each signal, not at
    each prior of the confidence set, and the ascent may end in a local optimum.
    """

    advisor: InitVar[Advisor]
    task: InitVar[Task]
    examples: InitVar[Sequence[Example]]
    growth: float = 2.0
    delta: float | None = None
    caution: float = 0.5
    least_margin: float = 0.005
    disclosing_steps: int = 100
    warm_steps: int = 100
    steps: int = 60
    lr: float = 1e-3
    batch: int = 16
    sharpness: float = 10.0
    device: str = "auto"
    name: ClassVar[str] = "advisor"
    _advisor: Advisor = field(init=False, repr=False, compare=False)

    def __post_init__(self, advisor: Advisor, task: Task, examples: Sequence[Example]) -> None:
        super().__post_init__()
        templates = {example.template for example in examples}
        if len(templates) != 1:
            raise PersuasionError(
                "`examples` must be inputs of one template, whose game is played; got "
                f"{len(examples)} of {', '.join(sorted(templates)) or 'none'}"
            )
        if advisor.n_signals < len(task.items):
            raise PersuasionError(
                f"the Advisor needs a signal for each of the {len(task.items)} items, to tell "
                f"them while she knows little else; she has {advisor.n_signals}"
            )
        if self.delta is not None and not 0 < self.delta < 1:
            raise PersuasionError(f"`delta` must lie between 0 and 1; got {self.delta}")
        if not self.caution >= 0:
            raise PersuasionError(f"`caution` must be 0 or more; got {self.caution}")
        self._given, self._task, self._examples = advisor, task, list(examples)
        self._template = templates.pop()
        self._settings(seed=0, warm_steps=self.warm_steps, margin=self.least_margin)

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Start a run with the weights given and no states seen."""
        n = len(self._task.items)
        if (view.n_states, view.n_actions) != (n, n):
            raise PersuasionError(
                f"the game has {view.n_states} states and {view.n_actions} actions; both must be "
                f"the {n} items of {self._task.name!r}: {', '.join(self._task.items)}"
            )
        self._advisor = copy.deepcopy(self._given)
        self._trained = False
        self._room = room_of_disclosure(view.receiver_utility)
        super().reset(view, rng)

    def decide(self) -> tuple[SignalingScheme, PriorEstimate]:
        """Train her further, where enough is known, and return her scheme."""
        n_seen, n_items = int(self._counts.sum()), self._view.n_states
        total = 1 / self._view.horizon if self.delta is None else self.delta
        total = min(total, 0.5)  # a horizon of one round
        radius = min(l1_radius(n_seen, n_items, total / (self._n_solves * (self._n_solves + 1))), 2)
        belief = PriorEstimate.from_counts(self._counts, radius)
        utility = self._view.receiver_utility
        margin = self.caution * radius * float(np.ptp(utility))
        if n_seen == 0:
            told = np.eye(n_items, self._advisor.n_signals)
            self._train(belief.center, self.disclosing_steps, 0, 0.0, target=told)
        elif margin < self._room:
            warm_steps = 0 if self._trained else self.warm_steps
            self._train(belief.center, self.steps, warm_steps, max(margin, self.least_margin))
            self._trained = True
        return self._scheme_of_all_inputs(), belief

    def _train(
        self,
        prior: FloatArray,
        steps: int,
        warm_steps: int,
        margin: float,
        *,
        target: FloatArray | None = None,
    ) -> None:
        seed = int(self._rng.integers(2**31))
        settings = self._settings(seed=seed, warm_steps=warm_steps, margin=margin, steps=steps)
        if settings.total_steps == 0:
            return
        train(
            self._advisor,
            self._task,
            {self._template: self._view.game_at(prior)},
            self._examples,
            rule="best_response",
            settings=settings,
            mode="exact" if target is None else "distill",
            targets=None if target is None else {self._template: target},
            device=self.device,
        )

    def _settings(
        self, *, seed: int, warm_steps: int, margin: float, steps: int | None = None
    ) -> AdvisorTraining:
        return AdvisorTraining(
            warm_steps=warm_steps,
            steps=self.steps if steps is None else steps,
            lr=self.lr,
            batch=self.batch,
            beta_start=self.sharpness / max(margin, self.least_margin) / _BLUR,
            beta_end=self.sharpness / max(margin, self.least_margin),
            margin=margin,
            seed=seed,
        )

    def _scheme_of_all_inputs(self) -> SignalingScheme:
        """Draw an input, show it, and send the Advisor's signal there: one signal for each pair."""
        kernels = self._advisor.kernels(self._task, self._examples)
        n_inputs, n_items, n_signals = kernels.shape
        table = kernels.transpose(1, 0, 2).reshape(n_items, n_inputs * n_signals) / n_inputs
        return SignalingScheme(table / table.sum(axis=1, keepdims=True))


def room_of_disclosure(receiver_utility: FloatArray) -> float:
    """Margin with which a Receiver obeys who is told the state, in her utils.

    Parameters
    ----------
    receiver_utility : ndarray (n_states, n_actions)

    Returns
    -------
    float
        Least lead, over the states, of the best action over all others; 0 where two are best. What
        asks for more room than this can only tell the state.

    Examples
    --------
    >>> import numpy as np
    >>> from llm_bridge.online_learner import room_of_disclosure
    >>> room_of_disclosure(np.array([[1.0, 0.25, 0.0], [0.0, 0.5, 0.0]]))
    0.5
    """
    best = np.sort(receiver_utility, axis=1)[:, ::-1]
    return float((best[:, 0] - best[:, 1]).min()) if best.shape[1] > 1 else 0.0
