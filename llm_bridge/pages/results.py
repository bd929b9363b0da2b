"""An outcome as tables and files: the same bytes however often the run was interrupted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llm_bridge.bootstrap import Interval
from llm_bridge.claims import Claim
from llm_bridge.comparison import BLIND
from llm_bridge.evaluation import Evaluation
from llm_bridge.experiment import Outcome
from llm_bridge.pages.comparison import record_of
from llm_bridge.pages.tables import to_markdown
from llm_bridge.pages.tracking import Curve
from llm_bridge.transfer import Transfer
from persuasion.html import Table
from persuasion.whole_file import write_whole

__all__ = [
    "DISCLOSURE",
    "Control",
    "arm_in_words",
    "arms_table",
    "claims_of",
    "claims_table",
    "comparison_tables",
    "controls_of",
    "controls_table",
    "curves_of",
    "how_many_held",
    "order_of",
    "tally_table",
    "transfer_tables",
    "what_was_seen",
    "write_results",
]

DISCLOSURE = ("full", "oracle")
"""Baselines that tell everything."""
_BASELINES = {
    "none": "no information",
    "silent": "no disclosure",
    "prior": "item from the prior",
    "full": "full disclosure",
    "oracle": "oracle",
}
_CONTROLS = {
    "shuffled ": "signals shuffled",
    "misled ": "Receiver misled",
    "deaf ": "deaf Receiver",
}


@dataclass(frozen=True)
class Control:
    """An arm that is there to fail, and the Advisor who must do better.

    Attributes
    ----------
    task, arm, advisor : str
    value : Interval
        Of the control.
    ahead : Interval
        Advisor minus control, paired over inputs.
    of : {"sender", "receiver"}
        In whose utils: the Advisor's, or, where the Receiver is misled, hers.
    has_to_fail : bool
        False for a gradient without the belief term where interests agree: it stays at the full
        disclosure that every training begins with, which is right there.
    """

    task: str
    arm: str
    advisor: str
    value: Interval
    ahead: Interval
    of: str = "sender"
    has_to_fail: bool = True

    @property
    def fails(self) -> bool:
        """Whether the control does worse beyond the limits, as it has to."""
        return self.ahead.lower > 0


def arm_in_words(name: str) -> str:
    """Say what an arm does.

    Examples
    --------
    >>> [arm_in_words(name) for name in ("none", "2 signals, seed 0", "scheme 2")]
    ['no information', 'persuaded, 2 signals, seed 0', 'best scheme, 2 signals']
    >>> arm_in_words("shuffled 2 signals, seed 0"), arm_in_words("untrained")
    ('control: signals shuffled, 2 signals, seed 0', 'control: untrained')
    """
    if name in _BASELINES:
        return _BASELINES[name]
    for prefix, words in _CONTROLS.items():
        if name.startswith(prefix):
            return f"control: {words}, {name.removeprefix(prefix)}"
    if name.startswith("scheme "):
        return f"best scheme, {name.removeprefix('scheme ')} signals"
    return f"persuaded, {name}" if name[:1].isdecimal() else f"control: {name}"


def order_of(evaluation: Evaluation) -> list[str]:
    """Names of arms as they are shown: baselines, Advisors, disclosure, schemes, controls."""
    rank = {"baseline": 0, "advisor": 1, "scheme": 3, "control": 4}
    arms = evaluation.arms
    return sorted(arms, key=lambda name: 2 if name in DISCLOSURE else rank[arms[name].kind])


def _gap(evaluation: Evaluation, name: str) -> tuple[float, float] | None:
    """Optimum of the measured games with as many signals, and how far below it an arm stays."""
    arm = evaluation.arms[name]
    if arm.kind not in ("advisor", "scheme") or arm.n_signals is None:
        return None
    best = evaluation.optima[arm.n_signals].value
    return best, best - evaluation.value(name).mean


def arms_table(outcome: Outcome, task: str | None = None, *, echo: bool = False) -> Table:
    """Return value and limits of every arm but the controls, of one task or all.

    Parameters
    ----------
    outcome : Outcome
    task : str, optional
    echo : bool
        Whether the demo prints it on the terminal too.
    """
    rows = []
    for name, evaluation in outcome.evaluations.items():
        if task not in (None, name):
            continue
        for arm in order_of(evaluation):
            if evaluation.arms[arm].kind == "control":
                continue
            gap = _gap(evaluation, arm)
            rows.append(
                [
                    *([name] if task is None else []),
                    arm_in_words(arm),
                    str(evaluation.value(arm)),
                    "" if gap is None else f"{gap[0]:.3f}",
                    "" if gap is None else f"{gap[1]:+.3f}",
                    f"{evaluation.value(arm, of='receiver').mean:.3f}",
                ]
            )
    shown = [one for name, one in outcome.evaluations.items() if task in (None, name)]
    sizes = {len(one.inputs) for one in shown}
    counted = f"{min(sizes)}" if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
    level = 100 * outcome.config.evaluate.confidence
    heads = ["task", "arm", "Advisor's value", "measured optimum", "gap", "Receiver's value"]
    words = (
        f"Utils on {counted} held-out inputs a task, {level:g}% bootstrap limits; gap: optimum of "
        "the measured game less value"
    )
    if task is None:
        return Table(heads, rows, words, left=(0, 1), echo=echo)
    return Table(heads[1:], rows, words, left=(0,), echo=echo)


def claims_of(outcome: Outcome) -> dict[str, list[Claim]]:
    """Return the claims by task."""
    return {task: evaluation.claims() for task, evaluation in outcome.evaluations.items()}


def claims_table(outcome: Outcome, task: str | None = None, *, echo: bool = False) -> Table:
    """Return each claim, of one task or all, and whether it held.

    Parameters
    ----------
    outcome : Outcome
    task : str, optional
    echo : bool
        Whether the demo prints it on the terminal too.
    """
    heads, words = ["task", "claim", "difference", "at least", "verdict"], "What is claimed"
    rows = [
        [name, claim.text, str(claim.difference), f"{claim.threshold:+g}", claim.verdict]
        for name, claims in claims_of(outcome).items()
        for claim in claims
        if task in (None, name)
    ]
    if task is None:
        return Table(heads, rows, words, left=(0, 1, 4), echo=echo)
    return Table(heads[1:], [row[1:] for row in rows], words, left=(0, 3), echo=echo)


def how_many_held(outcome: Outcome) -> str:
    """Say how many claims held.

    For a page or a last line: ``25 of 27 claims held, 2 inconclusive, 0 refuted``.
    """
    verdicts = [claim.verdict for claims in claims_of(outcome).values() for claim in claims]
    return (
        f"{verdicts.count('held')} of {len(verdicts)} claims held, "
        f"{verdicts.count('inconclusive')} inconclusive, {verdicts.count('refuted')} refuted"
    )


def controls_of(outcome: Outcome) -> list[Control]:
    """Return every negative control beside the Advisor who must do better."""
    found = []
    for task, evaluation in outcome.evaluations.items():
        for name, arm in evaluation.arms.items():
            if arm.kind != "control":
                continue
            own = [one for one in evaluation.advisors if name.endswith(f" {one}")]
            same = [a for a in evaluation.advisors if evaluation.arms[a].n_signals == arm.n_signals]
            advisor = (own or same or list(evaluation.advisors))[0]
            of = "receiver" if name.startswith("misled ") else "sender"
            value, ahead = (evaluation.value(*pair, of=of) for pair in ((name,), (advisor, name)))
            needed = evaluation.misaligned or not name.startswith("reinforce")
            found.append(Control(task, name, advisor, value, ahead, of, needed))
    return found


def controls_table(outcome: Outcome) -> Table:
    """Return each negative control and whether it fails as it has to."""
    rows = [
        [
            one.task,
            arm_in_words(one.arm).removeprefix("control: "),
            "Advisor's" if one.of == "sender" else "Receiver's",
            str(one.value),
            str(one.ahead),
            _outcome_of(one),
        ]
        for one in controls_of(outcome)
    ]
    heads = ["task", "control", "whose utils", "with the control", "how far ahead", "outcome"]
    caption = "Negative controls, and how far the Advisor is ahead of each"
    return Table(heads, rows, caption, left=(0, 1, 2, 5))


def _outcome_of(control: Control) -> str:
    if control.fails:
        return "fails, as it has to" if control.has_to_fail else "fails"
    return "DOES NOT FAIL" if control.has_to_fail else "need not fail: interests agree"


def transfer_tables(outcome: Outcome) -> dict[str, Table]:
    """Return by task what the Advisor with most signals reaches with each Receiver."""
    tables = {}
    for task, others in outcome.transfers.items():
        main = outcome.evaluations[task]
        if others:
            advisor = max(main.advisors, key=lambda name: main.arms[name].n_signals or 0)
            table = Transfer(advisor, {main.receiver: main, **others}).table()
            tables[task] = replace(table, caption=f"{task}. {table.caption}")
    return tables


def tally_table(outcome: Outcome) -> Table:
    """Return how many answers could not be read, by stage; they count as wrong."""
    rows = [
        [stage, f"{tally.scored:,}", f"{tally.unreadable:,}", f"{tally.cut:,}"]
        for stage, tally in outcome.tallies.items()
    ]
    return Table(
        ["stage", "answers", "unreadable", "of them cut at the limit"],
        rows,
        "Answers in which nothing could be read count as wrong",
    )


def comparison_tables(outcome: Outcome) -> list[Table]:
    """Return what other ways are worth and take, and their controls, by task and Receiver."""
    compared = [one for found in outcome.comparisons.values() for one in found.values()]
    return [table for one in compared for table in (one.table(), one.controls_table())]


def what_was_seen(outcome: Outcome) -> str:
    """Say what the Advisors of this experiment knew of the linear program."""
    match outcome.config.advisor.mode:
        case "exact" | "belief_pg" as mode:
            return (
                f"In mode {mode} the Advisor never saw the solution of the linear program: she "
                "was trained on the measured games alone, and the program was solved beside her, "
                "only to be held against."
            )
        case "distill":
            return (
                "In mode distill the Advisor imitated the solution of the linear program: that "
                "she comes close to it is no evidence that she would find it."
            )
        case mode:
            return f"Mode {mode} is a negative control: its gradient leaves out how beliefs move."


def curves_of(outcome: Outcome) -> Iterator[Curve]:
    """Yield every learning curve for a tracker."""
    for plan, curve in outcome.curves.items():
        yield f"{plan.task}/{plan.name}", enumerate(curve.values)


# -- files -------------------------------------------------------------------------------------


def write_results(outcome: Outcome, folder: Path) -> None:
    """Write config, tables, all numbers and the sampled rows into an existing folder.

    ``config.toml``, ``table.csv`` (one row per task, Receiver and arm), ``table.md`` (what is
    printed), ``results.json`` (all of it, with versions), ``examples.jsonl`` (for each input and
    arm one draw of item, signal and believed item, and the response). No time is in them.
    """
    write_whole(folder / "config.toml", outcome.config.to_toml().encode())
    write_whole(folder / "table.csv", _csv(list(_records(outcome))).encode())
    tables = [arms_table(outcome), claims_table(outcome), controls_table(outcome)]
    tables += [*transfer_tables(outcome).values(), *comparison_tables(outcome)]
    text = "\n\n".join(f"**{table.caption}**\n\n{to_markdown(table)}" for table in tables)
    write_whole(folder / "table.md", f"{text}\n\n{what_was_seen(outcome)}\n".encode())
    full = json.dumps(_full(outcome), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "results.json", f"{full}\n".encode())
    write_whole(folder / "examples.jsonl", "".join(_examples(outcome)).encode())


def _evaluations(outcome: Outcome) -> Iterator[tuple[str, Evaluation]]:
    for task, evaluation in outcome.evaluations.items():
        yield task, evaluation
        for moved in outcome.transfers[task].values():
            yield task, moved


def _records(outcome: Outcome) -> Iterator[dict[str, Any]]:
    for task, evaluation in _evaluations(outcome):
        yield from (_record(task, evaluation, name) for name in order_of(evaluation))
        compared = outcome.comparisons[task].get(evaluation.receiver)
        if compared is not None:
            others = (arm for name in compared.baselines for arm in (name, f"control {name}"))
            yield from (_record(task, compared.evaluation, arm) for arm in (BLIND, *others))


def _record(task: str, evaluation: Evaluation, name: str) -> dict[str, Any]:
    arm, gap = evaluation.arms[name], _gap(evaluation, name)
    sender, receiver = (evaluation.value(name, of=of) for of in ("sender", "receiver"))
    adversarial = None
    if arm.adversarial is not None:
        adversarial = evaluation.value(name, of="adversarial").mean
    return {
        "task": task,
        "receiver": evaluation.receiver,
        "rule": evaluation.rule,
        "arm": name,
        "kind": arm.kind,
        "n_signals": arm.n_signals,
        "n_inputs": len(evaluation.inputs),
        "value": sender.mean,
        "lower": sender.lower,
        "upper": sender.upper,
        "value_ties_against": adversarial,
        "receiver_value": receiver.mean,
        "receiver_lower": receiver.lower,
        "receiver_upper": receiver.upper,
        "measured_optimum": None if gap is None else gap[0],
        "gap": None if gap is None else gap[1],
    }


def _full(outcome: Outcome) -> dict[str, Any]:
    return {
        "config": outcome.config.to_dict(),
        "versions": dict(outcome.versions),
        "arms": list(_records(outcome)),
        "claims": [
            {
                "task": task,
                "claim": claim.text,
                "left": claim.left,
                "right": claim.right,
                "of": claim.of,
                **_limits(claim.difference),
                "threshold": claim.threshold,
                "verdict": claim.verdict,
            }
            for task, claims in claims_of(outcome).items()
            for claim in claims
        ],
        "controls": [
            {"task": one.task, "arm": one.arm, "advisor": one.advisor, "fails": one.fails,
             "of": one.of, **_limits(one.ahead)}
            for one in controls_of(outcome)
        ],
        "answers": {stage: asdict(tally) for stage, tally in outcome.tallies.items()},
        "comparisons": [
            record_of(one) for found in outcome.comparisons.values() for one in found.values()
        ],
        "note": what_was_seen(outcome),
    }  # fmt: skip


def _limits(interval: Interval) -> dict[str, float]:
    return {"difference": interval.mean, "lower": interval.lower, "upper": interval.upper}


def _csv(records: Sequence[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(records[0]), lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(
            {key: f"{x:.6f}" if isinstance(x, float) else x for key, x in record.items()}
        )
    return file.getvalue()


def _examples(outcome: Outcome) -> Iterator[str]:
    for task, evaluation in _evaluations(outcome):
        for row in evaluation.rows:
            named = {"task": task, "receiver_name": evaluation.receiver, **row}
            yield json.dumps(named, ensure_ascii=False) + "\n"
