"""Evaluations against fakes: closed forms, a naive loop, laws, controls, claims, limits."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_bridge.arms import kernels_of, signaling
from llm_bridge.bootstrap import Interval, bootstrap_means
from llm_bridge.claims import Claim, claims_table
from llm_bridge.evaluate import evaluate
from llm_bridge.evaluation import Arm, Evaluation
from llm_bridge.measure import measure
from llm_bridge.pages.tables import headline, to_markdown, to_text
from llm_bridge.reply_log import ReplyLog
from llm_bridge.transfer import transfer
from persuasion import Bayesian, PersuasionError, Quantal, SignalingScheme
from persuasion.receivers import PosteriorSampling
from tests.llm.fakes import (
    Arithmetic,
    FixedAdvisor,
    Scripted,
    Tabled,
    best_responder,
    calculator,
    parrot,
)

PROSECUTOR = ([[0, 1], [0, 1]], [[1, 0], [0, 1]])
OPTIMAL = np.array([[4 / 7, 3 / 7], [0, 1]])
SMALL = {"n_inputs": 6, "n_resamples": 50}


def prosecutor() -> Tabled:
    v, u = (np.array(table, dtype=float) for table in PROSECUTOR)
    return Tabled([0.7, 0.3], [v], [u])


def evaluated(task, receiver, advisors, **options) -> Evaluation:
    measurement = measure(task, receiver, n_inputs=8)
    return evaluate(task, receiver, measurement, advisors, **{**SMALL, **options})


def random_kernels(rng, n_items, n_signals):
    """A kernel for each input, drawn from its operands."""
    table = rng.dirichlet(np.full(n_signals, 0.4), size=(10, 10, n_items))
    return FixedAdvisor(lambda example: table[example.content])


def mean(evaluation, arm, of="sender"):
    return evaluation.value(arm, of=of).mean


# -- closed forms ------------------------------------------------------------------------------


def test_prosecutor():
    found = evaluated(
        prosecutor(), best_responder(), {"persuaded": FixedAdvisor(OPTIMAL)}, margin=0.0
    )
    expected = {
        "none": 0.0,  # "acquit" is what the fake Receiver writes without a hint
        "prior": 0.3,
        "full": 0.3,
        "oracle": 0.3,
        "persuaded": 0.6,
        "scheme 2": 0.6,
        "deaf persuaded": 0.0,
        "silent": 0.0,
        "shuffled persuaded": 0.0,
        "misled persuaded": 0.6,  # she obeys the word, whatever it was sent for
    }
    assert {arm: mean(found, arm) for arm in found.arms} == pytest.approx(expected, abs=1e-12)
    # the textbook optimum leaves her indifferent; with ties against the Advisor nothing remains
    assert mean(found, "persuaded", "adversarial") == pytest.approx(0.0, abs=1e-12)
    assert mean(found, "full", "adversarial") == pytest.approx(0.3, abs=1e-12)
    # misleading takes it from the Receiver: of convictions, 6 in 10, only 3 in 10 are right now
    assert mean(found, "persuaded", "receiver") == pytest.approx(0.7, abs=1e-12)
    assert mean(found, "misled persuaded", "receiver") == pytest.approx(0.46, abs=1e-12)
    assert found.misaligned


def test_scheme_with_margin_is_obeyed_with_ties_against_her():
    found = evaluated(prosecutor(), best_responder(), {"a": FixedAdvisor(OPTIMAL)}, margin="root")
    margin = found.optima[2].templates["only"].margin
    assert margin == pytest.approx(0.1 / np.sqrt(8))
    for of in ("sender", "adversarial"):
        assert mean(found, "scheme 2", of) == pytest.approx(0.6 / (1 + margin), abs=1e-9)


def naive(task, receiver, measurement, law, examples):
    """Persuaded value of each input by plain loops, posteriors by hand."""
    out = []
    for example in examples:
        p, game = task.prior(example.template), measurement.games[example.template]
        kernel = law(example)
        total = 0.0
        for g in range(kernel.shape[1]):
            joint = [p[i] * kernel[i, g] for i in range(len(p))]
            posterior = np.array([[x / sum(joint) for x in joint]])
            believed = receiver.respond(game, posterior)[0]
            for i, a in product(range(len(p)), repeat=2):
                replies = [receiver.generate([task.receiver_prompt(example, task.items[a])],
                                             max_new_tokens=task.max_new_tokens)[0]]  # fmt: skip
                v = task.utilities(example, replies).sender[0, i]
                total += p[i] * kernel[i, g] * believed[a] * v
        out.append(total)
    return np.array(out)


def lopsided() -> Tabled:
    """No table is its own transpose, the Advisor's least of all."""
    rng = np.random.default_rng(6)
    v = 0.3 * rng.random((2, 3, 3)) + np.triu(np.full((3, 3), 0.6), 1)
    u = 0.3 * rng.random((2, 3, 3)) + 0.6 * np.roll(np.eye(3), 1, axis=1)
    return Tabled([0.5, 0.3, 0.2], v, u, unhinted=1)


@pytest.mark.parametrize("rule", [PosteriorSampling(), Bayesian(), Quantal(4.0)], ids=repr)
@pytest.mark.parametrize(("task", "script"), [(Arithmetic(), calculator), (lopsided(), parrot)])
def test_triple_loop(task, script, rule):
    rng = np.random.default_rng(11)
    table = rng.dirichlet(np.full(3, 0.5), size=(10, 10, 3))
    advisor = FixedAdvisor(lambda example: table[example.content])
    receiver = Scripted(script, rule)
    measurement = measure(task, receiver, n_inputs=10)
    found = evaluate(task, receiver, measurement, {"advisor": advisor}, **SMALL)
    examples = [e for t in task.priors for e in task.examples(t, "test", 6, 0)]
    assert found.inputs == tuple(e.text for e in examples)
    expected = naive(task, receiver, measurement, lambda e: table[e.content], examples)
    assert found.arms["advisor"].sender == pytest.approx(expected, abs=1e-12)
    assert np.ptp(expected) > 0.01
    # posteriors by a wrong prior, or a kernel whose axes are swapped, would be seen
    game = next(iter(measurement.games.values()))
    right, wrong = (
        signaling(own, table[:6, 0], receiver).hints
        for own in (game, game.with_prior([0.1, 0.1, 0.8]))
    )
    assert np.abs(wrong - right).max() > 0.05
    swapped = naive(task, receiver, measurement, lambda e: table[e.content].T, examples)
    assert np.abs(swapped - expected).max() > 0.01


def test_posteriors_are_those_of_each_scheme():
    rng = np.random.default_rng(4)
    task = prosecutor()
    game = measure(task, best_responder(), n_inputs=2).games["only"]
    kernels = rng.dirichlet([0.3, 0.3, 0.3], size=(5, 2))
    kernels[0, :, 2] = 0  # never sent: she keeps her prior
    kernels[0] /= kernels[0].sum(axis=1, keepdims=True)
    sent = signaling(game, kernels, Bayesian())
    for x in range(5):
        own = SignalingScheme(kernels[x]).posteriors(game.prior)
        assert sent.posteriors[x] == pytest.approx(own, abs=1e-14)
    assert sent.posteriors[0, 2].tolist() == game.prior.tolist()


# -- laws --------------------------------------------------------------------------------------

units = st.integers(0, 8).map(lambda k: k / 8)


@st.composite
def tables(draw, n=None):
    n = draw(st.integers(2, 3)) if n is None else n
    table = st.lists(st.lists(units, min_size=n, max_size=n), min_size=n, max_size=n)
    weights = draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))
    prior = [w / sum(weights) for w in weights]
    u, v = (np.array(draw(st.lists(table, min_size=2, max_size=2))) for _ in range(2))
    return Tabled(prior, v, u, unhinted=draw(st.integers(0, n - 1)))


@given(tables(), st.integers(0, 99), st.integers(1, 4))
def test_laws_of_posterior_sampling(task, seed, n_signals):
    n = len(task.items)
    advisors = {
        "knows": FixedAdvisor(np.eye(n)),
        "babbles": FixedAdvisor(np.full((n, n_signals), 1 / n_signals)),
        "some": random_kernels(np.random.default_rng(seed), n, n_signals),
    }
    found = evaluated(task, Scripted(parrot), advisors, n_resamples=5)
    for left, right in (
        ("knows", "oracle"),
        ("full", "oracle"),
        ("babbles", "prior"),
        ("silent", "prior"),
        *((f"shuffled {name}", "prior") for name in advisors),
        *((f"misled {name}", "prior") for name in advisors),
        *((f"deaf {name}", "none") for name in advisors),
    ):
        for of in ("sender", "receiver"):
            difference = getattr(found.arms[left], of) - getattr(found.arms[right], of)
            assert np.abs(difference).max() <= 1e-12, (left, right)


@given(tables(), st.integers(0, 99))
def test_laws_of_best_response(task, seed):
    n = len(task.items)
    noise = random_kernels(np.random.default_rng(seed), n, n)
    advisors = {"some": noise, "babbles": FixedAdvisor(np.full((n, 2), 0.5))}
    found = evaluated(task, best_responder(), advisors, n_resamples=5, margin=0.0)
    assert found.arms["deaf some"].sender == pytest.approx(found.arms["none"].sender, abs=1e-12)
    silent = found.arms["babbles"].sender
    for arm in ("silent", "shuffled babbles", "shuffled some", "misled babbles"):
        assert found.arms[arm].sender == pytest.approx(silent, abs=1e-12)
    # with one table for all inputs the held-out value is that of the measured game
    flat = Tabled(task.prior("only"), task.sender_tables[:1], task.receiver_tables[:1])
    found = evaluated(flat, best_responder(), {"some": noise}, n_resamples=5, margin=0.0)
    best = found.optima[n].value
    assert mean(found, f"scheme {n}") == pytest.approx(best, abs=1e-9)
    assert mean(found, "some") <= best + 1e-9
    assert mean(found, "full") <= best + 1e-9
    for name in ("some", f"scheme {n}", "full"):
        assert mean(found, name, "adversarial") <= mean(found, name) + 1e-9


# -- rows --------------------------------------------------------------------------------------


def test_rows_are_draws_from_the_arms(tmp_path):
    rng = np.random.default_rng(2)
    task, receiver = Arithmetic(), Scripted(calculator)
    advisor = random_kernels(rng, 3, 2)
    object.__setattr__(advisor, "codebook", type("Words", (), {"words": ("amber", "cobalt")}))
    found = evaluated(task, receiver, {"advisor": advisor}, n_inputs=20, seed=5)
    assert len(found.rows) == 2 * 20 * len(found.arms)
    by_input: dict[str, set[str]] = {}
    for row in found.rows:
        by_input.setdefault(row["input"], set()).add(row["item"])
        hint = row["believed"]
        if row["arm"] == "none" or row["arm"].startswith("deaf"):
            hint = None
        assert row["response"] == calculator(f"{row['input']} | {hint or 'none'}")
        a, b = (int(word) for word in row["input"].split()[1:])
        meant = {"plus": a + b, "times": a * b, "minus": a - b}[row["item"]]
        assert row["sender"] == float(row["response"] == str(meant))
        assert row["receiver"] == pytest.approx(row["sender"] - 0.1 * len(row["response"]))
        x = found.inputs.index(row["input"])
        assert row["expected_sender"] == found.arms[row["arm"]].sender[x]
        if row["arm"] == "oracle":
            assert row["believed"] == row["item"]
        if row["arm"].endswith("advisor"):
            assert row["signal"] in ("amber", "cobalt")
            assert sum(row["posterior"]) == pytest.approx(1)
            assert row["posterior"][task.items.index(row["believed"])] > 0
    assert all(len(items) == 1 for items in by_input.values())  # all arms share the true item
    assert {item for items in by_input.values() for item in items} == set(task.items)

    again = Evaluation.load(found.save(tmp_path).parent)
    assert again.to_dict() == found.to_dict()
    assert again.rows == found.rows
    assert again.summary() == found.summary()
    assert [*again.table().rows] == [*found.table().rows]
    assert "<table" in again.table().to_html()
    (tmp_path / "evaluation.json").write_text("[]")
    with pytest.raises(PersuasionError, match="no evaluation"):
        Evaluation.load(tmp_path)


def test_sampled_values_average_to_the_expected_ones():
    """Sampled less expected, mean over 20 inputs x 40 seeds: 0 within 4 standard errors.

    Not under posterior sampling, where transposing the table changes nothing on average.
    """
    task, receiver = lopsided(), best_responder()
    advisor = random_kernels(np.random.default_rng(7), 3, 3)
    measurement = measure(task, receiver, n_inputs=10)
    log, off = ReplyLog(), {}
    for seed in range(40):
        found = evaluate(
            task, receiver, measurement, {"advisor": advisor},
            n_inputs=20, seed=seed, n_resamples=1, log=log,
        )  # fmt: skip
        for row in found.rows:
            off.setdefault(row["arm"], []).append(row["sender"] - row["expected_sender"])
    for name, differences in off.items():
        error = np.std(differences) / np.sqrt(len(differences))
        assert abs(np.mean(differences)) <= 4 * error + 1e-12, name
    assert set(off) == {*found.arms}


# -- real models -------------------------------------------------------------------------------


def test_language_models_take_both_chairs(make_advisor, tokenizer, aligned):
    """Untrained and tiny: what they write is worth nothing, but every law holds of it."""
    from llm_bridge.models import fresh_gpt2
    from llm_bridge.receivers.local import LocalReceiver

    model = fresh_gpt2(tokenizer, n_layer=1, n_embd=16, n_head=1, n_positions=48)
    receiver = LocalReceiver(model, tokenizer, rule="posterior_sampling")
    measurement = measure(aligned, receiver, n_inputs=4)
    found = evaluate(
        aligned, receiver, measurement, {"untrained": make_advisor(2)}, n_inputs=4, n_resamples=20
    )
    assert found.rule == "PosteriorSampling"
    assert found.arms["untrained"].n_signals == 2
    for left, right in (("deaf untrained", "none"), ("full", "oracle"), ("silent", "prior")):
        assert found.arms[left].sender == pytest.approx(found.arms[right].sender, abs=1e-12)
    advisor = make_advisor(2)
    row = next(row for row in found.rows if row["arm"] == "untrained")
    assert row["signal"] in advisor.codebook.words


# -- claims ------------------------------------------------------------------------------------


def test_claims_of_an_honest_advisor_hold_and_of_a_babbler_fail():
    task, receiver = Arithmetic(), Scripted(calculator)
    advisors = {
        "knows": FixedAdvisor(np.eye(3)),
        "babbles": FixedAdvisor(np.full((3, 3), 1 / 3)),
    }
    found = evaluated(task, receiver, advisors, n_inputs=25)
    assert not found.misaligned
    verdicts = {claim.text: claim.verdict for claim in found.claims()}
    assert [v for text, v in verdicts.items() if text.startswith("knows")] == ["held"] * 6
    babble = {text: v for text, v in verdicts.items() if text.startswith("babbles")}
    assert babble["babbles: persuaded above prior-sampled"] == "refuted"
    assert babble["babbles: persuaded above its signals shuffled"] == "refuted"
    assert babble["babbles: the Receiver better off than when misled"] == "refuted"
    assert babble["babbles: within 0.03 of the best scheme with as many signals"] == "refuted"
    assert babble["babbles: at most the oracle"] == "held"
    assert not any("none < prior" in text or "prior above" in text for text in verdicts)
    assert len(claims_table(found.claims()).rows) == 12


def test_claims_where_interests_differ():
    advisors = {"optimal": FixedAdvisor(OPTIMAL), "honest": FixedAdvisor(np.eye(2))}
    found = evaluated(prosecutor(), best_responder(), advisors, margin=0.0)
    assert found.misaligned
    verdicts = {claim.text: claim.verdict for claim in found.claims()}
    assert verdicts["optimal: at least 0.15 above full disclosure"] == "held"
    assert verdicts["optimal: at least 0.15 above no hint"] == "held"
    near = "within 0.05 of the linear program with the same margin"
    assert verdicts[f"optimal: {near}"] == "held"
    assert verdicts[f"honest: {near}"] == "refuted"
    assert verdicts["honest: at least 0.15 above full disclosure"] == "refuted"
    assert not any("oracle" in text for text in verdicts)
    assert any("oracle" in claim.text for claim in found.claims(misaligned=False))


def test_straddling_limits_are_inconclusive():
    for lower, upper, strict, held in (
        (0.01, 0.2, True, True),
        (0.0, 0.2, True, None),
        (0.0, 0.2, False, True),
        (-1e-14, 0.0, False, True),
        (-0.3, 0.1, False, None),
        (-0.1, 0.3, True, None),
        (-0.2, -0.1, False, False),
        (0.0, 0.0, True, False),
    ):
        claim = Claim("", "a", "b", Interval((lower + upper) / 2, lower, upper), 0.0, strict)
        assert claim.held is held
    assert str(claim).startswith("refuted")


def test_controls():
    task = prosecutor()
    controls = {
        "untrained": FixedAdvisor(np.full((2, 2), 0.5)),
        "reinforce": FixedAdvisor(np.eye(2)),
    }
    found = evaluated(task, best_responder(), {"a": FixedAdvisor(OPTIMAL)}, controls=controls)
    assert [found.arms[name].kind for name in controls] == ["control", "control"]
    assert found.advisors == ("a",)
    assert mean(found, "untrained") == 0.0  # silence, and she acquits
    assert found.by_template("reinforce") == {"only": pytest.approx(0.3)}
    assert not any(claim.left in controls or claim.right in controls for claim in found.claims())


# -- limits ------------------------------------------------------------------------------------


def test_limits_cover_and_unpaired_ones_do_not():
    """Of 400 samples 95 % limits must catch the truth in 91 to 98 %: three standard errors and
    the known shortfall of percentile limits at 60 inputs. Limits with the noise of one stratum
    left out catch it too rarely."""
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], [20, 40])
    weights = [0.5, 0.5]
    truth = 0.5 * 0.3 + 0.5 * 0.6
    caught = {"mean": 0, "difference": 0, "broken": 0}
    for trial in range(400):
        shared = rng.normal(0, 1, 60)
        left = (rng.random(60) < np.where(strata == 0, 0.3, 0.6)).astype(float)
        right = shared
        table = np.stack([left, right + left, right], axis=1)
        found = bootstrap_means(table, strata, weights, n_resamples=300, seed=trial)
        interval, pair = found.interval(0), found.interval(1, minus=2)
        assert pair.mean == pytest.approx(interval.mean, abs=1e-12)
        caught["mean"] += interval.lower <= truth <= interval.upper
        caught["difference"] += pair.lower <= truth <= pair.upper
        table[strata == 0] = table[strata == 0].mean(axis=0)
        broken = bootstrap_means(table, strata, weights, n_resamples=300, seed=trial).interval(0)
        caught["broken"] += broken.lower <= truth <= broken.upper
    assert 0.91 <= caught["mean"] / 400 <= 0.98
    assert 0.91 <= caught["difference"] / 400 <= 0.98
    assert caught["broken"] / 400 < 0.85


def test_bootstrap_is_what_a_loop_gives():
    rng = np.random.default_rng(3)
    values, strata = rng.random((9, 2)), [0, 1, 0, 1, 1, 0, 0, 1, 1]
    found = bootstrap_means(values, strata, [0.2, 0.8], n_resamples=4000, seed=1)
    own = [values[np.array(strata) == s] for s in (0, 1)]
    assert found.means == pytest.approx(0.2 * own[0].mean(0) + 0.8 * own[1].mean(0), abs=1e-12)
    spread = 0.04 * own[0].var(0) / 4 + 0.64 * own[1].var(0) / 5
    assert found.resampled.var(axis=0) == pytest.approx(spread, rel=0.15)
    assert found.resampled.mean(axis=0) == pytest.approx(
        found.means, abs=5 * spread.max() ** 0.5 / 60
    )
    again = bootstrap_means(values, strata, [0.2, 0.8], n_resamples=4000, seed=1)
    assert again.resampled.tolist() == found.resampled.tolist()
    flat = bootstrap_means(np.full((9, 1), 0.1), strata, [0.2, 0.8]).interval(0)
    assert flat.lower == flat.upper == flat.mean
    for bad in ({"confidence": 1.0}, {"n_resamples": 0}, {"weights": [1.0]}, {"strata": [0]}):
        with pytest.raises(PersuasionError):
            bootstrap_means(**{"values": values, "strata": strata, "weights": [0.5, 0.5], **bad})


# -- transfer ----------------------------------------------------------------------------------


def test_transfer_holds_each_receiver_against_her_own_yardsticks():
    task = Arithmetic()
    adds = Scripted(lambda prompt: calculator(prompt.split(" | ")[0] + " | plus"), name="adds")
    receivers = {"able": Scripted(calculator), "adds": adds}
    measurements = {name: measure(task, r, n_inputs=8) for name, r in receivers.items()}
    found = transfer(task, FixedAdvisor(np.eye(3)), receivers, measurements, n_inputs=10)
    able, limited = found.evaluations["able"], found.evaluations["adds"]
    assert able.inputs == limited.inputs
    assert mean(able, "persuaded") == mean(able, "oracle") == 1.0
    assert mean(limited, "persuaded") == pytest.approx(mean(limited, "oracle"), abs=1e-12)
    assert mean(limited, "oracle") == pytest.approx(mean(limited, "none"), abs=1e-12)
    assert [row[0] for row in found.table().rows] == ["able", "adds"]
    assert "oracle 1.000" in found.summary()
    with pytest.raises(PersuasionError, match="'adds' has none"):
        transfer(task, FixedAdvisor(np.eye(3)), receivers, {"able": measurements["able"]})


# -- tables ------------------------------------------------------------------------------------


def test_headline():
    task = Arithmetic()
    found = {
        "arithmetic": evaluated(task, Scripted(calculator), {"3 signals": FixedAdvisor(np.eye(3))}),
        "prosecutor": evaluated(
            prosecutor(), best_responder(), {"2 signals": FixedAdvisor(OPTIMAL)}, margin=0.0
        ),
    }
    table = headline(found, limits=False)
    by_row = {row[0]: dict(zip(table.columns[1:], row[1:], strict=True)) for row in table.rows}
    assert by_row["arithmetic"]["3 signals"] == "1.000" == by_row["arithmetic"]["oracle"]
    assert by_row["arithmetic"]["2 signals"] == ""
    assert by_row["prosecutor"] == {
        "no hint": "0.000",
        "prior-sampled": "0.300",
        "silence": "0.000",
        "full disclosure": "0.300",
        "3 signals": "",
        "2 signals": "0.600",
        "best scheme": "0.600",
        "oracle": "0.300",
    }
    assert "0.600 [0.600, 0.600]" in to_text(headline(found))
    assert to_markdown(table).count("\n") == 3
    assert len({len(line) for line in to_text(table).splitlines()}) == 1
    with pytest.raises(PersuasionError, match="empty"):
        headline({})


# -- errors ------------------------------------------------------------------------------------


def test_errors_come_before_any_reply():
    task, receiver = prosecutor(), best_responder()
    measurement = measure(task, receiver, n_inputs=8)
    receiver.asked.clear()
    advisors = {"a": FixedAdvisor(OPTIMAL)}
    cases = [
        ((Arithmetic(), receiver, advisors), {}, "another task"),
        ((task, best_responder(version="2"), advisors), {}, "another Receiver"),
        ((task, receiver, advisors), {"split": "measure"}, "measured on"),
        ((task, receiver, {"none": advisors["a"]}), {}, "cannot be named 'none'"),
        ((task, receiver, {"scheme 2": advisors["a"]}), {}, "cannot be named 'scheme 2'"),
        ((task, receiver, advisors), {"controls": advisors}, "cannot be named 'a'"),
        ((task, receiver, {"a": OPTIMAL}), {}, "must have kernels"),
        ((task, receiver, advisors), {"n_inputs": 99}, "ask for fewer"),
        ((task, receiver, advisors), {"weights": {}}, "`weights`"),
        ((task, receiver, {"a": FixedAdvisor(OPTIMAL * 0.9)}), {}, "sum to 1"),
        ((task, receiver, {"a": FixedAdvisor(OPTIMAL - [0.1, -0.1])}), {}, "sum to 1"),
        ((task, receiver, {"a": FixedAdvisor(np.eye(3))}), {}, "indexed"),
    ]
    for (own_task, own_receiver, own), options, message in cases:
        with pytest.raises(PersuasionError, match=message):
            evaluate(own_task, own_receiver, measurement, own, **{**SMALL, **options})
    assert receiver.asked == []


def test_single_precision_kernels_are_made_exact():
    task = prosecutor()
    examples = task.examples("only", "test", 3, 0)
    kernel = np.array([[1 / 3, 2 / 3], [0.1, 0.9]], dtype=np.float32)
    assert kernels_of(FixedAdvisor(kernel), task, examples).sum(axis=2).tolist() == [[1, 1]] * 3


def test_unknown_arms_and_kinds():
    found = evaluated(prosecutor(), best_responder(), {"a": FixedAdvisor(OPTIMAL)})
    with pytest.raises(PersuasionError, match="no arm 'b'"):
        found.value("b")
    with pytest.raises(PersuasionError, match="there are silent, full"):
        found.value("none", of="adversarial")
    with pytest.raises(PersuasionError, match="`kind`"):
        Arm("x", "other", None, np.zeros(1), np.zeros(1))
    json.dumps(found.to_dict(), allow_nan=False)
