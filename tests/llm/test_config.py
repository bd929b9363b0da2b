"""Experiment files: read, checked before any work, written back."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import pytest

from llm_bridge.config import (
    AdvisorSection,
    ExperimentConfig,
    OtherSection,
    TrainingSection,
    commented,
    default_config,
    demo_config,
    full_config,
    read_config,
)
from llm_bridge.settings import read
from persuasion.errors import PersuasionError

CONFIGS = {
    "plain": ExperimentConfig(),
    "default": default_config(),
    "full": full_config(),
    "demo": demo_config(),
    "odd": ExperimentConfig(
        name='a "quoted"\\ nämé\n\x7f\t',
        tasks=("grade",),
        seeds=(3, 1),
        advisor=AdvisorSection(path="x/y", margin=1e-05, signals={"grade": (2, 3)}),
        other=(OtherSection(name="b-1", path="c d"), OtherSection(name="e", checkpoint=1 / 3)),
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("comments", [False, True])
def test_round_trip_through_toml(name: str, comments: bool) -> None:
    config = CONFIGS[name]
    text = config.to_toml(comments=comments)
    assert ExperimentConfig.from_dict(tomllib.loads(text)) == config


@pytest.mark.parametrize("name", CONFIGS)
def test_round_trip_through_json(name: str) -> None:
    config = CONFIGS[name]
    assert ExperimentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_commented_file_is_the_default_and_explains_every_setting() -> None:
    text = commented(default_config())
    assert ExperimentConfig.from_dict(tomllib.loads(text)) == default_config()
    lines = text.splitlines()
    table = ""
    for before, line in pairwise(lines):
        table = line if line.startswith("[") else table
        if " = " in line and not line.startswith("#"):
            assert before.startswith("#") or table == "[advisor.signals]", line
    assert "# path = " in text  # settings that are off are shown too
    assert max(map(len, lines)) <= 100


def test_an_example_that_is_uncommented_is_legal() -> None:
    text = ExperimentConfig().to_toml(comments=True).replace('# rule = "', 'rule = "')
    config = ExperimentConfig.from_dict(tomllib.loads(text))
    assert config.receiver.rule == "posterior_sampling"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = [1]", r"unknown setting `seed`; did you mean 'seeds'\?"),
        ("[advisor]\nstep = 3", r"unknown setting `advisor.step`; did you mean 'steps'\?"),
        ("[advisor]\nxyz = 3", r"unknown setting `advisor.xyz`; legal are path, n_layer"),
        ("name = '../mine'", "`name` also names a folder: .* got '../mine'"),
        ("seeds = 1", "`seeds` must be a list; got 1"),
        ("seeds = []", "`seeds` must name at least one"),
        ("seeds = [1, 1]", "`seeds` names 1 twice"),
        ("seeds = [true]", r"`seeds\[0\]` must be a whole number; got True"),
        ("seeds = [-1]", r"`seeds\[0\]` must be at least 0; got -1"),
        ("threads = 1.5", r"`threads` must be a whole number; got 1\.5"),
        ("tasks = ['mth']", r"no task is called 'mth'; did you mean 'math'\?"),
        ("tasks = []", "`tasks` must name at least one"),
        ("device = 'gpu'", "`device` must be auto, cpu, cuda, cuda:1 .* got 'gpu'"),
        ("device = 'cuda:x'", "`device` must be"),
        ("name = 3", "`name` must be a text; got 3"),
        ("receiver = 3", "`receiver` must be a table of settings; got 3"),
        ("[receiver]\nrule = 'best'", r"`receiver.rule` is 'best'.*legal are posterior_sampling"),
        ("[receiver]\nrule = 3", r"`receiver.rule` must be a text; got 3"),
        ("[receiver.training]\nlr = 0", "`receiver.training.lr` must be above 0; got 0"),
        ("[receiver.training]\nlr = nan", "`receiver.training.lr` must be above 0; got nan"),
        ("[receiver.training]\nlr = inf", "`receiver.training.lr` must be above 0; got inf"),
        ("[receiver.training]\nhintless = 1.1", "must be at least 0 and at most 1; got 1.1"),
        ("[receiver.training]\nn_embd = 30", r"\[receiver.training\] `n_embd` must be divisible"),
        ("[advisor]\nmode = 'ppo'", "`advisor.mode` is 'ppo'"),
        ("[advisor]\nmargin = 'a'", "`advisor.margin` is 'a'.*legal are root"),
        ("[advisor]\nmargin = []", r"`advisor.margin` must be a number or a text; got \[\]"),
        ("[receiver]\nrule = 'quantal'", "`beta` belongs to the rule quantal"),
        ("[receiver]\nbeta = 3", "`beta` belongs to the rule quantal"),
        ("[advisor.signals]\nmath = 2", "`advisor.signals.math` must be a list; got 2"),
        ("[advisor.signals]\nmath = [5]", "holds numbers from 2 to 4, the items of the task"),
        ("[advisor.signals]\nmath = [1]", r"`advisor.signals.math\[0\]` must be at least 2"),
        ("tasks = ['grade']\n[advisor.signals]\nmath = [2]", "'math', which is not among"),
        ("[evaluate]\ncontrols = ['untraned']", r"'untraned'; did you mean 'untrained'\?"),
        ("[evaluate]\nn_inputs = 1", "`evaluate.n_inputs` must be at least 2; got 1"),
        ("[[other]]\npath = 'x'", "the setting `other.*name` is missing: What tables call her"),
        (
            "[[other]]\nname = 'x'",
            "needs exactly one of path, checkpoint, training, api, replay; got none",
        ),
        ("[[other]]\nname = 'a/b'\npath = 'x'", "made of letters, digits, - and _; got 'a/b'"),
        (
            "[[other]]\nname = 'x'\npath = 'a'\n[[other]]\nname = 'x'\npath = 'b'",
            "`other` names 'x' twice",
        ),
        (
            "[receiver]\npath = 'a'\n[[other]]\nname = 'x'\ncheckpoint = 0.5",
            "needs a Receiver that is trained here",
        ),
        ("[receiver", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(PersuasionError, match=message) as caught:
        read_config(file)
    assert str(caught.value).startswith(str(file))


def test_a_missing_file_says_where_to_start(tmp_path: Path) -> None:
    with pytest.raises(PersuasionError, match="`persuasion bridge config` prints one"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PersuasionError, match="cannot be read"):
        read_config(tmp_path / "binary.toml")


def test_whole_numbers_are_numbers() -> None:
    config = read(ExperimentConfig, {"advisor": {"lr": 1}})
    assert isinstance(config.advisor.lr, float)


def test_fingerprints_tell_sections_apart() -> None:
    one = default_config()
    other = replace(one, advisor=replace(one.advisor, lr=0.5))
    assert one.fingerprint("advisor") != other.fingerprint("advisor")
    assert one.fingerprint("receiver", "measure") == other.fingerprint("receiver", "measure")
    assert one.fingerprint() == default_config().fingerprint()


def test_signals_default_to_the_number_of_items() -> None:
    config = ExperimentConfig(advisor=AdvisorSection(signals={"math": (2,)}))
    assert config.signals("math") == (2,)
    assert config.signals("grade") == (3,)


def test_reading_a_config_loads_no_torch() -> None:
    code = (
        "import sys; from llm_bridge.config import commented, default_config as d; commented(d()); "
        "print([m for m in ('torch', 'transformers', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_defaults_are_those_of_the_trainings_themselves() -> None:
    from llm_bridge.pretrain import ReceiverTraining
    from llm_bridge.training.settings import AdvisorTraining

    pairs = (
        (TrainingSection(), ReceiverTraining(), set()),
        (AdvisorSection(), AdvisorTraining(), {"margin"}),  # a rule here, a number there
    )
    for section, training, apart in pairs:
        shared = {f.name for f in fields(section)} & {f.name for f in fields(training)} - apart
        assert len(shared) >= 4
        for name in shared:
            assert getattr(section, name) == getattr(training, name), name


def test_two_receivers_behind_servers_do_not_share_a_file() -> None:
    api = {"model": "m", "max_tokens": 9, "cache": "one.jsonl"}
    other = {"name": "o", "api": {**api, "cache": "./one.jsonl"}}
    table = {"tasks": ["math"], "receiver": {"api": api}, "other": [other]}
    with pytest.raises(PersuasionError, match=r"`cache` is './one.jsonl' for 'm' and for 'o'"):
        ExperimentConfig.from_dict(table)
    other["api"] = {**api, "cache": "two.jsonl"}
    ExperimentConfig.from_dict(table)
