"""Training the Advisor.

First some steps towards softened full disclosure, so that signals mean something at all; then the
objective of the mode, at the measured games, against a Receiver whose response grows sharper. The
optimum of the linear program is never looked at, but by the mode that says so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llm_bridge import objectives
from llm_bridge.advisor import Advisor
from llm_bridge.device import accelerator
from llm_bridge.meter import TRAINING, working
from llm_bridge.objectives.distill import imitation_loss
from llm_bridge.objectives.exact import expected_value
from llm_bridge.task import Example, Task
from llm_bridge.training.belief_response import ReceiverRule, Stakes
from llm_bridge.training.data_parallel import share
from llm_bridge.training.run import TrainingRun
from llm_bridge.training.settings import AdvisorTraining, TrainingLog
from llm_bridge.training.warm_start import warm_targets
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme

__all__ = ["AdvisorTraining", "TrainingLog", "train"]

_LOG = logging.getLogger(__name__)


def train(
    advisor: Advisor,
    task: Task,
    games: Mapping[str, PersuasionGame],
    examples: Sequence[Example],
    *,
    rule: ReceiverRule | None = None,
    settings: AdvisorTraining | None = None,
    mode: str = "exact",
    targets: Mapping[str, FloatArray] | None = None,
    checkpoint: Path | str | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> TrainingLog:
    """Train an Advisor in place.

    Parameters
    ----------
    advisor : Advisor
    task : Task
        Gives the prompts, and the Receiver's rule unless `rule` does.
    games : mapping of str to PersuasionGame
        The game of each template: states and actions are the task's items.
    examples : sequence of Example
        Inputs to train on; every template among them needs its game.
    rule : {"posterior_sampling", "best_response", "quantal"}, optional
    settings : AdvisorTraining, optional
    mode : {"exact", "belief_pg", "distill", "reinforce"}
        exact ascends the expected utility, belief_pg an unbiased sample of its gradient; distill
        imitates `targets`; reinforce is a negative control.
    targets : mapping of str to array (n_items, at most n_signals), optional
        Scheme to imitate for each template, for distill.
    checkpoint : path, optional
        A folder. What an attempt left there is gone on from; the end is the same bit for bit as
        without the interruption. After the last step it holds the outcome.
    device, precision : str
        See `device.accelerator`. Started by torchrun or accelerate launch, this call divides every
        batch among the processes.
    progress : callable, optional
        Called with (steps done, steps in all) after each step.

    Returns
    -------
    TrainingLog

    Raises
    ------
    PersuasionError
        Before any work, when the parts do not fit together.

    Notes
    -----
    Symbols: kernel = phi(g | x, i), beliefs = mu_g; see `objectives.exact`.
    Departures: batches depend on seed and step alone, so nothing about them is kept. Where a GPU
    has too little memory, batches go through the model in pieces, which the log tells. Sampled
    modes draw for each part by itself: n processes see the rounds that one process sees which
    accumulates gradients over n parts. Weights of 16 bits are turned into float32 first. After an
    error the Advisor is as far as the run had got; go on from the checkpoint with one like she was
    before.
    """
    settings = settings or AdvisorTraining()
    objective = objectives.load(mode)
    asked: Any = rule or task.rule
    templates = _checked_templates(task, games, examples)
    imitated = _checked_targets(targets, templates, task, advisor) if objective.needs_target else {}
    stakes = _stakes([games[t] for t in templates], templates, settings, asked, imitated)
    tokens = advisor.encode([task.advisor_prompt(x, item) for x in examples for item in task.items])
    described = {
        "mode": mode,
        "rule": asked,
        "settings": {**asdict(settings), "checkpoint_every": None},
        "games": hashlib.sha256(repr([_numbers(games[t]) for t in templates]).encode()).hexdigest(),
        "targets": {t: target.tolist() for t, target in imitated.items()},
        "inputs": hashlib.sha256(
            json.dumps([[x.template, x.text] for x in examples] + tokens).encode()
        ).hexdigest(),
        "advisor": advisor.fingerprint,
        "torch": torch.__version__,
    }
    if objective.note:
        _LOG.info("mode %s: %s", mode, objective.note)
    n_items = len(task.items)
    game_of = np.array([templates.index(x.template) for x in examples])
    lengths = np.array([len(row) for row in tokens]).reshape(len(examples), n_items).sum(axis=1)
    pools = [np.flatnonzero(game_of == k) for k in range(len(templates))]
    machine = accelerator(precision, device, several=True)
    stakes = stakes.to(machine.device)
    judged = replace(stakes, beta=settings.receiver_beta or settings.beta_end)
    warm = warm_targets(judged, advisor.n_signals, settings.starts, settings.seed)
    with TrainingRun(advisor, settings, described, machine, checkpoint) as run:

        def backward(step: int, n_pieces: int) -> tuple[float, float]:
            """Go through this process's share of a batch, each part in so many pieces."""
            chosen = _batch(pools, settings, step)
            beta = settings.beta_at(step) if asked != "quantal" else settings.receiver_beta
            value = total = 0.0
            n_parts = settings.grad_accumulation * machine.num_processes
            for part, together in share(_parts(chosen, n_parts), machine):
                draws = run.generator(step, part)
                for inputs in _parts(together, n_pieces):
                    rows = [
                        tokens[i * n_items + j] for i in inputs.tolist() for j in range(n_items)
                    ]
                    laws = advisor.log_law(rows, run.model).double()
                    log_kernel = laws.view(len(inputs), n_items, advisor.n_signals)
                    games_here = torch.as_tensor(game_of[inputs], device=machine.device)
                    here = stakes.at(games_here, beta or 0.0)
                    if step < settings.warm_steps:
                        losses = imitation_loss(log_kernel, warm[games_here], here.prior)
                    else:
                        losses = objective.loss(log_kernel, here, draws, settings.n_samples)
                    loss = losses.sum() / len(chosen)
                    machine.backward(loss)
                    with torch.no_grad():
                        value += float(expected_value(log_kernel, here).sum()) / len(chosen)
                    total += float(loss.detach())
            return value, total

        for step in range(run.step, settings.total_steps):
            with working(TRAINING) as count:
                value, total = run.gather(partial(backward, step), most=settings.batch)
                run.update(value=value, loss=total)
                count(int(lengths[_batch(pools, settings, step)].sum()))
            if progress is not None:
                progress(step + 1, settings.total_steps)
    return TrainingLog(
        mode=mode,
        rule=asked,
        values=tuple(run.values),
        losses=tuple(run.losses),
        warm_steps=settings.warm_steps,
        seconds=run.seconds,
        note=objective.note,
    )


def _batch(
    pools: Sequence[NDArray[np.intp]], settings: AdvisorTraining, step: int
) -> NDArray[np.intp]:
    """Inputs of a step, the templates taking even shares: a function of seed and step alone."""
    rng = np.random.default_rng([settings.seed, 1, step])
    shares = [len(part) for part in np.array_split(np.arange(settings.batch), len(pools))]
    return np.concatenate(
        [
            rng.choice(pool, size=min(max(share, 1), len(pool)), replace=False)
            for pool, share in zip(pools, shares, strict=True)
        ]
    )


def _parts(chosen: NDArray[np.intp], n: int) -> list[NDArray[np.intp]]:
    return np.array_split(chosen, min(n, len(chosen)))


def _checked_templates(
    task: Task, games: Mapping[str, PersuasionGame], examples: Sequence[Example]
) -> list[str]:
    """Templates of the examples, in the task's order, each with a game that fits."""
    if not examples:
        raise PersuasionError("there are no examples to train on; pass one or more")
    foreign = [x for x in examples if x.task != task.name or x.template not in task.priors]
    if foreign:
        raise PersuasionError(
            f"the example {foreign[0].text!r} is of task {foreign[0].task!r}, template "
            f"{foreign[0].template!r}, which is not among those of {task.name!r}: "
            f"{', '.join(task.priors)}"
        )
    templates = [t for t in task.priors if any(x.template == t for x in examples)]
    n = len(task.items)
    for template in templates:
        if template not in games:
            raise PersuasionError(
                f"there is no game for the template {template!r}; got {', '.join(games) or 'none'}"
            )
        game = games[template]
        if (game.n_states, game.n_actions) != (n, n):
            raise PersuasionError(
                f"the game of template {template!r} has {game.n_states} states and "
                f"{game.n_actions} actions; both must be the {n} items of {task.name!r}: "
                f"{', '.join(task.items)}"
            )
        for kind, labels in (("state", game.states), ("action", game.actions)):
            unnamed = tuple(f"{kind} {i}" for i in range(n))
            if labels not in (task.items, unnamed):
                raise PersuasionError(
                    f"the {kind}s of the game of template {template!r} are {', '.join(labels)}; "
                    f"they must be the items, in their order: {', '.join(task.items)}"
                )
    return templates


def _checked_targets(
    targets: Mapping[str, Any] | None, templates: Sequence[str], task: Task, advisor: Advisor
) -> dict[str, FloatArray]:
    """Schemes to imitate, with a column for each signal of the Advisor."""
    checked = {}
    for template in templates:
        if targets is None or template not in targets:
            raise PersuasionError(
                "the mode 'distill' needs a scheme to imitate for each template; `targets` has "
                f"none for {template!r}"
            )
        kernel = SignalingScheme(targets[template]).kernel
        if kernel.shape[0] != len(task.items) or kernel.shape[1] > advisor.n_signals:
            raise PersuasionError(
                f"the scheme to imitate for {template!r} has shape {kernel.shape}; legal are "
                f"{len(task.items)} rows, one per item, and at most {advisor.n_signals} columns, "
                "one per codeword"
            )
        unused = advisor.n_signals - kernel.shape[1]
        checked[template] = np.pad(kernel, ((0, 0), (0, unused)))
    return checked


def _stakes(
    games: Sequence[PersuasionGame],
    templates: Sequence[str],
    settings: AdvisorTraining,
    rule: Any,
    targets: Mapping[str, FloatArray],
) -> Stakes:
    """The games of all templates, one under the other."""
    if rule == "quantal" and settings.receiver_beta is None:
        raise PersuasionError(
            "the rule 'quantal' needs the Receiver's precision; set `receiver_beta`"
        )

    def stacked(arrays: Sequence[Any]) -> Tensor:
        return torch.tensor(np.stack(arrays), dtype=torch.float64)

    return Stakes(
        prior=stacked([game.prior for game in games]),
        receiver_prior=stacked([game.receiver_prior for game in games]),
        sender_utility=stacked([game.sender_utility for game in games]),
        receiver_utility=stacked([game.receiver_utility for game in games]),
        margin=stacked([settings.margin_of(t) for t in templates]),
        rule=rule,
        target=stacked([targets[t] for t in templates]) if targets else None,
    )


def _numbers(game: PersuasionGame) -> list[Any]:
    """What determines a game, for comparing runs."""
    arrays = (game.prior, game.receiver_prior, game.sender_utility, game.receiver_utility)
    return [array.tolist() for array in arrays]
