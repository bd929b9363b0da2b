"""Evaluating: Advisors, yardsticks and controls on inputs that nothing was fitted to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from llm_bridge.arms import Signaler, kernels_of, rule_of
from llm_bridge.evaluation import Arm, ArmKind, Evaluation
from llm_bridge.measurement import Measurement
from llm_bridge.optimum import optimum
from llm_bridge.play_arms import PlayedArm, play_arms
from llm_bridge.receivers import TextReceiver
from llm_bridge.reply_log import ReplyLog
from llm_bridge.responses import draw_examples, respond_to_every_hint
from llm_bridge.sampled_rows import sampled_rows
from llm_bridge.task import Split, Task
from persuasion.errors import PersuasionError
from persuasion.estimate import MarginRule
from persuasion.rationals import FloatArray, frozen

__all__ = ["evaluate"]

_RESERVED = ("none", "prior", "silent", "full", "oracle")
_DERIVED = ("shuffled", "misled", "deaf")
_PREFIXES = ("scheme ", *(f"{word} " for word in _DERIVED))


def evaluate(
    task: Task,
    receiver: TextReceiver,
    measurement: Measurement,
    advisors: Mapping[str, Signaler],
    *,
    n_inputs: int | Mapping[str, int],
    seed: int = 0,
    split: Split = "test",
    controls: Mapping[str, Signaler] | None = None,
    margin: float | MarginRule = "root",
    weights: Mapping[str, float] | None = None,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    log: ReplyLog | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Try Advisors on held-out inputs against yardsticks and controls, with real replies.

    Parameters
    ----------
    task : Task
    receiver : TextReceiver
        She updates by Bayes' rule, knowing input and kernel, responds by her rule with the
        utilities of the measured game, and writes with what she then believes as the hint.
    measurement : Measurement
        Of this task with this Receiver.
    advisors : mapping of str to Signaler
        Anything with ``kernels(task, examples)``; names become names of arms.
    n_inputs : int or mapping of str to int
        Held-out inputs per template.
    seed : int
    split : {"train", "measure", "test"}
    controls : mapping of str to Signaler, optional
        More Advisors, of whom nothing is claimed: one untrained, one trained by a broken method.
    margin : float or {"root", "bootstrap", "theorem_6"}
        Of the schemes solved from the measured games; see `llm_bridge.optimum.optimum`.
    weights : mapping of str to float, optional
        Share of each template; default equal.
    n_resamples, confidence
        Of the bootstrap over inputs.
    log : ReplyLog, optional
        Replies it holds are not generated again.
    progress : callable, optional
        Called with (replies, replies in all).

    Returns
    -------
    Evaluation
        Arms: "none" (no hint), "prior" (the hint is drawn from the prior), "oracle" (the hint is
        the true item), "silent" (one signal: she acts on her prior), "full" (one signal per item),
        each Advisor and control by its name, and ``scheme k``, the best scheme of the measured
        games with k signals, for each k that an Advisor uses and for as many as items. For each
        Advisor three controls: ``shuffled NAME``, in which the signal is that of another item,
        drawn from the prior for the same input, as the Receiver knows; ``misled NAME``, in which
        she believes it to be honest; and ``deaf NAME``, in which she writes without a hint whatever
        she believes.

    Raises
    ------
    PersuasionError
        When the measurement is of another task or Receiver or saw one of the inputs, a name is
        taken, or kernels are no probabilities.

    Notes
    -----
    Value of an input x: ``sum_i p(i) sum_g phi(g | x, i) sum_a r(a | mu_g) v(x, reply to a, i)``,
    exact given the n_items + 1 replies.
    """
    named = _named(advisors, controls or {})
    _check_measurement(task, receiver, measurement)
    shares = measurement.weights(weights)
    examples = draw_examples(task, split, n_inputs, seed)
    _check_unseen(measurement, [example.text for example in examples])
    kernels = {name: kernels_of(signaler, task, examples) for name, (_, signaler) in named.items()}
    sizes = {kernels[name].shape[2] for name, (kind, _) in named.items() if kind == "advisor"}
    rule = rule_of(receiver)
    optima = {
        k: optimum(measurement, rule, k, margin=margin, weights=weights)
        for k in sorted({*sizes, len(task.items)})
    }
    responses = respond_to_every_hint(task, receiver, examples, log=log, progress=progress)

    words = {
        name: words
        for name, (_, signaler) in named.items()
        if (words := getattr(getattr(signaler, "codebook", None), "words", None)) is not None
    }
    parts: list[dict[str, PlayedArm]] = []
    rows: list[dict[str, Any]] = []
    seeds = np.random.SeedSequence(seed).spawn(len(shares))
    for template, own_seed in zip(shares, seeds, strict=True):
        part, game = responses.of(template), measurement.games[template]
        chosen = [x for x, example in enumerate(examples) if example.template == template]
        sent: dict[str, tuple[ArmKind, FloatArray]] = {
            "silent": ("baseline", _everywhere(np.ones((len(task.items), 1)), len(chosen))),
            "full": ("baseline", _everywhere(np.eye(len(task.items)), len(chosen))),
            **{name: (kind, kernels[name][chosen]) for name, (kind, _) in named.items()},
            **{
                f"scheme {k}": ("scheme", _everywhere(best.schemes[template].kernel, len(chosen)))
                for k, best in optima.items()
            },
        }
        arms = play_arms(game, part, receiver, sent)
        parts.append(arms)
        labels = {
            arm: words[name]
            for name in words
            for arm in (name, *(f"{word} {name}" for word in _DERIVED))
        }
        rows += sampled_rows(part, arms, game.prior, task.items, labels, own_seed)
    n_signals: dict[str, int | None] = {"silent": 1, "full": len(task.items)}
    n_signals |= {f"scheme {k}": k for k in optima}
    for name in named:
        for arm in (name, *(f"{word} {name}" for word in _DERIVED)):
            n_signals[arm] = kernels[name].shape[2]
    return Evaluation(
        task=task.name,
        receiver=receiver.name,
        rule=type(rule).__name__,
        items=tuple(task.items),
        split=split,
        seed=seed,
        inputs=tuple(example.text for example in examples),
        templates=tuple(example.template for example in examples),
        weights=shares,
        arms={name: _joined(name, parts, n_signals.get(name)) for name in parts[0]},
        optima=optima,
        n_resamples=n_resamples,
        confidence=confidence,
        rows=tuple(rows),
    )


def _everywhere(kernel: FloatArray, n_inputs: int) -> FloatArray:
    return np.broadcast_to(kernel, (n_inputs, *kernel.shape))


def _joined(name: str, parts: Sequence[Mapping[str, PlayedArm]], n_signals: int | None) -> Arm:
    """Put an arm's inputs together, template by template as the examples are."""
    played = [part[name] for part in parts]
    adversarial = [arm.adversarial for arm in played if arm.adversarial is not None]
    return Arm(
        name=name,
        kind=played[0].kind,
        n_signals=n_signals,
        sender=frozen(np.concatenate([arm.sender for arm in played])),
        receiver=frozen(np.concatenate([arm.receiver for arm in played])),
        adversarial=frozen(np.concatenate(adversarial)) if adversarial else None,
    )


def _named(
    advisors: Mapping[str, Signaler], controls: Mapping[str, Signaler]
) -> dict[str, tuple[ArmKind, Signaler]]:
    out: dict[str, tuple[ArmKind, Signaler]] = {}
    given: tuple[tuple[ArmKind, Mapping[str, Signaler]], ...] = (
        ("advisor", advisors),
        ("control", controls),
    )
    for kind, group in given:
        for name, signaler in group.items():
            if name in out or name in _RESERVED or name.startswith(_PREFIXES):
                raise PersuasionError(
                    f"an arm cannot be named {name!r}: names of Advisors and controls must differ, "
                    f"be none of {', '.join(_RESERVED)}, and not begin with "
                    f"{', '.join(repr(prefix) for prefix in _PREFIXES)}"
                )
            if not hasattr(signaler, "kernels"):
                raise PersuasionError(
                    f"{name!r} must have kernels(task, examples) -> [input, item, signal]; "
                    f"got {signaler!r}"
                )
            out[name] = (kind, signaler)
    return out


def _check_measurement(task: Task, receiver: TextReceiver, measurement: Measurement) -> None:
    for what, theirs, ours in (
        ("task", measurement.task, task.name),
        ("items", measurement.items, tuple(task.items)),
        ("templates", measurement.templates, tuple(task.priors)),
        ("Receiver (fingerprint)", measurement.fingerprint, receiver.fingerprint),
    ):
        if theirs != ours:
            raise PersuasionError(
                f"the measurement is of another {what}: {theirs!r} instead of {ours!r}; "
                "measure(task, receiver) first"
            )


def _check_unseen(measurement: Measurement, inputs: Sequence[str]) -> None:
    known = {text for texts in measurement.inputs.values() for text in texts}
    both = [text for text in inputs if text in known]
    if both:
        raise PersuasionError(
            f"{len(both)} inputs were measured on, {both[0]!r} among them; evaluate on a split "
            f"other than {measurement.split!r}"
        )
