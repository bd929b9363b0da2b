"""Measuring against fakes: cells, limits, files, replies kept, errors."""

import json
from itertools import product
from typing import ClassVar

import numpy as np
import pytest

from llm_bridge.measure import measure
from llm_bridge.measurement import Measurement
from llm_bridge.reply import Reply
from llm_bridge.reply_log import ReplyLog, ask
from llm_bridge.responses import draw_examples, respond_to_every_hint
from llm_bridge.task import Utilities
from persuasion import PersuasionError
from persuasion.cell_limits import binomial_limits
from tests.llm.fakes import Arithmetic, Scripted, Tabled, calculator, parrot

V = np.array([[1.0, 0.25, 0.0], [0.5, 1.0, 0.0], [0.0, 0.75, 1.0]])
U = np.array([[0.75, 0.0, 0.5], [0.0, 1.0, 0.0], [0.25, 0.5, 1.0]])


def tabled() -> Tabled:
    return Tabled([0.5, 0.25, 0.25], [V, V[::-1]], [U, U.T], unhinted=1)


def test_cells_are_means_over_inputs():
    task, receiver = Arithmetic(), Scripted(calculator)
    measurement = measure(task, receiver, n_inputs=20, seed=3)
    assert measurement.templates == ("shop", "yard")
    for template in measurement.templates:
        game = measurement.games[template]
        examples = task.examples(template, "measure", 20, 3)
        assert measurement.inputs[template] == tuple(e.text for e in examples)
        for (i, item), (a, hint) in product(enumerate(task.items), enumerate(task.items)):
            replies = [calculator(f"{e.text} | {hint}") for e in examples]
            right = [
                float(r == str(task.truth(e, item))) for r, e in zip(replies, examples, strict=True)
            ]
            paid = [w - 0.1 * len(r) for w, r in zip(right, replies, strict=True)]
            assert game.sender_utility[i, a] == pytest.approx(np.mean(right), abs=1e-12)
            assert game.receiver_utility[i, a] == pytest.approx(np.mean(paid), abs=1e-12)
        assert game.prior.tolist() == list(task.priors[template])
        assert game.states == game.actions == task.items
        # the calculator is always right about the hint, and adds when there is none
        assert np.diag(game.sender_utility).tolist() == [1.0, 1.0, 1.0]
        unhinted = measurement.sender_unhinted[template]
        assert unhinted.mean(axis=0) == pytest.approx(game.sender_utility[:, 0], abs=1e-12)


def test_rows_are_items_and_columns_are_believed_items():
    """The negative control is the transpose, which this table tells apart."""
    task = Tabled([0.5, 0.25, 0.25], [V], [U])
    game = measure(task, Scripted(parrot), n_inputs=4).games["only"]
    assert game.sender_utility.tolist() == V.tolist() != V.T.tolist()
    assert game.receiver_utility.tolist() == U.tolist() != U.T.tolist()


def test_swapped_axes_would_be_seen():
    """A task that hands its table over transposed does not measure the same game."""

    class Swapped(Tabled):
        def utilities(self, example, replies):
            right = super().utilities(example, replies)
            n = len(self.items)
            return Utilities(*(np.vstack([t[:n].T, t[n:]]) for t in (right.sender, right.receiver)))

    game = measure(Swapped([0.5, 0.25, 0.25], [V], [U]), Scripted(parrot), n_inputs=4).games["only"]
    assert game.sender_utility.tolist() == V.T.tolist() != V.tolist()


def test_limits_are_those_of_the_estimate():
    task = Tabled([0.5, 0.5], [np.eye(2), np.array([[1, 1], [0, 1.0]])], [np.eye(2)])
    measurement = measure(task, Scripted(parrot), n_inputs=12, seed=1, confidence=0.9)
    estimated = measurement.estimates["only"]
    hits = round(12 * measurement.games["only"].sender_utility[0, 1])
    assert 0 < hits < 12
    lower, upper = binomial_limits([hits], [12], 0.05)
    assert estimated.sender_lower[0, 1] == pytest.approx(lower[0], abs=1e-12)
    assert estimated.sender_upper[0, 1] == pytest.approx(upper[0], abs=1e-12)
    assert estimated.counts.tolist() == [[12, 12], [12, 12]]


def test_one_reply_per_hint_and_input_and_one_without():
    receiver = Scripted(parrot)
    measurement = measure(tabled(), receiver, n_inputs=7)
    assert len(receiver.asked) == 7 * 4 == len(set(receiver.asked))
    assert sum(prompt.endswith("| none") for prompt in receiver.asked) == 7
    assert measurement.tokens["only"].tolist() == [[1, 1, 1, 4]] * 7
    assert measurement.mean_tokens == 7 / 4
    assert measurement.unfinished == 0


def test_saved_and_loaded(tmp_path):
    measurement = measure(Arithmetic(), Scripted(calculator), n_inputs=9, seed=2, confidence=0.8)
    again = Measurement.load(measurement.save(tmp_path / "measurement.json"))
    assert again.to_dict() == measurement.to_dict()
    assert again.games == measurement.games
    for template, estimated in measurement.estimates.items():
        other = again.estimates[template]
        assert other.receiver_lower.tolist() == estimated.receiver_lower.tolist()
        assert other.sender_samples.tolist() == estimated.sender_samples.tolist()
    assert again.summary() == measurement.summary()
    assert [*again.table().rows] == [*measurement.table().rows]
    assert "arithmetic" in repr(again)
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(PersuasionError, match="no measurement"):
        Measurement.load(tmp_path / "other.json")
    (tmp_path / "old.json").write_text(json.dumps({**measurement.to_dict(), "format": 0}))
    with pytest.raises(PersuasionError, match="format"):
        Measurement.load(tmp_path / "old.json")


def test_weights():
    measurement = measure(Arithmetic(), Scripted(calculator), n_inputs=3)
    assert measurement.weights() == {"shop": 0.5, "yard": 0.5}
    assert measurement.weights({"yard": 3, "shop": 1}) == {"shop": 0.25, "yard": 0.75}
    for bad in ({"shop": 1}, {"shop": 0, "yard": 0}, {"shop": -1, "yard": 2}):
        with pytest.raises(PersuasionError, match="`weights`"):
            measurement.weights(bad)


# -- replies kept ------------------------------------------------------------------------------


def test_a_killed_run_asks_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setattr("llm_bridge.reply_log._AT_ONCE", 10)
    task, path = tabled(), tmp_path / "replies.jsonl"
    broken = Scripted(parrot, limit=15)
    with pytest.raises(KeyboardInterrupt):
        measure(task, broken, n_inputs=8, log=ReplyLog(path))
    assert len(broken.asked) == 10
    path.write_bytes(path.read_bytes() + b'{"key": "torn')
    fresh, seen = Scripted(parrot), []
    measurement = measure(
        task, fresh, n_inputs=8, log=ReplyLog(path), progress=lambda *at: seen.append(at)
    )
    assert len(fresh.asked) == 32 - 10
    assert not set(fresh.asked) & set(broken.asked)
    assert (seen[0], seen[-1]) == ((10, 32), (32, 32))
    assert measurement.to_dict() == measure(task, Scripted(parrot), n_inputs=8).to_dict()
    third = Scripted(parrot)
    measure(task, third, n_inputs=8, log=ReplyLog(path))
    assert third.asked == []


def test_another_receiver_or_limit_is_asked_anew(tmp_path):
    log = ReplyLog(tmp_path / "replies.jsonl")
    first, second = Scripted(parrot), Scripted(parrot, version="2")
    for receiver, limit in ((first, 4), (first, 4), (second, 4), (first, 5)):
        ask(receiver, ["a 1 | x", "a 1 | x"], max_new_tokens=limit, log=log)
    assert (len(first.asked), len(second.asked), len(log)) == (2, 1, 3)


def test_strange_text_survives(tmp_path):
    path = tmp_path / "replies.jsonl"
    text = 'new\nline, "quotes", \u2028, \ud83d\ude00'.encode("utf-16", "surrogatepass").decode(
        "utf-16"
    )
    ReplyLog(path).add([("k", Reply(text, 3, False))])
    assert ReplyLog(path).get("k") == Reply(text, 3, False)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "replies.jsonl"
    for content in ('{"no": "reply"}\n', "text\n", '{"key": "a", "text": 3, "n_tokens": 1}\n'):
        path.write_text(content)
        with pytest.raises(PersuasionError, match="line 1"):
            ReplyLog(path)
        assert path.read_text() == content


# -- errors ------------------------------------------------------------------------------------


def test_too_few_inputs():
    with pytest.raises(PersuasionError, match=r"template 'only'.*gave .* where 90"):
        measure(tabled(), Scripted(parrot), n_inputs=90)
    for bad in (0, True, {"other": 3}):
        with pytest.raises(PersuasionError, match="`n_inputs`"):
            measure(tabled(), Scripted(parrot), n_inputs=bad)


def test_counts_by_template():
    measurement = measure(Arithmetic(), Scripted(calculator), n_inputs={"shop": 3, "yard": 5})
    assert measurement.n_inputs == {"shop": 3, "yard": 5}


@pytest.mark.parametrize("prior", [(0.5, 0.5), (0.5, 0.25, 0.5), (1.5, -0.25, -0.25)])
def test_prior_must_cover_the_items(prior):
    class Wrong(Arithmetic):
        priors: ClassVar = {"shop": prior}

    receiver = Scripted(calculator)
    with pytest.raises(PersuasionError, match="prior of template 'shop'"):
        measure(Wrong(), receiver, n_inputs=2)
    assert receiver.asked == []  # said before any work


def test_fewer_replies_than_prompts():
    class Lazy(Scripted):
        def generate(self, prompts, *, max_new_tokens, progress=None):
            return super().generate(prompts, max_new_tokens=max_new_tokens)[:-1]

    with pytest.raises(PersuasionError, match="7 replies to 8 prompts"):
        measure(tabled(), Lazy(parrot), n_inputs=2)


def test_wrong_scores():
    class Transposed(Tabled):
        def utilities(self, example, replies):
            right = super().utilities(example, replies)
            return Utilities(right.sender.T, right.receiver.T)

    with pytest.raises(PersuasionError, match=r"shape \(4, 3\)"):
        measure(Transposed([0.5, 0.25, 0.25], [V], [U]), Scripted(parrot), n_inputs=2)
    for bad in (7.0, np.nan):
        with pytest.raises(PersuasionError, match="sender_range"):
            measure(Tabled([0.5, 0.25, 0.25], [V * bad], [U]), Scripted(parrot), n_inputs=2)


def test_repeated_or_foreign_inputs():
    class Repeats(Tabled):
        def examples(self, template, split, n, seed):
            return super().examples(template, split, 1, seed) * n

    with pytest.raises(PersuasionError, match="1 distinct inputs"):
        draw_examples(Repeats([0.5, 0.25, 0.25], [V], [U]), "test", 3, 0)
    with pytest.raises(PersuasionError, match="`examples` is empty"):
        respond_to_every_hint(tabled(), Scripted(parrot), [])
