"""Rivals of persuasion: right values by hand, controls that gain nothing, budgets that are kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from llm_bridge import baselines, tasks
from llm_bridge.advisor import Advisor
from llm_bridge.baselines import Asked, Baseline, Ground, Played, _tuning
from llm_bridge.baselines._tuning import Tuning, tune
from llm_bridge.baselines.all_items import AllItems
from llm_bridge.baselines.best_of_n import BestOfN
from llm_bridge.baselines.corrector import Corrector
from llm_bridge.baselines.fine_tuned import FineTuned
from llm_bridge.compare import compare
from llm_bridge.comparison import Comparison
from llm_bridge.measure import measure
from llm_bridge.models import fresh_gpt2
from llm_bridge.pretrain import ReceiverTraining, pretrain
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.receivers.replay import ReplayReceiver
from llm_bridge.reply import Reply
from llm_bridge.reply_log import ReplyLog
from llm_bridge.requests.budget import Budget
from llm_bridge.responses import draw_examples, prompts_of
from llm_bridge.spending import Spent, TrainingBudget, advisor_spent, n_weights
from llm_bridge.task import Example
from llm_bridge.training.settings import AdvisorTraining
from persuasion.errors import PersuasionError
from tests.llm.conftest import Aligned
from tests.llm.fakes import Arithmetic, FixedAdvisor, Scripted, calculator
from tests.llm.scripted_server import Answer, choices, serving

HONEST = FixedAdvisor(np.eye(3))


class Two(Aligned):
    """The toy task with two items, which a tiny model learns within seconds."""

    name = "two"
    items = ("red", "blue")
    priors: ClassVar = {"even": (0.6, 0.4)}
    values: ClassVar[Mapping[str, Any]] = {"even": (np.eye(2).tolist(), np.eye(2).tolist())}
    max_new_tokens = 3


@dataclass
class Drawing(Scripted):
    """Draws what it is told to draw."""

    draws: Sequence[str] = ("plus", "times", "minus")

    def sample_many(self, prompts: Sequence[str], n: int, **given: Any) -> list[list[Reply]]:
        hints = [self.draws[k % len(self.draws)] for k in range(n)]
        texts = [[calculator(f"{p.split(' | ')[0]} | {hint}") for hint in hints] for p in prompts]
        return [[Reply(text, len(text)) for text in row] for row in texts]


def ground_of(receiver: Any, task: Any = None, operations: float = 0.0, **given: Any) -> Ground:
    task = task or Arithmetic()
    drawn = {
        split: tuple(x for t in task.priors for x in task.examples(t, split, n, 0))
        for split, n in (("train", given.pop("n_training", 12)), ("test", 12))
    }
    return Ground(
        task, receiver, given.pop("advisor", HONEST), drawn["train"], drawn["test"],
        TrainingBudget(operations), **given,
    )  # fmt: skip


def plain_of(ground: Ground) -> np.ndarray:
    """Value of answering without a hint."""
    task = ground.task
    values = []
    for x, reply in zip(ground.held_out, ground.unhinted(ground.held_out), strict=True):
        values.append(float(task.prior(x.template) @ task.utilities(x, [reply]).sender[0]))
    return np.array(values)


# -- what is there -------------------------------------------------------------------------


def test_every_file_is_a_baseline() -> None:
    assert baselines.names() == ["all_items", "best_of_n", "corrector", "fine_tuned"]
    for name in baselines.names():
        one = baselines.load(name)
        assert type(one.control()) is type(one)
        assert one.control() != one
    with pytest.raises(PersuasionError, match="did you mean 'corrector'"):
        baselines.load("correcter")


def test_the_advisor_wants_what_she_scores_best() -> None:
    grade = tasks.load("grade")
    ground = ground_of(None, grade, advisor=HONEST)
    x = ground.training[0]
    assert {ground.wanted[x.text, item] for item in grade.items} == {
        grade.demonstration(x, "exact")
    }, "whatever the grader, she wants the exact answer"
    aligned = ground_of(None)
    y = aligned.training[0]
    assert [aligned.wanted[y.text, item] for item in ("plus", "times")] == ["plus", "times"]


def test_inputs_that_were_trained_on_are_refused() -> None:
    x = Arithmetic().examples("shop", "train", 3, 0)
    with pytest.raises(PersuasionError, match="1 held-out inputs are trained on"):
        Ground(Arithmetic(), None, HONEST, tuple(x), (x[0],), TrainingBudget(0))  # type: ignore[arg-type]


# -- what the Receiver is asked ------------------------------------------------------------


class Recording:
    """Passes everything on to a Receiver and notes what she is asked."""

    def __init__(self, receiver: Any) -> None:
        self.receiver = receiver
        self.asked: list[Asked] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.receiver, name)

    def generate(self, prompts: Sequence[str], **given: Any) -> list[Reply]:
        self.asked += [Asked(prompt) for prompt in prompts]
        found: list[Reply] = self.receiver.generate(prompts, **given)
        return found

    def sample_many(self, prompts: Sequence[str], n: int, **given: Any) -> list[list[Reply]]:
        self.asked += [Asked(prompt, n) for prompt in prompts]
        found: list[list[Reply]] = self.receiver.sample_many(prompts, n, **given)
        return found


@dataclass(frozen=True)
class OnceMore(AllItems):
    """Asks more than it says."""

    def play(self, ground: Ground) -> Played:
        ground.answers(ground.receiver, ["And now?"])
        return super().play(ground)


def asked_and_said(receiver: Any, one: Baseline) -> tuple[list[Asked], list[Asked]]:
    recording = Recording(receiver)
    ground = ground_of(recording, Two(), advisor=FixedAdvisor(np.eye(2)), n_training=5)
    one.play(ground)
    said = one.asks(ground.task, ground.training, ground.held_out)
    return (
        sorted(recording.asked, key=lambda a: (a.n, a.prompt)),
        sorted(set(said), key=lambda a: (a.n, a.prompt)),
    )


@pytest.mark.parametrize("name", baselines.names())
def test_what_the_receiver_is_asked_is_said_before(name: str, receiver: LocalReceiver) -> None:
    one = baselines.load(name)
    for variant in (one, one.control()):
        asked, said = asked_and_said(receiver, variant)
        assert asked == said
    assert bool(asked) == (name != "fine_tuned")


def test_what_was_not_said_is_noticed(receiver: LocalReceiver) -> None:
    asked, said = asked_and_said(receiver, OnceMore())
    assert asked != said
    assert [one.prompt for one in asked if one not in said] == ["And now?"]


def test_a_server_is_asked_what_was_said() -> None:
    """One that draws prompt by prompt."""

    class Server(Recording):
        def sample(self, prompt: str, n: int, **given: Any) -> list[Reply]:
            self.asked.append(Asked(prompt, n))
            return self.receiver.generate([prompt] * n, **given)  # type: ignore[no-any-return]

    class Plain(Server):
        sample_many = property()  # type: ignore[assignment]  # as if it were not there

    server = Plain(Scripted(calculator))
    ground = ground_of(server)
    BestOfN(n=3).play(ground)
    assert set(server.asked) == set(BestOfN(n=3).asks(ground.task, (), ground.held_out))
    assert len(server.asked) == 2 * len(ground.held_out)


# -- best of n -----------------------------------------------------------------------------


def test_best_of_n_takes_the_best_for_each_item() -> None:
    ground = ground_of(Drawing(calculator))
    assert BestOfN(n=4).play(ground).sender.tolist() == pytest.approx([1.0] * 24)
    two = BestOfN(n=2).play(ground)  # a sum from the greedy answer, a sum drawn
    assert two.sender.tolist() == pytest.approx(plain_of(ground).tolist())
    assert two.spent.written == pytest.approx(2 * np.mean([len(r.text) for r in ground.unhinted(
        ground.held_out)]))  # fmt: skip


def test_best_of_one_is_the_plain_arm() -> None:
    ground = ground_of(Drawing(calculator))
    alone = BestOfN().control().play(ground)
    np.testing.assert_array_equal(alone.sender, plain_of(ground))
    assert alone.spent.trained == 0
    with pytest.raises(PersuasionError, match="`n` must be"):
        BestOfN(n=0)


def test_best_of_n_needs_draws() -> None:
    ground = ground_of(Scripted(calculator))
    assert "no `sample`" in str(BestOfN().lacks(ground))
    assert BestOfN(n=1).lacks(ground) is None
    cold = Drawing(calculator)
    cold.temperature = 0.0  # type: ignore[attr-defined]
    assert "temperature 0" in str(BestOfN().lacks(ground_of(cold)))


def test_a_server_is_asked_prompt_by_prompt() -> None:
    class Server(Scripted):
        def sample(self, prompt: str, n: int, *, max_new_tokens: int) -> list[Reply]:
            return [Reply(calculator(prompt.replace("none", "minus")), 1)] * n

    ground = ground_of(Server(calculator))
    two = BestOfN(n=2).play(ground).sender
    plus_or_minus = [1 - ground.task.prior(x.template)[1] for x in ground.held_out]
    assert (two >= np.array(plus_or_minus) - 1e-12).all()


# -- all items -----------------------------------------------------------------------------


def test_the_prompt_lists_all_items() -> None:
    def script(prompt: str) -> str:
        listed, _, rest = prompt.rpartition("\n")
        return calculator(rest.replace("none", listed.split(",")[0] or "none").replace(
            "plus", "times"))  # fmt: skip

    ground = ground_of(Scripted(script))
    listing = AllItems()
    prompt = listing.prompt(ground.task, ground.held_out[0])
    assert prompt.startswith("plus, times, minus.\nshop ")
    assert prompt.endswith("| none")
    times = [ground.task.prior(x.template)[1] for x in ground.held_out]
    assert (listing.play(ground).sender >= np.array(times) - 1e-12).all()
    np.testing.assert_array_equal(listing.control().play(ground).sender, plain_of(ground))
    assert (listing.play(ground).sender != plain_of(ground)).any()


# -- corrector -----------------------------------------------------------------------------


SMALL = Corrector(n_layer=1, n_embd=32, n_head=2, vocabulary=290)


def test_a_corrector_puts_the_right_answer_in_place() -> None:
    task = Two()
    ground = ground_of(
        Scripted(lambda prompt: "red"), task, 1.5e10, advisor=FixedAdvisor(np.eye(2)), n_training=60
    )
    np.testing.assert_allclose(plain_of(ground), 0.6)
    found = SMALL.play(ground)
    assert found.sender.mean() > 0.9
    assert found.spent.operations == pytest.approx(1.5e10, rel=0.05)
    assert found.spent.training_tokens > 10_000
    assert found.spent.written is not None
    assert found.spent.written > 3, "the Receiver's answer and its correction"


def test_a_corrector_that_saw_copies_gains_nothing() -> None:
    task = Two()
    ground = ground_of(Scripted(lambda prompt: "red"), task, 1e10, advisor=FixedAdvisor(np.eye(2)))
    copies = SMALL.control()
    assert copies.warm_share == 1
    np.testing.assert_allclose(copies.play(ground).sender, plain_of(ground), atol=1e-12)
    with pytest.raises(PersuasionError, match="`warm_share`"):
        Corrector(warm_share=1.1)


# -- fine-tuned ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> LocalReceiver:
    """A tiny model that does what hints say."""
    settings = ReceiverTraining(
        n_layer=1, n_embd=32, n_head=2, n_positions=48, vocabulary=300, steps=200, batch=24,
        lr=1e-2, warmup=10, marks=(1.0,), precision="no",
    )  # fmt: skip
    (last,) = pretrain([Two()], settings, tmp_path_factory.mktemp("receiver"))
    return LocalReceiver.from_pretrained(last.path, name="tiny", device="cpu")


def test_fine_tuning_learns_what_signals_mean(receiver: LocalReceiver) -> None:
    before = receiver.fingerprint
    swapped = FixedAdvisor(np.eye(2)[::-1])
    ground = ground_of(receiver, Two(), 8e9, advisor=swapped)
    found = FineTuned(tuning=Tuning(lr=4e-3)).play(ground)
    assert found.sender.mean() > 0.95
    assert found.spent.operations == pytest.approx(8e9, rel=0.05)
    assert found.spent.trained == n_weights(receiver.model)
    again = LocalReceiver(receiver.model, receiver.tokenizer, receiver.rule).fingerprint
    assert again == before, "the Receiver herself is not touched"


def test_signals_that_say_nothing_teach_no_more_than_the_prior(receiver: LocalReceiver) -> None:
    ground = ground_of(receiver, Two(), 8e9, advisor=FixedAdvisor(np.eye(2)))
    assert FineTuned().control().play(ground).sender.max() <= 0.6 + 1e-12


def test_without_weights_there_is_no_fine_tuning() -> None:
    ground = ground_of(Scripted(calculator))
    assert FineTuned().lacks(ground) == "the Receiver's weights are not at hand"
    assert Corrector().lacks(ground) is None


# -- tuning and spending -------------------------------------------------------------------


def test_tuning_ends_with_its_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    model = fresh_gpt2(tokenizer, n_layer=1, n_embd=16, n_head=2, n_positions=16)
    seen: list[float] = []

    def draw(rng: np.random.Generator, n: int, share: float) -> list[tuple[list[int], list[int]]]:
        seen.append(share)
        return [([5, 6, 7], [8, 9])] * n

    assert tune(model, draw, 98, Tuning(batch=8), 0) == 100
    assert seen == [0.0, 40 / 98, 80 / 98]
    before = model.state_dict()["lm_head.weight"].clone()
    assert tune(model, draw, 0, Tuning(), 0) == 0
    torch.testing.assert_close(model.state_dict()["lm_head.weight"], before, rtol=0, atol=0)


def test_tuning_halves_batches_when_memory_is_short(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _tuning.response_loss

    def small(model: Any, batch: Any, **options: Any) -> torch.Tensor:
        if len(batch) > 3:
            raise torch.OutOfMemoryError
        return whole(model, batch, **options)

    rows = [([5, 6, 7], [8] * k) for k in range(1, 9)]
    ends = []
    for loss in (whole, small):
        monkeypatch.setattr(_tuning, "response_loss", loss)
        model = fresh_gpt2(tokenizer, n_layer=1, n_embd=16, n_head=2, n_positions=16)
        tune(model, lambda rng, n, share: rows, 200, Tuning(), 0)
        ends.append(model.state_dict()["lm_head.weight"])
    torch.testing.assert_close(*ends, rtol=0, atol=1e-4)


def test_budgets() -> None:
    assert TrainingBudget(6000.0).tokens(10) == 100
    assert TrainingBudget(6000.0).tokens(10, already=7000.0) == 0
    with pytest.raises(PersuasionError, match="`operations`"):
        TrainingBudget(-1.0)


def test_what_the_advisor_took(make_advisor: Callable[..., Advisor]) -> None:
    advisor, task = make_advisor(2), Two()
    examples = task.examples("even", "train", 5, 0)
    settings = AdvisorTraining(warm_steps=3, steps=7, batch=4)
    spent = advisor_spent(advisor, task, examples, settings)
    each = sum(len(advisor.encode([task.advisor_prompt(x, item)])[0])
               for x in examples for item in task.items) / 5  # fmt: skip
    assert spent.training_tokens == round(10 * 4 * each)
    assert spent.operations == 6.0 * n_weights(advisor.model) * spent.training_tokens


# -- drawing -------------------------------------------------------------------------------


def test_draws_follow_the_model(receiver: LocalReceiver) -> None:
    task = Two()
    prompt = task.receiver_prompt(task.examples("even", "test", 1, 0)[0], None)
    state = torch.get_rng_state()
    (drawn,) = receiver.sample_many([prompt], 600, max_new_tokens=3, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    share = np.mean([reply.text == "red" for reply in drawn])
    assert 0.45 < share < 0.75, "trained on answers that are red in 60 % of such prompts"
    assert receiver.sample_many([prompt], 600, max_new_tokens=3, seed=1) == [drawn]
    assert receiver.sample_many([prompt], 600, max_new_tokens=3, seed=2) != [drawn]
    (cold,) = receiver.sample_many([prompt], 50, max_new_tokens=3, temperature=1e-3)
    greedy = receiver.generate([prompt], max_new_tokens=3)[0]
    assert {reply.text for reply in cold} == {greedy.text}
    with pytest.raises(PersuasionError, match="`temperature` a finite number above 0"):
        receiver.sample_many([prompt], 1, max_new_tokens=3, temperature=0.0)


# -- the whole comparison ------------------------------------------------------------------


def test_comparison(receiver: LocalReceiver) -> None:
    task = Two()
    measurement = measure(task, receiver, n_inputs=20)
    training = task.examples("even", "train", 20, 0)
    log = ReplyLog()
    rivals = {
        "fine_tuned": FineTuned(tuning=Tuning(lr=4e-3)), "corrector": SMALL,
        "best_of_n": BestOfN(n=6), "all_items": AllItems(),
    }  # fmt: skip
    found = compare(
        task, receiver, measurement, FixedAdvisor(np.eye(2)), training,
        budget=Spent(100, 10, 8e9), n_inputs=15, baselines=rivals, log=log, n_resamples=200,
    )  # fmt: skip
    value = found.evaluation.value
    assert found.baselines == list(rivals)
    assert value("persuaded").mean > 0.9
    for name in ("control best_of_n", "control all_items"):
        assert found.evaluation.value(name, "none").mean == 0, "as told nothing"
    for name in rivals:
        assert value(f"control {name}").upper <= 0.6 + 1e-9
    assert value("best_of_n").mean > value("none").mean + 0.2
    assert value("fine_tuned").mean > value("none").mean + 0.2
    assert found.ahead("none").lower > 0
    assert [row[0] for row in found.table().rows] == [
        "none", "prior", "blind", "full", "oracle", "persuaded", "scheme 2", *rivals,
    ]  # fmt: skip
    controls = {row[0]: row for row in found.controls_table().rows}
    assert {name: row[3] for name, row in controls.items()} == {
        "fine_tuned": "blind", "corrector": "none", "best_of_n": "none", "all_items": "none",
    }  # fmt: skip
    assert {row[-1] for row in controls.values()} == {"gains nothing"}
    assert found.spent["persuaded"].operations == found.budget.operations == 8e9
    assert found.spent["persuaded"].asked == 20 * 3, "to measure the game"
    assert found.spent["corrector"].asked == 20, "to learn from"
    assert found.spent["fine_tuned"].asked == 0
    assert found.spent["best_of_n"].read == pytest.approx(6 * (found.spent["none"].read or 0))
    restored = Comparison.from_dict(found.to_dict())
    assert restored.table() == found.table()
    assert restored.controls_table() == found.controls_table()


def lists(prompt: str) -> str:
    """The calculator, deaf to lists."""
    return calculator(prompt.rpartition("\n")[2])


class Shown(Arithmetic):
    """With demonstrations that are right."""

    def demonstration(self, example: Example, item: str) -> str:
        return str(self.truth(example, item))


def compared(receiver: Any, task: Any = None, **given: Any) -> Comparison:
    """The arithmetic task with a Receiver who has no weights; nothing is trained."""
    task = task or Arithmetic()
    training = [x for t in task.priors for x in task.examples(t, "train", 5, 0)]
    options = {"budget": TrainingBudget(0), "n_inputs": 5, "n_resamples": 50, **given}
    measurement = measure(task, receiver, n_inputs=5)
    return compare(task, receiver, measurement, HONEST, training, **options)


def test_blind_is_the_best_that_takes_no_item() -> None:
    task = Shown()
    found = compared(Scripted(lists), task, baselines=["all_items"])
    inputs = zip(found.evaluation.inputs, found.evaluation.templates, strict=True)
    by_hand = []
    for text, template in inputs:
        a, b = (int(n) for n in text.split()[1:])
        worth: dict[int, float] = {}
        for p, result in zip(task.prior(template), (a + b, a * b, a - b), strict=True):
            worth[result] = worth.get(result, 0.0) + float(p)
        by_hand.append(max(worth.values()))
    np.testing.assert_allclose(found.evaluation.arms["blind"].sender, by_hand)


@dataclass(frozen=True)
class Leaky(AllItems):
    """Its control lists the first item, of which the Receiver makes something."""

    def control(self) -> AllItems:
        return AllItems(items=("times",))


def test_a_control_that_gains_is_called_out() -> None:
    def script(prompt: str) -> str:
        listed, _, rest = prompt.rpartition("\n")
        return calculator(rest.replace("none", "minus" if listed else "times"))

    found = compared(
        Scripted(script), baselines={"honest": AllItems(), "leaky": Leaky()}, n_inputs=20
    )
    assert {one.name: one.gains for one in found.controls()} == {
        "control honest": False, "control leaky": True,
    }  # fmt: skip
    rows = {row[0]: row[-1] for row in found.controls_table().rows}
    assert rows == {"honest": "gains nothing", "leaky": "GAINS"}


def test_an_advisor_who_moved_costs_no_training() -> None:
    found = compared(Scripted(lists), baselines=["all_items"], trained_for="another")
    assert found.spent["persuaded"].operations == found.spent["persuaded"].trained == 0
    assert "the Advisor was trained for another and not again" in found.table().caption
    assert Comparison.from_dict(found.to_dict()).table() == found.table()


# -- Receivers who are no models here ------------------------------------------------------


def test_what_cannot_be_tried_is_said() -> None:
    receiver = Scripted(lists)
    measure(Arithmetic(), receiver, n_inputs=5)
    asked = len(receiver.asked)
    with pytest.raises(PersuasionError, match="'fine_tuned' cannot be tried here: the Receiver's"):
        compared(receiver, baselines=["fine_tuned"])
    assert len(receiver.asked) == 2 * asked, "before any work, but for measuring"
    found = compared(receiver, baselines=["fine_tuned", "best_of_n", "all_items"], leave_out=True)
    assert found.baselines == ["all_items"]
    assert found.left_out == {
        "fine_tuned": "the Receiver's weights are not at hand",
        "best_of_n": "the Receiver has no `sample` or `sample_many` that draws answers",
    }
    assert "fine_tuned left out: the Receiver's weights are not at hand" in found.table().caption
    assert found.spent["none"].read is None
    assert compared(receiver).left_out == found.left_out, "all that can be tried"


def test_a_receiver_behind_a_server_is_corrected_and_told_lists() -> None:
    def script(body: dict[str, Any], turn: int) -> Answer:
        return choices(lists(str(body["prompt"])))

    rivals = {"corrector": SMALL, "all_items": AllItems(), "best_of_n": BestOfN()}
    with serving(script) as server:
        budget = Budget(tokens=1_000_000)
        receiver = OpenAIReceiver("m", base_url=server.url, api_key="none", budget=budget)
        with receiver:
            found = compared(receiver, baselines=rivals, leave_out=True, budget=TrainingBudget(1e7))
            sent = receiver.traffic.sent
    assert found.baselines == ["corrector", "all_items"]
    assert "temperature 0" in found.left_out["best_of_n"]
    assert found.evaluation.value("all_items", "none").mean == 0
    assert found.evaluation.value("corrector").mean < found.evaluation.value("none").mean
    assert found.spent["corrector"].written is not None
    said = [a for one in (SMALL, AllItems()) for a in one.asks(*inputs_of(found))]
    hints = len(found.evaluation.items) + 1
    measured = 10 * hints
    assert sent == measured + 10 * hints + len(set(said)) - 10, "held-out plain prompts once"


def inputs_of(found: Comparison) -> tuple[Arithmetic, list[Example], list[Example]]:
    task = Arithmetic()
    training = [x for t in task.priors for x in task.examples(t, "train", 5, 0)]
    return task, training, list(draw_examples(task, "test", 5, 0))


def test_recorded_answers_are_missed_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = Arithmetic()
    splits = {s: draw_examples(task, s, 5, 0) for s in ("train", "measure", "test")}
    listed = {AllItems().prompt(task, x) for x in splits["test"]}
    prompts = {p for some in splits.values() for p in prompts_of(task, some)} | listed
    whole = {p: Reply(lists(p), len(lists(p))) for p in prompts}
    found = compared(ReplayReceiver(whole), baselines=baselines.names(), leave_out=True)
    assert set(found.left_out) == {"fine_tuned", "best_of_n"}
    assert found.baselines == ["all_items", "corrector"]
    monkeypatch.setattr(Corrector, "play", lambda *_: pytest.fail("work has begun"))
    for lacking in (sorted(listed)[0], task.receiver_prompt(splits["train"][0], None)):
        part = ReplayReceiver({p: r for p, r in whole.items() if p != lacking})
        with pytest.raises(PersuasionError, match="has no answer to 1 of"):
            compared(part, baselines=["corrector", "all_items"])
