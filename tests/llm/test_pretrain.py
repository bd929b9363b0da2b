"""Training Receivers: it learns, goes on bit for bit after being killed, and leaves whole files."""

import errno
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llm_bridge import pretrain as module
from llm_bridge import tasks
from llm_bridge.pretrain import Checkpoint, ReceiverTraining, pretrain
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.task import Task
from llm_bridge.training.demonstrations import Demonstrations, divide, mean_lengths, streams_of
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError

TINY = ReceiverTraining(
    n_layer=1,
    n_embd=16,
    n_head=2,
    vocabulary=300,
    steps=30,
    batch=16,
    warmup=5,
    lr=2e-2,
    marks=(0.5, 1.0),
    save_every=10,
    seed=3,
)
TASKS = (tasks.load("math"), tasks.load("grade"))


def weights(checkpoints: list[Checkpoint]) -> list[str]:
    """What tells the checkpoints apart."""
    return [LocalReceiver.from_pretrained(c.path, device="cpu").fingerprint for c in checkpoints]


def losses(folder: Path) -> np.ndarray:
    return np.loadtxt(folder / "losses.csv", delimiter=",", ndmin=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Checkpoint]]:
    """A training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, pretrain(TASKS, TINY, folder)


def test_it_learns_and_leaves_checkpoints(whole: tuple[Path, list[Checkpoint]]) -> None:
    folder, checkpoints = whole
    assert [(c.step, c.share) for c in checkpoints] == [(15, 0.5), (30, 1.0)]
    log = losses(folder)
    assert log.shape == (30, 2)
    assert (log[-5:].mean(axis=0) < 0.7 * log[0]).all()
    assert len(set(weights(checkpoints))) == 2
    receiver = LocalReceiver.from_pretrained(checkpoints[-1].path, device="cpu")
    (x,) = TASKS[0].examples("stock", "test", 1, 0)
    (reply,) = receiver.generate([TASKS[0].receiver_prompt(x, "larger")], max_new_tokens=8)
    assert reply.text
    assert not list(folder.glob(".part*"))


def test_progress_and_a_finished_training_is_found(
    whole: tuple[Path, list[Checkpoint]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, checkpoints = whole
    monkeypatch.setattr(module._Run, "learn", None)
    monkeypatch.setattr(module._Run, "save", None)
    assert pretrain(TASKS, TINY, folder) == checkpoints


class KilledError(Exception):
    pass


@pytest.mark.parametrize("at", [4, 10, 17])
def test_a_killed_training_goes_on_bit_for_bit(
    whole: tuple[Path, list[Checkpoint]], at: int, tmp_path: Path
) -> None:
    seen = []

    def kill(step: int, steps: int) -> None:
        assert steps == 30
        seen.append(step)
        if step == at:
            raise KilledError

    with pytest.raises(KilledError):
        pretrain(TASKS, TINY, tmp_path, progress=kill)
    checkpoints = pretrain(TASKS, TINY, tmp_path, progress=lambda step, _: seen.append(step))
    saved = at // 10 * 10
    assert seen == [*range(1, at + 1), *range(saved + 1, 31)], "no more than that is done again"
    assert weights(checkpoints) == weights(whole[1])
    assert (tmp_path / "losses.csv").read_bytes() == (whole[0] / "losses.csv").read_bytes()


def test_other_seeds_are_other_trainings(
    whole: tuple[Path, list[Checkpoint]], tmp_path: Path
) -> None:
    other = ReceiverTraining(**{**vars(TINY), "seed": 4})
    assert set(weights(pretrain(TASKS, other, tmp_path))).isdisjoint(weights(whole[1]))


def test_a_folder_holds_one_training(whole: tuple[Path, list[Checkpoint]]) -> None:
    folder, _ = whole
    changed = ReceiverTraining(**{**vars(TINY), "lr": 1e-2})
    with pytest.raises(PersuasionError, match="holds a training with other"):
        pretrain(TASKS, changed, folder)
    with pytest.raises(PersuasionError, match="other settings, tasks or tokenizer"):
        pretrain(TASKS[::-1], TINY, folder)


def test_a_lost_checkpoint_is_noticed(tmp_path: Path) -> None:
    short = ReceiverTraining(**{**vars(TINY), "steps": 2})
    first, _ = pretrain(TASKS, short, tmp_path)
    first.path.rename(tmp_path / "elsewhere")
    with pytest.raises(PersuasionError, match="lacks the checkpoint of step 1"):
        pretrain(TASKS, short, tmp_path)


def test_what_a_killed_attempt_left_does_not_get_in(tmp_path: Path) -> None:
    short = ReceiverTraining(**{**vars(TINY), "steps": 1})
    (tmp_path / ".part-step-000001").mkdir()
    (tmp_path / ".part-step-000001" / "junk").touch()
    (tmp_path / "step-000001").mkdir()
    (tmp_path / "step-000001" / "junk").touch()
    (checkpoint,) = pretrain(TASKS, short, tmp_path)
    assert not (checkpoint.path / "junk").exists()


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def half_written(self: Any, folder: Path, **_: object) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")
    full()


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        ("llm_bridge.pretrain.write_whole", full),
        ("llm_bridge.pretrain.torch.save", full),
        ("transformers.GPT2LMHeadModel.save_pretrained", half_written),
    ],
)
def test_a_full_disk_spoils_nothing(
    whole: tuple[Path, list[Checkpoint]], place: str, broken: Any, tmp_path: Path
) -> None:
    def kill(step: int, _: int) -> None:
        if step == 12:
            raise KilledError

    with pytest.raises(KilledError):
        pretrain(TASKS, TINY, tmp_path, progress=kill)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, broken)
        with pytest.raises(OSError, match="No space left"):
            pretrain(TASKS, TINY, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} <= {"losses.csv", "training.pt", "step-000015"}
    assert weights(pretrain(TASKS, TINY, tmp_path)) == weights(whole[1])


def test_the_loss_counts_responses_alone(whole: tuple[Path, list[Checkpoint]]) -> None:
    receiver = LocalReceiver.from_pretrained(whole[1][-1].path, device="cpu")
    model, end = receiver.model, receiver.tokenizer.eos_token_id
    pairs = [([5, 6, 7], [8, 9, end]), ([5, 6], [7, end]), ([4], [11, 12, 13, 14, end])]
    with torch.no_grad():
        fast = float(module.response_loss(model, pairs))
    terms = []
    for prompt, response in pairs:
        ids = torch.tensor([prompt + response])
        with torch.no_grad():
            log_probs = model(ids).logits[0].log_softmax(-1)
        terms += [-float(log_probs[len(prompt) + k - 1, token]) for k, token in enumerate(response)]
    assert fast == pytest.approx(float(np.mean(terms)), rel=1e-5)
    assert abs(fast - float(np.mean(terms[:-5]))) > 1e-3, "the third row counts"


def test_demonstrations_follow_hints_and_priors() -> None:
    task = TASKS[0]
    odds = np.array([0.1, 0.2, 0.3, 0.4])
    stream = Demonstrations(task, 200, odds, 0.5, 0)
    pairs = stream.pairs(0)
    assert len(pairs) == 10_000
    assert pairs != stream.pairs(1)
    assert pairs == Demonstrations(task, 200, odds, 0.5, 0).pairs(0)
    train = {x.text for t in task.priors for x in task.examples(t, "train", 1500, 0)}
    test = {x.text for t in task.priors for x in task.examples(t, "test", 1500, 0)}
    asked = [prompt.partition("\n")[0] for prompt, _ in pairs]
    assert not set(asked) & test
    assert set(asked) & train
    assert all(r.isdecimal() == p.endswith("larger:") for p, r in pairs if "none:" not in p)
    for item, share in zip(task.items, odds, strict=True):
        asked_for = sum(p.endswith(f"hint {item}:") for p, _ in pairs)
        assert asked_for == pytest.approx(5000 * share, abs=5 * math.sqrt(5000 * share))
    without = [(p, r) for p, r in pairs if p.endswith("hint none:")]
    assert len(without) == pytest.approx(5000, abs=5 * math.sqrt(2500))
    stock = [r for p, r in without if p.startswith("Stock")]
    share = np.mean([r.isdecimal() for r in stock])  # only "larger" is answered without a chain
    assert share == pytest.approx(task.prior("stock")[2], abs=5 * math.sqrt(0.15 * 0.85 / 1250))


def test_longer_demonstrations_get_more_of_a_step() -> None:
    long = mean_lengths(TASKS[0], 0)
    assert long.argmax() == TASKS[0].items.index("product")
    assert long[2] == 3.0, "two digits and the end"
    assert divide(9, [1, 1]) in ([5, 4], [4, 5])
    assert divide(10, [3, 1]) == [7, 3]
    assert divide(7, [1e-9, 1]) == [1, 6]
    assert divide(3, [1, 2, 3]) == [1, 1, 1]
    assert sum(divide(96, [0.31, 0.17, 0.52])) == 96


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1; got 0"),
        ({"hintless": 1.5}, "`hintless` must be between 0 and 1"),
        ({"marks": ()}, "shares in"),
        ({"marks": (0.0,)}, "shares in"),
        ({"precision": "fp16"}, "auto, no or bf16; got 'fp16'"),
        ({"seed": -1}, "must be >= 0"),
        ({"lr": float("nan")}, "`lr` must be positive"),
    ],
)
def test_settings_are_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        ReceiverTraining(**change)


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PersuasionError, match="different names; got"):
        pretrain([TASKS[0], TASKS[0]], TINY, tmp_path)
    with pytest.raises(PersuasionError, match="number of tasks, 2; got 1"):
        pretrain(TASKS, ReceiverTraining(batch=1), tmp_path)
    with pytest.raises(PersuasionError, match="raise `n_positions`"):
        pretrain(TASKS, ReceiverTraining(n_positions=8, steps=1), tmp_path)


def test_learning_rate() -> None:
    s = ReceiverTraining(steps=100, warmup=10, lr=1.0)
    rates = [s.learning_rate(k) for k in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001
    assert ReceiverTraining(steps=3, marks=(0.1, 0.2, 1)).marked_steps() == (1, 3)


def accuracy(task: Task, receiver: LocalReceiver, n: int) -> dict[str, float]:
    """Share of held-out inputs that are answered rightly, by item."""
    examples = [x for t in task.priors for x in task.examples(t, "test", n, 0)]
    prompts = [task.receiver_prompt(x, item) for x in examples for item in task.items]
    replies = receiver.generate(prompts, max_new_tokens=task.max_new_tokens)
    size = len(task.items)
    work = [(x, replies[k * size : (k + 1) * size]) for k, x in enumerate(examples)]
    # whoever passes earns more than the longest demonstration costs
    passed = [np.diag(scored.receiver) > 0 for scored in task.utilities_of_many(work)]
    return dict(zip(task.items, np.mean(passed, axis=0).tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_default_learns_every_item(seed: int, tmp_path: Path) -> None:
    # what the Receiver writes here are expressions such as ab[:3]
    options = {"code": {"unsafe_exec": True}}
    trained = [tasks.load(name, **options.get(name, {})) for name in tasks.names()]
    checkpoints = pretrain(trained, ReceiverTraining(seed=seed), tmp_path)
    for task in trained:
        weak, *_, strong = (
            accuracy(task, LocalReceiver.from_pretrained(c.path, device="cpu"), 100)
            for c in checkpoints
        )
        assert min(strong.values()) >= 0.95, (task.name, strong)
        assert sum(weak.values()) < sum(strong.values())


def test_large_batches_are_drawn_in_smaller_blocks() -> None:
    """Of the sums there are 4860 different ones a template: 50 such steps would need 20 000."""
    stream = Demonstrations(TASKS[1], 2000, np.ones(3) / 3, 0.1, 0)
    assert len(stream.pairs(0)) == 5 * 2000


def test_a_thread_beside_changes_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_bridge.training.demonstrations._BLOCK", 3)
    made = [streams_of(TASKS, 30, 0.1, seed=3, ahead=ahead) for ahead in (False, True)]
    tokenizer = build_tokenizer((text for s in made[0] for text in s.texts()), 300)
    for step in (0, 1, 3, 10, 4):  # to and fro: a killed training goes on in the middle
        plain, ahead = ([s.batch(step, tokenizer, 96) for s in streams] for streams in made)
        assert plain == ahead
        assert sum(map(len, plain)) == 30
