"""A whole experiment in several processes is the experiment of one."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from accelerate import Accelerator
from transformers import PreTrainedTokenizerBase

from llm_bridge import tasks
from llm_bridge.cli import conduct
from llm_bridge.config import ExperimentConfig
from llm_bridge.device import accelerator, stay_alone, with_all
from llm_bridge.pretrain import ReceiverTraining, pretrain
from llm_bridge.receivers.shared import SharedReceiver, in_order
from llm_bridge.reply import Reply
from llm_bridge.staging.processes import Processes, _lost
from llm_bridge.staging.workshop import Tell
from llm_bridge.train import train
from llm_bridge.training.settings import AdvisorTraining
from persuasion.errors import PersuasionError
from tests.llm import led_run, two_processes
from tests.llm.scripted_server import Answer, Scripted, choices, serving
from tests.llm.test_receivers import prompts, wild_model

ROOT = Path(__file__).parents[2]

# -- answers, in one process that plays all ------------------------------------------------


def shared_among(
    n: int, model: Any, tokenizer: PreTrainedTokenizerBase, seen: list[tuple[int, int]]
) -> SharedReceiver:
    """A Receiver whose n processes are this one, one after the other."""
    receiver = SharedReceiver(model, tokenizer, batch_size=3)

    def ask_all(
        asked: Sequence[str], most: int, progress: Tell | None = None
    ) -> list[dict[int, Reply]]:
        return [
            receiver.generate_share(
                asked, k, n, max_new_tokens=most, progress=None if k else progress
            )
            for k in range(n)
        ]

    def sized(rows: list[list[int]], *rest: Any) -> list[Reply]:
        seen.append((len(rows), max(map(len, rows))))
        return write(rows, *rest)

    write = receiver._write
    receiver._write = sized  # type: ignore[method-assign, assignment]
    receiver.ask_all = ask_all
    return receiver


@pytest.mark.parametrize("n", [2, 3, 7])
def test_shares_are_the_answers_of_one_process(n: int, tokenizer: PreTrainedTokenizerBase) -> None:
    model, asked = wild_model(tokenizer), prompts(17)
    told, whole, parts = (list[tuple[int, int]]() for _ in range(3))
    alone = shared_among(1, model, tokenizer, whole)
    several = shared_among(n, model, tokenizer, parts)
    expected = alone.generate(asked, max_new_tokens=8)
    found = several.generate(
        asked, max_new_tokens=8, progress=lambda done, total: told.append((done, total))
    )
    assert found == expected
    assert len({reply.text for reply in expected}) > 10, "answers that are alike show nothing"
    assert sorted(parts) == sorted(whole), "batches are the same, padding included"
    assert told[-1] == (17, 17)
    assert told == sorted(told)


def test_shares_in_a_wrong_order_would_be_seen(tokenizer: PreTrainedTokenizerBase) -> None:
    """Negative control: answers laid down as they arrive, process by process."""
    receiver = shared_among(2, wild_model(tokenizer), tokenizer, [])
    asked = prompts(17)
    expected = receiver.generate(asked, max_new_tokens=8)
    shares = receiver.ask_all(asked, 8)
    assert [reply for share in shares for _, reply in sorted(share.items())] != expected
    assert in_order(shares, 17) == expected


def test_a_single_batch_is_nobody_elses(tokenizer: PreTrainedTokenizerBase) -> None:
    receiver = shared_among(2, wild_model(tokenizer), tokenizer, [])
    del receiver.ask_all
    assert len(receiver.generate(prompts(3), max_new_tokens=4)) == 3
    with pytest.raises(PersuasionError, match="at least 1"):
        receiver.generate(prompts(9), max_new_tokens=0)  # refused before anybody is asked


@pytest.mark.parametrize("shares", [[{0: "a"}], [{0: "a"}, {0: "b"}], [{0: "a"}, {2: "b"}]])
def test_missing_and_double_answers_are_noticed(shares: list[dict[int, str]]) -> None:
    with pytest.raises(PersuasionError, match="to 2 prompts, of which"):
        in_order(shares, 2)


# -- who computes with whom ----------------------------------------------------------------


def test_the_first_process_computes_alone_but_for_common_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Accelerator, "num_processes", 2)
    monkeypatch.setattr(Accelerator, "wait_for_everyone", lambda self: pytest.fail("waits"))

    def inside() -> None:
        stay_alone()
        assert accelerator().num_processes == 1
        assert accelerator(several=True).num_processes == 1
        accelerator(several=True).wait_for_everyone()
        with with_all():
            assert accelerator(several=True).num_processes == 2
            with pytest.raises(PersuasionError, match="divide their work"):
                accelerator()
        assert accelerator(several=True).num_processes == 1

        task = two_processes.TASKS[0]
        inputs = [x for t in task.priors for x in task.examples(t, "train", 2, 0)]
        monkeypatch.setattr(Accelerator, "reduce", lambda *given: pytest.fail("exchanges"))
        how = AdvisorTraining(warm_steps=1, steps=1, batch=4)
        log = train(
            two_processes.advisor(), task, two_processes.games(), inputs, settings=how,
            checkpoint=tmp_path / "checkpoint", precision="no",
        )  # fmt: skip
        assert len(log.values) == 2

    copy_context().run(inside)
    assert accelerator(several=True).num_processes == 2


def test_one_process_does_its_jobs_itself() -> None:
    processes = Processes(Accelerator(cpu=True), object())
    assert processes.together(lambda a, b, c=0: a + b + c, 1, 2, c=3) == 6
    assert processes.gathered("mine") == ["mine"]
    with processes.led():
        assert accelerator(several=True).__class__ is Accelerator


def test_only_broken_connections_count_as_lost() -> None:
    assert _lost(RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [::1]"))
    assert not _lost(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not _lost(PersuasionError("Connection closed by peer"))


# -- whole experiments ---------------------------------------------------------------------

CONFIG: Mapping[str, Any] = {
    "name": "tiny",
    "device": "cpu",
    "tasks": ["grade"],
    "receiver": {"rule": "posterior_sampling", "batch_size": 8},
    "other": [
        {
            "name": "fresh",
            "training": {"n_layer": 1, "n_embd": 16, "n_head": 2, "steps": 12, "batch": 15},
        }
    ],
    "advisor": {
        "n_layer": 1, "n_embd": 16, "n_head": 2, "warm_steps": 5, "steps": 10, "batch": 10,
        "n_inputs": 4, "signals": {"grade": [2]},
    },
    "measure": {"n_inputs": 4},
    "evaluate": {"n_inputs": 4, "controls": ["untrained", "reinforce"]},
    "baselines": {"names": ["fine_tuned"]},
}  # fmt: skip
SKILLED = ReceiverTraining(
    n_layer=1, n_embd=32, n_head=2, vocabulary=300, steps=500, batch=24, lr=1e-2, warmup=20,
    marks=(1.0,), precision="no",
)  # fmt: skip
"""Enough to get some of the sums right."""


def said(body: dict[str, Any], turn: int) -> Answer:
    """Two digits, a function of the prompt."""
    return choices(f"{crc32(body['prompt'].encode()) % 100}")


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with serving(said) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "any")
        yield running


@pytest.fixture(scope="module")
def config(server: Scripted, tmp_path_factory: pytest.TempPathFactory) -> ExperimentConfig:
    left = pretrain([tasks.load("grade")], SKILLED, tmp_path_factory.mktemp("skilled"))
    receiver = {**CONFIG["receiver"], "path": str(left[-1].path)}
    api = {
        "model": "any", "max_tokens": 10**6, "base_url": server.url, "endpoint": "completions",
    }  # fmt: skip
    others = [*CONFIG["other"], {"name": "served", "api": api}]
    return ExperimentConfig.from_dict({**CONFIG, "receiver": receiver, "other": others})


@pytest.fixture(scope="module")
def single(config: ExperimentConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single") / "run"
    conduct(config, folder)
    return folder


def begun(config: ExperimentConfig, folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start two processes on `folder`."""
    folder.parent.mkdir(exist_ok=True)
    file = folder.parent / "config.toml"
    file.write_text(config.to_toml())
    given = {
        "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
        "GLOO_SOCKET_IFNAME": "lo", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *(str(Path(led_run.__file__)), str(file), str(folder), str(folder.parent), *options),
    ]
    return subprocess.Popen(
        command,
        env={**os.environ, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], within: float = 120) -> tuple[str, str]:
    try:
        return process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun ends its processes
        pytest.fail(f"still running after {within} s: {process.communicate()[1][-4000:]}")


def notes(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads((folder.parent / f"process-{i}.json").read_text()) for i in range(2)]
    assert [one["count"] for one in found] == [2, 2]
    return found


def stages(folder: Path) -> dict[str, dict[str, Any]]:
    """What ``done.json`` says of each stage, by name."""
    read = [json.loads(file.read_bytes()) for file in (folder / "stages").glob("*/done.json")]
    assert len({one["name"] for one in read}) == len(read)
    return {one["name"]: one for one in read}


def table(folder: Path) -> tuple[list[list[str]], list[float]]:
    """Words and numbers of the table."""
    cells = list(csv.reader((folder / "table.csv").read_text().splitlines()))
    words, numbers = [], []
    for row in cells:
        words.append([cell for cell in row if not is_number(cell)])
        numbers += [float(cell) for cell in row if is_number(cell)]
    return words, numbers


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def replies(folder: Path, stage: str) -> list[str]:
    (file,) = (folder / "stages").glob(f"{stage}-*/replies.jsonl")
    return [json.loads(line)["text"] for line in file.read_text().splitlines()]


def assert_same_experiment(one: Path, other: Path) -> None:
    """What is said greedily and what is solved is equal; what was trained, up to rounding."""
    before, after = stages(one), stages(other)
    assert before.keys() == after.keys()
    untouched = [n for n in before if n.startswith(("measure-grade-step", "solve"))]
    assert len(untouched) == 2
    for name in untouched:  # nothing here depends on a training: the same bytes
        assert after[name]["key"] == before[name]["key"]
        assert after[name]["content"] == before[name]["content"]
    for name in before:
        if name.startswith(("measure", "evaluate", "transfer")):
            assert replies(one, name) == replies(other, name)
    (words, numbers), (others, theirs) = table(one), table(other)
    assert words == others
    assert len({round(number, 3) for number in numbers}) > 20, "a table that could differ"
    # weights differ by rounding (sums of gradients in another order), figures are cut at 1e-6
    assert numbers == pytest.approx(theirs, abs=5e-6)


@pytest.mark.slow
def test_two_processes_carry_out_the_experiment_of_one(
    config: ExperimentConfig, single: Path, server: Scripted, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    before = len(server.bodies)
    process = begun(config, folder)
    out, err = ended(process)
    assert process.returncode in (0, 1), err[-4000:]  # 1: a claim is refuted, as it may be
    assert out.count("claims:") == out.count("seconds:") == 1
    assert err.count("beside it") == 1
    first, second = notes(folder)
    assert second["written"] == []
    assert len(first["written"]) > 20, "writing would be noticed"
    assert min(first["answers"], second["answers"]) > 50
    asked = [json.dumps(body, sort_keys=True) for body in server.bodies]
    now, then = asked[before:], asked[:before]
    assert len(now) == len(set(now)) > 100, "a server is asked once, by one process"
    assert set(now) == set(then)
    assert_same_experiment(single, folder)
    for name in ("report.html", "results.json", "examples.jsonl"):
        assert (folder / name).exists()
    again = conduct(config, folder)
    assert all(stage.reused for stage in again.stages)


@pytest.mark.slow
def test_an_error_in_the_second_process_ends_both_and_one_goes_on(
    config: ExperimentConfig, single: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = begun(config, folder, "--fail")
    out, err = ended(process, within=60)
    assert process.returncode != 0
    assert out == ""
    assert err.count("error: process 2 of 2: fails on purpose") == 1
    assert err.count("error: ") <= 2  # the first may say that it has lost the other
    notes(folder)
    kept = stages(folder)
    assert set(kept) == {"receiver-fresh", "probe-served"}
    outcome = conduct(config, folder)
    assert {stage.name for stage in outcome.stages if stage.reused} == set(kept)
    assert stages(folder)["receiver-fresh"] == kept["receiver-fresh"]
    assert_same_experiment(single, folder)


class KilledError(Exception):
    pass


@pytest.mark.slow
def test_two_processes_go_on_with_what_one_began(
    config: ExperimentConfig, single: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"

    @contextmanager
    def killing(name: str) -> Iterator[Callable[[int, int], None]]:
        def tell(done: int, total: int) -> None:
            if "advisor" in name and done == 7:
                raise KilledError

        yield tell

    with pytest.raises(KilledError):
        conduct(config, folder, bar=killing)
    kept = stages(folder)
    assert len(kept) == 4
    process = begun(config, folder)
    _, err = ended(process)
    assert process.returncode in (0, 1), err[-4000:]
    notes(folder)
    assert kept.items() <= stages(folder).items()
    assert_same_experiment(single, folder)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_both_and_says_so_once(config: ExperimentConfig, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    endless = replace(config, advisor=replace(config.advisor, steps=10**6))
    process = begun(endless, folder)
    until = time.monotonic() + 60
    while not list(folder.glob("stages/.part-advisor*")) and time.monotonic() < until:
        assert process.poll() is None, process.communicate()[1][-4000:]
        time.sleep(0.1)
    time.sleep(2)  # well into the training, of which both do their part
    process.send_signal(signal.SIGINT)
    _, err = ended(process, within=40)
    assert process.returncode != 0
    assert err.count("interrupted at") == err.count("interrupted") == 1
    assert "error: " not in err
    notes(folder)  # both ended in order
    assert "advisor-grade-2-exact-0" not in stages(folder)
