"""Training finds what persuasion can reach, its negative control does not, and runs go on."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from llm_bridge import objectives
from llm_bridge.advisor import Advisor
from llm_bridge.objectives._rounds import advantages, sampled_rounds, scores
from llm_bridge.objectives.exact import expected_value
from llm_bridge.task import Task
from llm_bridge.train import AdvisorTraining, TrainingLog, train
from llm_bridge.training.belief_response import ReceiverRule, Stakes, log_responses, posteriors
from llm_bridge.training.warm_start import assignments, warm_targets
from persuasion import Bayesian, PersuasionGame, Quantal, SignalingScheme, solve
from persuasion.errors import PersuasionError
from persuasion.values import no_disclosure_value, sender_value

Make = Callable[..., Advisor]
STRICT = Bayesian(ties="adversarial")
RULES: tuple[ReceiverRule, ...] = ("posterior_sampling", "best_response", "quantal")


def held_out_value(advisor: Advisor, task: Any, template: str) -> float:
    """Mean value at inputs that nothing was fitted to, of a strict best responder."""
    game = task.game(template)
    examples = task.examples(template, "test", 30, 0)
    schemes = [SignalingScheme(kernel) for kernel in advisor.kernels(task, examples)]
    return float(np.mean([sender_value(game, scheme, STRICT) for scheme in schemes]))


def sampling_value(advisor: Advisor, task: Any, template: str) -> float:
    """The same of a Receiver who draws the believed item from her posterior."""
    game = task.game(template)
    total = []
    for kernel in advisor.kernels(task, task.examples(template, "test", 30, 0)):
        joint = game.prior[:, None] * kernel
        beliefs = joint / joint.sum(axis=0)
        total.append(np.einsum("ig,ag,ia->", joint, beliefs, game.sender_utility))
    return float(np.mean(total))


# -- what training reaches ---------------------------------------------------------------------

QUICK = AdvisorTraining(warm_steps=60, steps=200, batch=16)


@pytest.mark.parametrize("mode", ["exact", "belief_pg", "distill"])
def test_prosecutor_is_persuasive(mode: str, make_advisor: Make, prosecutor: Any) -> None:
    advisor, game = make_advisor(2), prosecutor.game("case")
    log = train(
        advisor,
        prosecutor,
        prosecutor.games,
        prosecutor.examples("case", "train", 64, 0),
        mode=mode,
        settings=QUICK,
        targets={"case": solve(game, margin=0.02).scheme.kernel},
    )
    assert held_out_value(advisor, prosecutor, "case") >= 0.9 * solve(game).value
    assert (log.mode, log.rule, len(log.values)) == (mode, "best_response", 260)
    assert ("no evidence" in log.note) == (mode == "distill")
    assert TrainingLog.from_dict(log.to_dict()) == log


def test_reinforce_babbles(make_advisor: Make, prosecutor: Any) -> None:
    advisor, game = make_advisor(2), prosecutor.game("case")
    examples = prosecutor.examples("case", "train", 64, 0)
    log = train(advisor, prosecutor, prosecutor.games, examples, mode="reinforce", settings=QUICK)
    assert "negative control" in log.note
    reached = held_out_value(advisor, prosecutor, "case")
    assert reached <= no_disclosure_value(game, ties="adversarial") + 0.05 < 0.1
    assert log.values[QUICK.warm_steps - 1] > 0.3  # it had begun from something persuasive


def test_aligned_interests_are_disclosed(make_advisor: Make, aligned: Any) -> None:
    advisor = make_advisor(3)
    examples = [x for t in aligned.priors for x in aligned.examples(t, "train", 40, 0)]
    log = train(advisor, aligned, aligned.games, examples, settings=QUICK)
    assert log.rule == "posterior_sampling"
    for template in aligned.priors:
        assert sampling_value(advisor, aligned, template) >= 0.95


def test_two_signals_for_three_items(make_advisor: Make, aligned: Any) -> None:
    """Both templates at once; any partition into two is worth 2/3 where the items are even."""
    advisor = make_advisor(2)
    examples = [x for t in aligned.priors for x in aligned.examples(t, "train", 40, 0)]
    train(advisor, aligned, aligned.games, examples, settings=QUICK)
    assert 0.62 <= sampling_value(advisor, aligned, "even") <= 2 / 3 + 1e-9
    assert 0.73 <= sampling_value(advisor, aligned, "tilted") <= 0.76 + 1e-9


# -- gradients ---------------------------------------------------------------------------------


def stakes_of(rule: ReceiverRule, beta: float = 4.0, n_inputs: int = 2) -> Stakes:
    """Games in generic position, with a Receiver who has a prior of her own."""
    rng = np.random.default_rng(5)

    def tensor(array: Any) -> Tensor:
        return torch.tensor(np.asarray(array), dtype=torch.float64)

    return Stakes(
        prior=tensor(rng.dirichlet(np.ones(3), n_inputs)),
        receiver_prior=tensor(rng.dirichlet(np.ones(3), n_inputs)),
        sender_utility=tensor(rng.uniform(size=(n_inputs, 3, 3))),
        receiver_utility=tensor(rng.uniform(size=(n_inputs, 3, 3))),
        margin=tensor([0.05, 0.0]),
        rule=rule,
        beta=beta,
    )


def logits(n_inputs: int = 2, n_signals: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    made = torch.randn(n_inputs, 3, n_signals, generator=generator, dtype=torch.float64)
    return made.requires_grad_()


def gradient(total: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(total(at.log_softmax(dim=2)), at)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_exact_gradient_equals_finite_differences(rule: ReceiverRule) -> None:
    stakes, at = stakes_of(rule), logits()
    found = gradient(lambda law: expected_value(law, stakes).sum(), at)
    step = 1e-6
    for place in np.ndindex(*at.shape):
        moved = []
        for sign in (1, -1):
            there = at.detach().clone()
            there[place] += sign * step
            moved.append(float(expected_value(there.log_softmax(dim=2), stakes).sum()))
        assert abs(float(found[place]) - (moved[0] - moved[1]) / (2 * step)) < 1e-8


def enumerated_score_gradient(stakes: Stakes, at: Tensor, *, belief_term: bool) -> Tensor:
    """Expected gradient of payoff times score: every round, with its probability."""
    n_inputs, n_items, n_signals = at.shape
    rounds = torch.tensor(list(product(range(n_items), range(n_signals), range(3))))
    items, signals, actions = (rounds[:, k].expand(n_inputs, -1) for k in range(3))
    rows = torch.arange(n_inputs)[:, None]

    def total(law: Tensor) -> Tensor:
        with torch.no_grad():
            responses = log_responses(posteriors(law.exp(), stakes.receiver_prior), stakes).exp()
            chance = (
                stakes.prior[rows, items]
                * law.exp()[rows, items, signals]
                * responses[rows, signals, actions]
            )
            torch.testing.assert_close(chance.sum(dim=1), torch.ones(n_inputs).double())
            payoff = stakes.sender_utility[rows, items, actions]
        draws = (items, signals, actions)
        return (chance * payoff * scores(law, stakes, draws, belief_term=belief_term)).sum()

    return gradient(total, at)


@pytest.mark.parametrize("rule", RULES)
def test_belief_term_makes_the_gradient_exact(rule: ReceiverRule) -> None:
    stakes, at = stakes_of(rule), logits()
    exact = gradient(lambda law: expected_value(law, stakes).sum(), at)
    with_term = enumerated_score_gradient(stakes, at, belief_term=True)
    torch.testing.assert_close(with_term, exact, rtol=0, atol=1e-12)
    without = enumerated_score_gradient(stakes, at, belief_term=False)
    assert float((without - exact).abs().max()) > 0.1 * float(exact.abs().max())


@pytest.mark.parametrize(("mode", "unbiased"), [("belief_pg", True), ("reinforce", False)])
def test_sampled_gradient_has_the_exact_mean(mode: str, unbiased: bool) -> None:
    """200 gradients of 200 rounds each; the means are within 5 standard errors, or far off."""
    stakes, at = stakes_of("quantal"), logits()
    exact = -gradient(lambda law: expected_value(law, stakes).sum(), at)
    generator, loss = torch.Generator().manual_seed(2), objectives.load(mode).loss
    drawn = torch.stack(
        [gradient(lambda law: loss(law, stakes, generator, 200).sum(), at) for _ in range(200)]
    )
    errors = (drawn.mean(dim=0) - exact).abs() / (drawn.std(dim=0) / 200**0.5)
    assert bool((errors < 5).all()) == unbiased


def test_baseline_is_the_mean_of_the_others() -> None:
    stakes = stakes_of("quantal")
    law = logits().log_softmax(dim=2).detach()
    draws = sampled_rounds(law, stakes, torch.Generator().manual_seed(0), 4)
    rows = torch.arange(2)[:, None]
    payoffs = stakes.sender_utility[rows, draws[0], draws[2]]
    for k in range(4):
        others = torch.cat([payoffs[:, :k], payoffs[:, k + 1 :]], dim=1).mean(dim=1)
        torch.testing.assert_close(advantages(stakes, draws)[:, k], payoffs[:, k] - others)


# -- the Receiver in torch is the Receiver of persuasion ------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_responses_are_those_of_persuasion(rule: ReceiverRule) -> None:
    stakes = replace(stakes_of(rule), margin=torch.zeros(2, dtype=torch.float64))
    sharp = replace(stakes, beta=1e7)
    kernel = logits(n_signals=4).softmax(dim=2).detach()
    beliefs = posteriors(kernel, stakes.receiver_prior)
    for x in range(2):
        game = PersuasionGame(
            stakes.prior[x].numpy(),
            stakes.sender_utility[x].numpy(),
            stakes.receiver_utility[x].numpy(),
            receiver_prior=stakes.receiver_prior[x].numpy(),
        )
        scheme = SignalingScheme(kernel[x].numpy())
        expected = scheme.posteriors(game.receiver_prior)
        np.testing.assert_allclose(beliefs[x].numpy(), expected, rtol=0, atol=1e-12)
        receiver: Any = {
            "posterior_sampling": None,
            "best_response": Bayesian(),
            "quantal": Quantal(stakes.beta),
        }[rule]
        responses = receiver.respond(game, expected) if receiver else expected
        used = sharp if rule == "best_response" else stakes
        found = log_responses(beliefs, used)[x].exp().numpy()
        np.testing.assert_allclose(found, responses, rtol=0, atol=1e-9)
        if receiver:
            value = float(expected_value(kernel.log(), used)[x])
            assert abs(value - sender_value(game, scheme, receiver)) < 1e-9


def test_margin_moves_the_tie() -> None:
    """Convicting needs a belief of 1/2 + margin/2: then guilt pays `margin` more than innocence."""

    def convicted(guilty: float, margin: float) -> float:
        stakes = Stakes(
            prior=torch.tensor([[0.5, 0.5]]),
            receiver_prior=torch.tensor([[0.5, 0.5]]),
            sender_utility=torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]),
            receiver_utility=torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]),
            margin=torch.tensor([margin]),
            beta=2000.0,
        )
        belief = torch.tensor([[[1 - guilty, guilty]]])
        return float(log_responses(belief, stakes)[0, 0, 1].exp())

    assert convicted(0.51, 0.0) > 0.99
    assert convicted(0.51, 0.1) < 0.01
    assert convicted(0.56, 0.1) > 0.99


def test_unsent_signals_do_no_harm() -> None:
    law = torch.tensor([[[0.0, -800.0]] * 3] * 2, dtype=torch.float64).requires_grad_()
    for rule in RULES:
        value = expected_value(law.log_softmax(dim=2), stakes_of(rule)).sum()
        (slope,) = torch.autograd.grad(value, law)
        assert torch.isfinite(value)
        assert torch.isfinite(slope).all()


# -- runs that go on ---------------------------------------------------------------------------

SHORT = AdvisorTraining(warm_steps=3, steps=6, batch=4, n_samples=4, checkpoint_every=2)


class KilledError(Exception):
    """What the tests kill a run with."""


def killed_at(step: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        assert total == SHORT.total_steps
        if done == step:
            raise KilledError

    return progress


def forgetful(make_advisor: Make) -> Advisor:
    """An Advisor with dropout, whose steps depend on the global random state."""
    advisor = make_advisor(2)
    for module in advisor.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.2
    return advisor


@pytest.mark.parametrize("mode", ["exact", "belief_pg"])
@pytest.mark.parametrize("step", [1, 2, 5, 9])
def test_killed_run_ends_as_if_it_had_not_been(
    mode: str, step: int, make_advisor: Make, prosecutor: Any, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"mode": mode, "settings": SHORT}
    examples = prosecutor.examples("case", "train", 20, 0)
    whole = forgetful(make_advisor)
    log = train(whole, prosecutor, prosecutor.games, examples, **given)
    given["checkpoint"] = tmp_path / "checkpoint"
    with pytest.raises(KilledError):
        train(
            forgetful(make_advisor), prosecutor, prosecutor.games, examples,
            progress=killed_at(step), **given,
        )  # fmt: skip
    torch.manual_seed(99)  # whatever the next process has drawn before
    advisor, told = forgetful(make_advisor), []
    again = train(
        advisor, prosecutor, prosecutor.games, examples,
        progress=lambda done, total: told.append(done), **given,
    )  # fmt: skip
    assert advisor.fingerprint == whole.fingerprint
    assert (again.values, again.losses) == (log.values, log.losses)
    assert len(told) == SHORT.total_steps - (step if step == 9 else step // 2 * 2)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_training_leaves_the_random_state(make_advisor: Make, prosecutor: Any) -> None:
    before = torch.get_rng_state()
    examples = prosecutor.examples("case", "train", 20, 0)
    train(forgetful(make_advisor), prosecutor, prosecutor.games, examples, settings=SHORT)
    assert torch.equal(before, torch.get_rng_state())


def test_other_runs_do_not_go_on(make_advisor: Make, prosecutor: Any, tmp_path: Path) -> None:
    examples = prosecutor.examples("case", "train", 20, 0)

    def run(seed: int = 0, n: int = 20, games: Any = None, **changes: Any) -> None:
        train(
            make_advisor(2, seed=seed), prosecutor, games or prosecutor.games, examples[:n],
            settings=replace(SHORT, **changes), checkpoint=tmp_path / "run",
        )  # fmt: skip

    run()
    run(checkpoint_every=5)  # when to keep is no part of what is kept
    other_game = {"case": prosecutor.game("case").with_prior([0.6, 0.4])}
    for change, part in (
        ({"seed": 1}, "advisor"),
        ({"n": 19}, "inputs"),
        ({"lr": 1e-4}, "settings"),
        ({"games": other_game}, "games"),
    ):
        with pytest.raises(PersuasionError, match=f"of another training: its {part} differ"):
            run(**change)
    (tmp_path / "run" / "state.pt").write_bytes(b"half of i")
    with pytest.raises(PersuasionError, match="is damaged; delete it"):
        run()


def test_checkpoints_replace_nothing_else(
    make_advisor: Make, prosecutor: Any, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("four years of work")
    examples = prosecutor.examples("case", "train", 20, 0)
    told: list[int] = []
    with pytest.raises(PersuasionError, match="is something else and is not replaced"):
        train(
            make_advisor(2), prosecutor, prosecutor.games, examples, settings=SHORT,
            checkpoint=tmp_path, progress=lambda done, total: told.append(done),
        )  # fmt: skip
    assert told == []  # before any work


def test_full_disk_keeps_the_last_checkpoint(
    make_advisor: Make, prosecutor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = prosecutor.examples("case", "train", 20, 0)
    save, calls = torch.save, []

    def until_full(state: Any, path: Path) -> None:
        calls.append(state["step"])
        if len(calls) == 3:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(state, path)

    given: dict[str, Any] = {"settings": SHORT, "checkpoint": tmp_path / "run"}
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", until_full)
        with pytest.raises(OSError, match="No space left"):
            train(make_advisor(2), prosecutor, prosecutor.games, examples, **given)
    whole, resumed = make_advisor(2), make_advisor(2)
    train(whole, prosecutor, prosecutor.games, examples, settings=SHORT)
    told: list[int] = []
    train(
        resumed, prosecutor, prosecutor.games, examples,
        progress=lambda done, total: told.append(done), **given,
    )  # fmt: skip
    assert (calls, told[0]) == ([2, 4, 6], 5)
    assert resumed.fingerprint == whole.fingerprint


SCRIPT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("toys", sys.argv[1])
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
import torch
from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.train import AdvisorTraining, train
torch.set_num_threads(1)
task = toys.Prosecutor()
tokenizer = toys.build_tokenizer(toys.texts_of(task), 300)
advisor = Advisor.fresh(tokenizer, Codebook.default(2), toys.SMALL)
def tell(done, total):
    print(done, flush=True)
train(
    advisor, task, task.games, task.examples("case", "train", 20, 0), checkpoint=sys.argv[2],
    settings=AdvisorTraining(warm_steps=5, steps=35, batch=4, checkpoint_every=3), progress=tell,
)
heavy = {"highspy", "cvxpy", "matplotlib"} & set(sys.modules)
print(advisor.fingerprint, *heavy)
"""


@pytest.mark.slow
def test_process_killed_at_any_moment(tmp_path: Path) -> None:
    """Also: training needs no solver, not even to be loaded."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}

    def start(name: str) -> subprocess.Popen[str]:
        toys = str(Path(__file__).with_name("conftest.py"))
        command = [sys.executable, "-c", SCRIPT, toys, str(tmp_path / name)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    whole = start("whole").communicate()[0].splitlines()[-1]
    assert len(whole) == 32  # the fingerprint alone
    delays = np.random.default_rng(0).uniform(0, 0.05, size=3)
    for last, delay in zip((8, 17, 29), delays, strict=True):
        process = start("killed")
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= last:
                break
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    lines = start("killed").communicate()[0].splitlines()
    assert int(lines[0]) > 25
    assert lines[-1] == whole


# -- steps -------------------------------------------------------------------------------------


def test_parts_of_a_step_make_the_same_gradient(make_advisor: Make, aligned: Any) -> None:
    examples = [x for t in aligned.priors for x in aligned.examples(t, "train", 20, 0)]
    settings = replace(SHORT, batch=7)
    kernels = []
    for parts in (1, 3, 50):
        advisor = make_advisor(3)
        log = train(
            advisor, aligned, aligned.games, examples,
            settings=replace(settings, grad_accumulation=parts),
        )  # fmt: skip
        kernels.append(advisor.kernels(aligned, examples[:5]))
        assert len(log.values) == 9
    for other in kernels[1:]:
        np.testing.assert_allclose(other, kernels[0], rtol=0, atol=1e-4)


def test_seed_makes_the_run(make_advisor: Make, prosecutor: Any) -> None:
    examples = prosecutor.examples("case", "train", 20, 0)

    def run(seed: int) -> tuple[float, ...]:
        return train(
            make_advisor(2), prosecutor, prosecutor.games, examples,
            settings=replace(SHORT, seed=seed),
        ).values  # fmt: skip

    assert run(0) == run(0) != run(1)


def test_schedule() -> None:
    settings = AdvisorTraining(warm_steps=10, steps=21, warm_lr=0.5, lr=0.1, lr_floor=0.2)
    assert [settings.lr_at(step) for step in (0, 9)] == [0.5, 0.5]
    assert np.allclose([settings.lr_at(step) for step in (10, 20, 30)], [0.1, 0.06, 0.02])
    found = [settings.beta_at(step) for step in (10, 20, 30)]
    assert np.allclose(found, [3, 600**0.5, 200])


@pytest.mark.parametrize(("n_items", "n_signals"), [(3, 3), (5, 2), (6, 4), (2, 3)])
def test_assignments_use_every_signal(n_items: int, n_signals: int) -> None:
    drawn = assignments(n_items, n_signals, 20, seed=3)
    partitions = {(5, 2): 15, (6, 4): 20}  # of 15 and of 65 that there are
    assert drawn.shape == (partitions.get((n_items, n_signals), 1), n_items, n_signals)
    apart = {tuple(map(tuple, one @ one.T)) for one in drawn}  # which items share a signal
    assert len(apart) == len(drawn)
    assert (drawn.sum(axis=2) == 1).all()
    used = drawn.sum(axis=1)
    assert ((used > 0).sum(axis=1) == min(n_items, n_signals)).all()
    assert np.ptp(used[0][used[0] > 0]) <= 1
    assert np.array_equal(drawn, assignments(n_items, n_signals, 20, seed=3))
    if n_signals < n_items:
        assert not np.array_equal(drawn, assignments(n_items, n_signals, 20, seed=4))


def test_warm_start_is_the_best_assignment_drawn(aligned: Any) -> None:
    """Items of priors .5, .3, .2: the first alone is worth .5 + (.3^2 + .2^2) / .5 = .76."""
    game = aligned.game("tilted")
    stakes = Stakes(
        *(
            torch.tensor(array)[None]
            for array in (game.prior, game.prior, game.sender_utility, game.receiver_utility)
        ),
        margin=torch.zeros(1),
        rule="posterior_sampling",
    )
    (target,) = warm_targets(stakes, 2, 30, seed=0).numpy()
    assert np.allclose(target.sum(axis=1), 1)
    assert np.allclose(sorted(np.unique(target)), [0.15, 0.85])
    shared = target.argmax(axis=1)
    assert shared[0] != shared[1] == shared[2]


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": -1}, "`steps` must be a whole number of at least 0; got -1"),
        ({"batch": 0}, "`batch` must be a whole number of at least 1; got 0"),
        ({"batch": 2.5}, "`batch` must be a whole number"),
        ({"lr": 0.0}, "`lr` must be a finite number above 0; got 0.0"),
        ({"lr": float("nan")}, "`lr` must be a finite number"),
        ({"n_samples": 1}, "at least 2; got 1"),
        ({"beta_start": 5.0, "beta_end": 4.0}, "`beta_end` must not be below `beta_start`"),
        ({"margin": -0.1}, "`margin` must be finite and >= 0; got -0.1"),
        ({"margin": {"case": float("inf")}}, "`margin` must be finite and >= 0; got inf"),
        ({"lr_floor": 1.5}, "at most 1; got 1.5"),
    ],
)
def test_illegal_settings(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        AdvisorTraining(**given)


PROSECUTOR_TABLES = ([[0, 1], [0, 1]], [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "exakt"}, "there is no mode 'exakt'; did you mean 'exact'"),
        ({"rule": "obedience"}, "`rule` must be one of posterior_sampling, best_response"),
        ({"rule": "quantal"}, "needs the Receiver's precision; set `receiver_beta`"),
        ({"examples": []}, "no examples to train on"),
        ({"games": {}}, "no game for the template 'case'; got none"),
        ({"mode": "distill"}, "`targets` has none for 'case'"),
        ({"mode": "distill", "targets": {"case": np.eye(3)}}, r"shape \(3, 3\); legal are 2 rows"),
        (
            {"games": {"case": PersuasionGame([1.0], [[0, 1]], [[0, 1]])}},
            "has 1 states and 2 actions; both must be the 2 items",
        ),
        (
            {
                "games": {
                    "case": PersuasionGame(
                        [0.7, 0.3], *PROSECUTOR_TABLES, actions=["acquit", "convict"]
                    )
                }
            },
            "the actions of the game .* are acquit, convict; they must be the items",
        ),
        ({"settings": AdvisorTraining(margin={"trial": 0.1})}, "nothing about the template 'case'"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: Mapping[str, Any], message: str, make_advisor: Make, prosecutor: Any
) -> None:
    advisor = make_advisor(2)
    before = advisor.fingerprint
    given: dict[str, Any] = {
        "games": prosecutor.games,
        "examples": prosecutor.examples("case", "train", 5, 0),
        "settings": SHORT,
        **change,
    }
    with pytest.raises(PersuasionError, match=message):
        train(advisor, prosecutor, given.pop("games"), given.pop("examples"), **given)
    assert advisor.fingerprint == before


def test_foreign_examples(make_advisor: Make, prosecutor: Any, aligned: Task) -> None:
    examples = aligned.examples("even", "train", 3, 0)
    with pytest.raises(PersuasionError, match="is of task 'aligned', template 'even'"):
        train(make_advisor(2), prosecutor, prosecutor.games, examples)


def test_modes_are_the_files_of_the_folder() -> None:
    assert objectives.names() == ["belief_pg", "distill", "exact", "reinforce"]


def test_weights_of_16_bits_become_float32(make_advisor: Make, prosecutor: Any) -> None:
    advisor, examples = make_advisor(2), prosecutor.examples("case", "train", 10, 0)
    advisor.model.to(torch.bfloat16)
    train(advisor, prosecutor, prosecutor.games, examples, settings=SHORT)
    assert advisor.model.dtype == torch.float32


def test_quantal_receiver_is_trained_against_at_her_precision(
    make_advisor: Make, prosecutor: Any
) -> None:
    examples = prosecutor.examples("case", "train", 10, 0)
    advisor = make_advisor(2)
    settings = AdvisorTraining(warm_steps=0, steps=1, batch=10, receiver_beta=2.0)
    kernels = advisor.kernels(prosecutor, examples)
    log = train(advisor, prosecutor, prosecutor.games, examples, rule="quantal", settings=settings)
    game = prosecutor.game("case")
    values = [sender_value(game, SignalingScheme(kernel), Quantal(2.0)) for kernel in kernels]
    assert abs(log.values[0] - np.mean(values)) < 1e-6
