"""Promises of `simulate` and of every learner in the folder."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from persuasion import PersuasionError, PersuasionGame, SignalingScheme, Trajectory, simulate, solve
from persuasion import learners as learner_folder
from persuasion.environments import Drifting
from persuasion.errors import UnsupportedError
from persuasion.learners.fixed import Fixed
from persuasion.learners.plug_in import PlugIn
from persuasion.simulate import Interrupted
from persuasion.store import Store
from persuasion.types import IID, ReceiverTypes
from persuasion.values import sender_value
from persuasion.view import Feedback, KnowledgeError

PROSECUTOR = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
THREE = PersuasionGame(
    [0.5, 0.3, 0.2], [[0, 1, 3]] * 3, [[0, -1, -4], [0, 1, -1], [0, 1, 2]], actions=["x", "y", "z"]
)
TWO_ACTIONS = PersuasionGame(
    [0.2, 0.5, 0.3], [[1, 0], [3, 0], [2, 0]], [[0, -1], [-2, 0], [-1, 1]], actions=["x", "y"]
)
SUITABLE = {"threshold_search": TWO_ACTIONS}
"""Games for the learners that refuse THREE."""


@pytest.fixture(params=learner_folder.names())
def learner(request):
    return learner_folder.load(request.param)


@pytest.fixture
def game(learner):
    return SUITABLE.get(learner.name, THREE)


def types_for(learner):
    """Receivers of two types for learners that are told about types, else None."""
    if learner.feedback not in ("full", "bandit"):
        return None
    return ReceiverTypes([THREE.receiver_utility, -THREE.receiver_utility], IID((0.6, 0.4)))


def test_every_learner_reproduces_bit_for_bit_and_survives_json(learner, game):
    settings = {"types": types_for(learner), "horizon": 2000, "n_runs": 2, "seed": 5}
    one, two = (simulate(game, learner, realised=True, **settings) for _ in range(2))
    assert one.same_results(two)
    assert Trajectory.from_dict(json.loads(json.dumps(one.to_dict()))).same_results(one)
    assert one.regret.shape == (2, len(one.checkpoints))
    assert one.epochs.length.sum() == 2 * 2000
    if one.types is None:  # nobody beats the optimum; a changing scheme may beat the best fixed one
        assert (np.diff(one.regret, axis=1) >= -1e-9).all()
    assert (one.regret <= one.optimum + 1e-9).all()


def test_another_seed_gives_other_numbers():
    one = simulate(THREE, "plug_in", horizon=500, seed=1)
    assert not one.same_results(simulate(THREE, "plug_in", horizon=500, seed=2))


def test_workers_change_nothing(learner, game):
    settings = {"types": types_for(learner), "horizon": 300, "n_runs": 3}
    alone = simulate(game, learner, **settings)
    assert alone.same_results(simulate(game, learner, n_jobs=2, **settings))


@pytest.mark.parametrize("name", SUITABLE)
def test_games_of_their_own_are_for_learners_that_refuse_the_common_one(name):
    with pytest.raises(UnsupportedError, match=name):
        simulate(THREE, name, horizon=10)


def test_a_run_does_not_depend_on_how_many_there_are():
    few, many = (simulate(THREE, "plug_in", horizon=300, n_runs=k) for k in (1, 3))
    assert few.regret[0].tolist() == many.regret[0].tolist()


def test_regret_of_a_fixed_scheme_is_its_loss_times_rounds():
    scheme = SignalingScheme.full_disclosure(3)
    trajectory = simulate(THREE, Fixed(scheme), horizon=10_000)
    loss = solve(THREE).value - sender_value(THREE, scheme)
    assert trajectory.regret[0] == pytest.approx(loss * trajectory.checkpoints, rel=1e-12)


def test_oracle_has_no_regret_and_plug_in_has_much():
    assert abs(simulate(PROSECUTOR, "oracle", horizon=10**6).regret).max() < 1e-6
    assert simulate(PROSECUTOR, "plug_in", horizon=10**6, n_runs=4).mean_regret[-1] > 1e5


def test_realised_payoffs_agree_with_pseudo_regret():
    """Azuma-Hoeffding at failure probability 1e-6 for each of 20 runs."""
    trajectory = simulate(THREE, "posterior_sampling", horizon=20_000, n_runs=20, realised=True)
    width = 3.0  # range of the Sender's utility
    limit = width * np.sqrt(trajectory.checkpoints / 2 * np.log(2 / 1e-6))
    assert (np.abs(trajectory.realised_regret - trajectory.regret) <= limit).all()
    assert np.abs(trajectory.realised_regret - trajectory.regret).max() > 0


class Spy(PlugIn):
    """Records what it is told."""

    name = "spy"
    seen = None

    def reset(self, view, rng):
        self.seen = []
        type(self).last = self
        super().reset(view, rng)

    def observe(self, feedback):
        self.seen.append(feedback)
        super().observe(feedback)


def test_states_are_the_same_whatever_the_learner():
    counts = []
    for growth in (1.1, 1.5, 3.0):
        simulate(THREE, Spy(growth=growth), horizon=5000, seed=3)
        counts.append(sum(f.state_counts for f in Spy.last.seen).tolist())
    assert counts[0] == counts[1] == counts[2]


def test_the_learner_commits_before_it_sees_the_state():
    simulate(THREE, Spy(growth=1.0), horizon=50)
    told = Spy.last.seen
    assert [f.start for f in told] == list(range(1, 51))
    assert all(f.n_rounds == 1 and f.state_counts.sum() == 1 for f in told)


class Curious(Fixed):
    """Asks for what it did not declare."""

    name = "curious"
    wants = "prior"

    def reset(self, view, rng):
        getattr(view, self.wants)
        super().reset(view, rng)


@pytest.mark.parametrize("wants", ["prior", "prior_lower_bound", "type_set", "states", "sequence"])
def test_asking_for_undeclared_knowledge_raises(wants):
    curious = Curious()
    curious.wants = wants
    with pytest.raises(KnowledgeError, match=wants):
        simulate(PROSECUTOR, curious, horizon=10)


def test_declared_knowledge_is_given():
    class Informed(Curious):
        knows = frozenset({"prior", "prior_lower_bound"})
        wants = "prior_lower_bound"

    simulate(PROSECUTOR, Informed(), horizon=10)


def test_the_view_holds_no_way_to_the_game():
    class Searching(Fixed):
        def reset(self, view, rng):
            assert set(vars(view)) == {
                "n_states", "n_actions", "actions", "sender_utility", "receiver_utility", "horizon",
            }  # fmt: skip
            super().reset(view, rng)

    simulate(PROSECUTOR, Searching(), horizon=10)


class Listener(Fixed):
    """Takes action feedback."""

    feedback = "action"

    def reset(self, view, rng):
        self.seen = []
        type(self).last = self
        super().reset(view, rng)

    def observe(self, feedback):
        assert feedback.state_counts is None
        self.seen.append(feedback)


def test_action_feedback_counts_signals_and_answers():
    simulate(PROSECUTOR, Listener(), horizon=1000)
    (told,) = Listener.last.seen
    assert told.action_counts.sum() == 1000
    assert told.action_counts[0, 1] == told.action_counts[1, 0] == 0  # full disclosure is obeyed


def test_drifting_prior_is_charged_against_the_optimum_of_the_round():
    drift = Drifting(((0.7, 0.3), (0.2, 0.8)), (1, 501))
    trajectory = simulate(
        PROSECUTOR, Fixed("full_disclosure"), horizon=1000, environment=drift,
        checkpoints=[500, 1000], realised=True,
    )  # fmt: skip
    assert trajectory.optimum == pytest.approx([500 * 0.6, 500 * 0.6 + 500])
    assert trajectory.regret[0] == pytest.approx([150, 150 + 500 * 0.2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"horizon": 0}, "horizon"),
        ({"horizon": 2.5}, "horizon"),
        ({"n_runs": 0}, "n_runs"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"n_jobs": "2"}, "n_jobs"),
        ({"horizon": float("nan")}, "horizon"),
        ({"horizon": float("inf")}, "horizon"),
        ({"horizon": "100"}, "horizon"),
        ({"horizon": None}, "horizon"),
        ({"n_runs": True}, "n_runs"),
        ({"seed": -1}, "seed"),
        ({"seed": "a"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"environment": "drifting"}, "environment"),
        ({"checkpoints": [1.5]}, "checkpoints"),
        ({"checkpoints": [0, 5]}, "checkpoints"),
        ({"checkpoints": "linear"}, "checkpoints"),
        ({"learner": "nobody"}, "legal are"),
        ({"learner": object()}, "lacks"),
        ({"learner": PlugIn}, "not its class"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(change, message):
    arguments = {"learner": "plug_in", "horizon": 10, **change}
    learner = arguments.pop("learner")
    with pytest.raises(PersuasionError, match=message):
        simulate(PROSECUTOR, learner, **arguments)


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_games_without_choice_are_refused(shape):
    game = PersuasionGame(np.full(shape[0], 1 / shape[0]), np.zeros(shape), np.zeros(shape))
    with pytest.raises(PersuasionError, match="nothing to learn"):
        simulate(game, "plug_in", horizon=10)


@pytest.mark.parametrize(("kind", "message"), [("full", "types"), ("psychic", "legal are")])
def test_feedback_that_nobody_gives_is_refused(kind, message):
    class Demanding(Fixed):
        feedback = kind

    with pytest.raises(PersuasionError, match=message):
        simulate(PROSECUTOR, Demanding(), horizon=10)


def test_a_learner_that_never_moves_on_is_stopped():
    class Stuck(Fixed):
        def next_change(self):
            return 1

    with pytest.raises(PersuasionError, match="later round"):
        simulate(PROSECUTOR, Stuck(), horizon=10)


# -- the store -----------------------------------------------------------------------------


def test_a_store_is_read_back_bit_for_bit(tmp_path):
    fresh = simulate(THREE, "plug_in", horizon=400, n_runs=3, store=tmp_path / "s")
    finished = []
    again = simulate(
        THREE, "plug_in", horizon=400, n_runs=3, store=tmp_path / "s",
        progress=lambda done, of: finished.append(done),
    )  # fmt: skip
    assert finished == [3]  # nothing was computed again
    assert again.same_results(fresh)


def test_more_runs_reuse_the_earlier_ones(tmp_path):
    simulate(THREE, "plug_in", horizon=400, n_runs=2, store=tmp_path / "s")
    finished = []
    simulate(
        THREE, "plug_in", horizon=400, n_runs=4, store=tmp_path / "s",
        progress=lambda done, of: finished.append(done),
    )  # fmt: skip
    assert finished == [2, 3, 4]


def test_a_damaged_cell_is_computed_again(tmp_path):
    fresh = simulate(THREE, "plug_in", horizon=400, n_runs=2, store=tmp_path)
    victim = next(tmp_path.glob("*.npz"))
    victim.write_bytes(victim.read_bytes()[:100])
    assert simulate(THREE, "plug_in", horizon=400, n_runs=2, store=tmp_path).same_results(fresh)


def test_a_store_of_other_code_is_refused_with_the_reason(tmp_path):
    Store(tmp_path)
    label = tmp_path / "store.json"
    label.write_text(label.read_text().replace('"numpy": "', '"numpy": "0.'))
    with pytest.raises(PersuasionError, match=r"numpy 0\."):
        simulate(THREE, "plug_in", horizon=10, store=tmp_path)


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(PersuasionError, match="not a store"):
        simulate(THREE, "plug_in", horizon=10, store=tmp_path)


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PersuasionError, match="is a file"):
        Store(tmp_path / "file")


def test_interruption_keeps_what_was_done(tmp_path):
    def stop_after_two(done, of):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="2 of 5 runs") as caught:
        simulate(THREE, "plug_in", horizon=400, n_runs=5, store=tmp_path, progress=stop_after_two)
    partial = caught.value.partial
    assert partial.n_runs == 2
    assert partial.n_requested == 5
    assert "3 runs missing" in partial.summary()
    resumed = simulate(THREE, "plug_in", horizon=400, n_runs=5, store=tmp_path)
    assert resumed.same_results(simulate(THREE, "plug_in", horizon=400, n_runs=5))
    assert partial.regret.tolist() == resumed.regret[:2].tolist()


def test_a_killed_process_loses_only_the_run_it_was_in(tmp_path):
    script = textwrap.dedent(f"""
        from persuasion import PersuasionGame, simulate
        game = PersuasionGame([0.5, 0.3, 0.2], [[0, 1, 3]] * 3,
                              [[0, -1, -4], [0, 1, -1], [0, 1, 2]], actions=["x", "y", "z"])
        simulate(game, "plug_in", horizon=10**5, n_runs=10**4, store={str(tmp_path / "s")!r})
    """)
    process = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "s").glob("*.npz"))) < 3:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list((tmp_path / "s").glob("*.npz")))
    finished = []
    resumed = simulate(
        THREE, "plug_in", horizon=10**5, n_runs=kept + 1, store=tmp_path / "s",
        progress=lambda done, of: finished.append(done),
    )  # fmt: skip
    assert finished[0] == kept
    assert resumed.same_results(simulate(THREE, "plug_in", horizon=10**5, n_runs=kept + 1))


class Handmade:
    """No dataclass, and returns what its attribute says."""

    name, knows, feedback = "handmade", frozenset(), "none"

    def __init__(self, kernel):
        self.kernel = kernel

    def reset(self, view, rng):
        self._end = view.horizon + 1

    def scheme(self):
        return self.kernel

    def next_change(self):
        return self._end

    def observe(self, feedback):
        pass


def test_a_bare_kernel_is_refused():
    with pytest.raises(PersuasionError, match="wrap the kernel"):
        simulate(PROSECUTOR, Handmade(np.eye(2)), horizon=10)


def test_a_handmade_learner_is_found_again_in_a_store(tmp_path):
    for _ in range(2):
        finished = []
        simulate(
            PROSECUTOR, Handmade(SignalingScheme(np.eye(2))), horizon=10, store=tmp_path,
            progress=lambda done, of, finished=finished: finished.append(done),
        )  # fmt: skip
    assert finished == [1]


class Hiding(Fixed):
    """What it plays is in a private attribute, which its parameters do not show."""

    def __init__(self, kernel):
        super().__init__()
        self._kernel = kernel

    def reset(self, view, rng):
        super().reset(view, rng)
        self._scheme = SignalingScheme(self._kernel)


def test_learners_that_differ_in_what_they_hide_share_nothing_in_a_store(tmp_path):
    silent, telling = np.ones((2, 1)), np.eye(2)
    for kernel in (silent, telling, silent):
        kept = simulate(PROSECUTOR, Hiding(kernel), horizon=10, store=tmp_path)
        assert kept.same_results(simulate(PROSECUTOR, Hiding(kernel), horizon=10))
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_a_learner_of_the_same_name_and_parameters_shares_nothing_in_a_store(tmp_path):
    class Reversed(Fixed):
        def scheme(self):
            return SignalingScheme(np.ones((2, 1)))

    own = simulate(PROSECUTOR, Fixed(), horizon=10, store=tmp_path)
    other = simulate(PROSECUTOR, Reversed(), horizon=10, store=tmp_path)
    assert other.same_results(simulate(PROSECUTOR, Reversed(), horizon=10))
    assert not other.same_results(own)


def test_a_learner_whose_state_cannot_be_read_is_not_stored(tmp_path):
    learner = Hiding(np.eye(2))
    learner.callback = lambda: None
    with pytest.raises(PersuasionError, match="cannot be kept in a store"):
        simulate(PROSECUTOR, learner, horizon=10, store=tmp_path)


def test_the_generator_does_not_tell_the_seed_of_the_states():
    class Curious(Fixed):
        def reset(self, view, rng):
            super().reset(view, rng)
            source = rng.bit_generator.seed_seq
            assert np.any(np.asarray(source.entropy) != 12345)
            assert source.spawn_key == ()

    simulate(PROSECUTOR, Curious(), horizon=10, seed=12345)


def test_a_scheme_that_could_listen_is_refused():
    class Listening(SignalingScheme):
        """`posteriors` would be handed the true prior."""

    class Spy(Fixed):
        def scheme(self):
            return Listening(np.eye(2))

    with pytest.raises(PersuasionError, match="Listening"):
        simulate(PROSECUTOR, Spy(), horizon=10)


def test_a_trajectory_tells_where_its_states_came_from():
    drift = Drifting(((0.7, 0.3), (0.2, 0.8)), (1, 6))
    told = simulate(PROSECUTOR, "plug_in", horizon=10, environment=drift)
    assert eval(told.environment, {"Drifting": Drifting}) == drift
    assert Trajectory.from_dict(told.to_dict()).environment == told.environment
    assert simulate(PROSECUTOR, "plug_in", horizon=10).environment.startswith("Stationary(")


def test_a_whole_number_may_be_a_float():
    assert simulate(PROSECUTOR, "oracle", horizon=1e3).horizon == 1000


def test_knowledge_must_be_a_set():
    class Sloppy(Fixed):
        knows = "prior"

    with pytest.raises(PersuasionError, match="must be a set"):
        simulate(PROSECUTOR, Sloppy(), horizon=10)


def test_feedback_is_plain_data():
    assert Feedback(start=1, n_rounds=3).state_counts is None
