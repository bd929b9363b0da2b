"""The section of ``make demo`` in which real language models were asked, long ago."""

from __future__ import annotations

from fractions import Fraction

from llm_bridge.pages import reading_demo
from llm_bridge.pages.plots import Bar, plot_arms
from llm_bridge.replay.study import ARMS, HeldOut, answered, held_out, laws_of
from persuasion import zoo
from persuasion.demo import Progress
from persuasion.html import spelled
from persuasion.report import Block, Paragraph, Picture, Section, Table
from persuasion.results import Solution
from persuasion.solve import solve
from persuasion.zoo.gsm8k_replay import questions, replay_game

__all__ = ["sections"]

_KINDS = dict(zip(ARMS, ("baseline", "disclosure", "optimum"), strict=True))


def sections(progress: Progress) -> list[Section]:
    """Solve the game of recorded answers and play it; then an Advisor who reads the questions."""
    return [_recorded(progress), *reading_demo.sections(progress)]


def _recorded(progress: Progress) -> Section:
    """Solve the game, and play it on questions that it was not measured on."""
    progress("real models: solving the game of recorded answers")
    game = zoo.load("gsm8k_replay")
    exact = solve(game, exact=True)
    everyone = answered(questions(), laws_of(game, exact)).mean(axis=0)
    found = held_out(progress=lambda i, n: progress(f"real models: held-out questions, {i} of {n}"))
    words = (
        "Two published models answered the 1319 test questions of GSM8K. The larger one is more "
        "often right, and costs its user 0.37 of a right answer per question. By how many steps a "
        "solution takes, a question has one of three levels. The user, who sees no level, asks the "
        "small model; told every level, she asks the large one for the middle level alone, where "
        "it gains more than it costs. An advisor who wants right answers pools questions of other "
        "levels with these, just so many that asking the large model still pays."
    )
    honest = (
        f"Accuracies were measured on 80 % of the questions, {found.n_splits} times; scheme and "
        "user go by these, and answers to the other 20 % were counted. The scheme was above both "
        f"ends in {_splits(found)} splits. It leaves the user almost indifferent: had she known "
        "the accuracies on the held-out questions exactly, she would have followed it in "
        f"{found.still_obeyed.sum()} of {found.n_splits}."
    )
    blocks: list[Block] = [
        Paragraph(words),
        Table(
            ["level", "share", *(f"{a.removeprefix('ask ')} right" for a in game.actions),
             *(f"told to {a}" for a in game.actions)],
            [
                [label, f"{p:.3f}", *(f"{x:.3f}" for x in row), *_told(exact, state)]
                for state, (label, p, row) in enumerate(
                    zip(game.states, game.prior, game.sender_utility, strict=True)
                )
            ],
            f"Shares of right answers by level, and the optimal scheme; its value is {exact.value}",
        ),
        _arms(found, everyone.tolist()),
        Paragraph(honest),
        Picture.of(
            plot_arms([_bar(found, place) for place in range(len(ARMS))], unit="right answers"),
            "Share of held-out questions answered right under no disclosure, full disclosure and "
            "the optimal scheme, with limits.",
            "Right answers per held-out question, with 95 % bootstrap limits over questions.",
        ),
        _variants(progress),
    ]  # fmt: skip
    return Section("Real models: which one to ask", blocks)


def _splits(found: HeldOut) -> str:
    above = int((found.accuracy[:, 2] > found.accuracy[:, :2].max(axis=1)).sum())
    return "all" if above == found.n_splits else f"{above} of {found.n_splits}"


def _told(solution: Solution, state: int) -> list[str]:
    assert solution.recommendations is not None
    told = [Fraction(0)] * solution.game.n_actions
    for chance, action in zip(
        solution.scheme.exact_kernel[state], solution.recommendations, strict=True
    ):
        told[action] += chance
    return [spelled(chance) for chance in told]


def _bar(found: HeldOut, place: int) -> Bar:
    limits = found.limits.interval(place)
    return Bar(ARMS[place], limits.mean, limits.lower, limits.upper, _KINDS[ARMS[place]])


def _arms(found: HeldOut, everyone: list[float]) -> Table:
    rows = []
    for place, arm in enumerate(ARMS):
        by_split = found.accuracy[:, place]
        rows.append(
            [
                arm,
                f"{everyone[place]:.3f}",
                f"{by_split.mean():.3f}",
                f"{by_split.min():.3f} to {by_split.max():.3f}",
                str(found.limits.interval(place)),
            ]
        )
    gain = found.limits.interval(2, minus=1)
    columns = ["told of the level", "all questions", "held out", "least to greatest split",
               "held out, by question"]  # fmt: skip
    caption = (
        "Questions answered right, recorded answers of real models; optimal scheme above full "
        f"disclosure by {gain}"
    )
    return Table(columns, rows, caption, echo=True)


def _variants(progress: Progress) -> Table:
    rows = []
    for models in (2, 4):
        for levels in (3, 6):
            progress(f"real models: {models} models, {levels} levels")
            game = replay_game(questions(), levels, models)
            solution = solve(game, exact=True)
            found = held_out(levels=levels, models=models)
            rows.append(
                [
                    f"{models} models, {levels} levels",
                    *(f"{float(x):.3f}" for x in (solution.no_disclosure, solution.full_disclosure,
                                                  solution.value)),
                    *(f"{x:.3f}" for x in found.accuracy.mean(axis=0)),
                    _splits(found),
                ]
            )  # fmt: skip
    columns = ["variant", "none", "full", "optimum", "none, held out", "full, held out",
               "scheme, held out", "splits won"]  # fmt: skip
    return Table(columns, rows, "Variants: with four models the user pays 0, 0.18, 0.20 and 0.37")
