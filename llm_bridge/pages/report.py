"""The page of an experiment: tables, pictures, how to do it again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llm_bridge.experiment import Outcome
from llm_bridge.meter import in_words
from llm_bridge.pages.comparison import comparison_section
from llm_bridge.pages.online_report import online_sections_in
from llm_bridge.pages.plots import Bar, plot_arms, plot_kernels, plot_learning, plot_transfer
from llm_bridge.pages.results import (
    DISCLOSURE,
    arm_in_words,
    arms_table,
    claims_table,
    controls_table,
    how_many_held,
    order_of,
    tally_table,
    transfer_tables,
    what_was_seen,
)
from llm_bridge.staging.plan import AdvisorPlan
from persuasion.rationals import FloatArray
from persuasion.report import Block, Paragraph, Picture, Report, Section, Table

__all__ = ["report_on", "task_section"]

_LEAD = (
    "A language model advises, another one reads and writes. The game they play was measured, its "
    "optimum computed, and the Advisor held against both on inputs that nothing was fitted to."
)
_KINDS = {"baseline": "baseline", "advisor": "persuaded", "scheme": "optimum"}
_RUNNING = 10
"""Steps over which a learning curve is averaged."""


def report_on(outcome: Outcome) -> Report:
    """Return the page."""
    first = [Paragraph(f"{how_many_held(outcome)}."), Paragraph(what_was_seen(outcome))]
    sections = [Section("What came of it", first)]
    sections += [task_section(outcome, task) for task in outcome.evaluations]
    measured = {one.name: one.key for one in outcome.stages}
    receiver = outcome.config.receiver.name
    keys = {task: measured.get(f"measure-{task}-{receiver}", "") for task in outcome.config.tasks}
    sections += [_controls(outcome), *_transfer(outcome)]
    sections += comparison_section(outcome.comparisons)
    sections += [*online_sections_in(outcome.folder, keys), *_asked(outcome), _repeat(outcome)]
    return Report(f"Persuading language models: {outcome.config.name}", sections, _LEAD)


def task_section(outcome: Outcome, task: str) -> Section:
    """Return arms, learning curves and one learned kernel of a task."""
    from llm_bridge import tasks

    evaluation = outcome.evaluations[task]
    blocks: list[Block] = [Paragraph(tasks.about(task))]
    bars = []
    for name in order_of(evaluation):
        if evaluation.arms[name].kind == "control":
            continue
        value, kind = evaluation.value(name), _KINDS[evaluation.arms[name].kind]
        kind = "disclosure" if name in DISCLOSURE else kind
        bars.append(Bar(arm_in_words(name), value.mean, value.lower, value.upper, kind))
    level = 100 * evaluation.confidence
    blocks.append(
        Picture.of(
            plot_arms(bars, unit="Advisor's value in utils"),
            f"Bars of the Advisor's value in task {task}, one for each way of advising.",
            f"{len(evaluation.inputs)} held-out inputs, real replies; whiskers: {level:g}% "
            "bootstrap limits. Best schemes were solved from the measured games.",
        )
    )
    blocks += [*_learning(outcome, task), *_kernel(outcome, task)]
    blocks += [arms_table(outcome, task), claims_table(outcome, task)]
    blocks.append(outcome.measurements[task].table())
    return Section(f"Task {task}", blocks)


def _learning(outcome: Outcome, task: str) -> Iterator[Block]:
    curves = {
        plan.name: _smoothed(curve.values)
        for plan, curve in outcome.curves.items()
        if plan.task == task and len(curve.values) > 1
    }
    if not curves:
        return
    counts = sorted({p.n_signals for p in outcome.curves if p.task == task})
    levels = {f"optimum, {k} signals": outcome.optima[task][k].value for k in counts}
    ax = plot_learning(curves, levels, unit="Advisor's value, measured games")
    warm = max(curve.warm_steps for curve in outcome.curves.values())
    if warm:
        ax.axvline(warm, color="#76767b", linewidth=0.8, linestyle=":")
    yield Picture.of(
        ax,
        f"Advisor's value in the measured games of task {task} over training steps.",
        f"Means over {_RUNNING} steps. Up to the dotted line she imitates softened full "
        "disclosure; from there on the value is against a Receiver whose response grows sharper, "
        "and at the end is that of the rule. Horizontal: what the best scheme reaches.",
    )


def _smoothed(values: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    width = min(_RUNNING, len(values))
    means = np.convolve(np.array(values), np.ones(width) / width, mode="valid")
    return np.arange(len(means), dtype=float) + (width - 1) / 2, means


def _kernel(outcome: Outcome, task: str) -> Iterator[Block]:
    """The scheme of the first Advisor with most signals, in the template that tells most."""
    plans = [p for p in outcome.kernels if p.task == task and not p.control]
    plan = max(plans, key=lambda p: (p.n_signals, -p.seed))
    best = outcome.optima[task][plan.n_signals]
    template = max(
        best.templates,
        key=lambda t: (
            best.templates[t].optimum - max(best.templates[t].none, best.templates[t].full)
        ),
    )
    learned = outcome.kernels[plan][template]
    solved = best.schemes[template].kernel
    game = outcome.measurements[task].games[template]
    learned, solved = _aligned(learned, solved, game.prior, plan)
    signals = [f"signal {i + 1}" for i in range(learned.shape[1])]
    yield Picture.of(
        plot_kernels({"learned": learned, "optimum": solved}, game.states, signals),
        f"Probability of each signal given each item, learned and optimal, template {template}.",
        f"Template {template}: probability of each signal given the hidden item, learned (mean "
        "over held-out inputs) and optimal in the measured game. Signals have no meaning of their "
        "own; those learned stand where they resemble the optimal ones most.",
    )


def _aligned(
    learned: FloatArray, solved: FloatArray, prior: FloatArray, plan: AdvisorPlan
) -> tuple[FloatArray, FloatArray]:
    """Give both as many columns, those learned in the order of what they resemble."""
    from scipy.optimize import linear_sum_assignment

    width = max(plan.n_signals, solved.shape[1])
    wide = [np.pad(k, ((0, 0), (0, width - k.shape[1]))) for k in (learned, solved)]
    overlap = np.minimum(wide[0][:, :, None], wide[1][:, None, :])
    rows, columns = linear_sum_assignment(-np.einsum("i,igh->gh", prior, overlap))
    order = rows[np.argsort(columns)]
    return wide[0][:, order], wide[1]


def _controls(outcome: Outcome) -> Section:
    words = (
        "Each of these is there to fail. Shuffled: the signal of another item, drawn from the "
        "prior, while the Receiver takes it for honest. Deaf: the Receiver writes without a hint. "
        "An Advisor untrained, or trained by REINFORCE, whose gradient leaves out that beliefs "
        "move with the scheme."
    )
    return Section("Negative controls", [Paragraph(words), controls_table(outcome)])


def _transfer(outcome: Outcome) -> Iterator[Section]:
    tables = transfer_tables(outcome)
    if not tables:
        return
    words = (
        "The same Advisors, not trained again, before other Receivers; each is held against what "
        "can be reached with that Receiver."
    )
    blocks: list[Block] = [Paragraph(words)]
    for task, table in tables.items():
        main = outcome.evaluations[task]
        seen = {main.receiver: main, **outcome.transfers[task]}
        most = max(main.arms[name].n_signals or 0 for name in main.advisors)
        reference = f"scheme {most}" if main.misaligned else "oracle"
        values = np.array([[e.value(a).mean for e in seen.values()] for a in main.advisors])
        line = np.array([e.value(reference).mean for e in seen.values()])
        blocks.append(
            Picture.of(
                plot_transfer(
                    values,
                    line,
                    [f"{task}, {name}" for name in main.advisors],
                    list(seen),
                    reference_name=arm_in_words(reference),
                ),
                f"Matrix of the value of each Advisor of task {task} with each Receiver.",
            )
        )
        blocks.append(table)
    yield Section("One Advisor, several Receivers", blocks)


def _asked(outcome: Outcome) -> Iterator[Section]:
    """What came of requests, and answers that could not be read."""
    blocks: list[Block] = [Paragraph(line) for line in outcome.reports]
    if outcome.tallies:
        blocks.append(tally_table(outcome))
    if blocks:
        yield Section("Requests and answers", blocks)


def _repeat(outcome: Outcome) -> Section:
    words = (
        "The same configuration with the same versions on the same kind of machine gives the same "
        "tables. config.toml beside this page is the configuration; table.csv, results.json and "
        "examples.jsonl hold the numbers."
    )
    rows = [["command", "persuasion bridge run config.toml"]]
    rows += [["seeds", ", ".join(map(str, outcome.config.seeds))]]
    rows += [[name, version] for name, version in outcome.versions.items()]
    times = [
        [one.name, f"{one.seconds:.1f}", in_words(one.effort), "found done" if one.reused else ""]
        for one in outcome.stages
    ]
    return Section(
        "How to repeat this",
        [
            Paragraph(words),
            Table(["", ""], rows, left=(0, 1)),
            Table(
                ["stage", "seconds", "speed and memory", ""],
                times,
                "Wall time of each stage. Tokens are those read and written in training, and those "
                "written in generation; memory is that of tensors on a GPU, else of the process",
                left=(0, 2, 3),
            ),
        ],
    )
