"""An Advisor is a signaling scheme, and an ordinary checkpoint."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from llm_bridge.advisor import LABEL, Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.staging.whole_folder import whole_folder
from llm_bridge.task import Task
from persuasion import SignalingScheme
from persuasion.errors import PersuasionError

Make = Callable[..., Advisor]


def test_scheme_is_the_law_of_the_prompts(make_advisor: Make, aligned: Task) -> None:
    advisor = make_advisor(3)
    examples = aligned.examples("tilted", "test", 7, 0)
    kernels = advisor.kernels(aligned, examples, batch_size=5)
    assert kernels.shape == (7, 3, 3)
    np.testing.assert_allclose(kernels.sum(axis=2), 1, rtol=0, atol=1e-15)
    assert np.ptp(kernels, axis=1).max() > 1e-4  # items matter, even to an untrained model
    prompts = [[aligned.advisor_prompt(x, item) for item in aligned.items] for x in examples]
    law = advisor.log_kernel(prompts)
    assert law.requires_grad
    np.testing.assert_allclose(law.detach().exp().numpy(), kernels, rtol=0, atol=1e-6)
    scheme = advisor.scheme(aligned, examples[3])
    assert isinstance(scheme, SignalingScheme)
    assert scheme.signals == ("amber", "cobalt", "ivory")
    np.testing.assert_allclose(scheme.kernel, kernels[3], rtol=0, atol=1e-6)


def test_kernels_leave_the_model_in_its_mode(make_advisor: Make, aligned: Task) -> None:
    advisor = make_advisor()
    advisor.model.train()
    advisor.kernels(aligned, aligned.examples("even", "test", 2, 0))
    assert advisor.model.training


def test_saved_and_loaded(make_advisor: Make, aligned: Task, tmp_path: Path) -> None:
    advisor = make_advisor(3, seed=4)
    advisor.temperature = 0.5
    advisor.save(tmp_path / "deep" / "advisor")
    again = Advisor.from_pretrained(tmp_path / "deep" / "advisor")
    assert again.fingerprint == advisor.fingerprint
    assert (again.codebook, again.temperature) == (advisor.codebook, 0.5)
    examples = aligned.examples("even", "test", 4, 0)
    assert np.array_equal(again.kernels(aligned, examples), advisor.kernels(aligned, examples))


def test_it_is_an_ordinary_checkpoint(make_advisor: Make, tmp_path: Path) -> None:
    advisor = make_advisor()
    folder = advisor.save(tmp_path / "advisor")
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("case 12", return_tensors="pt").input_ids
    assert torch.equal(model(ids).logits, advisor.model(ids).logits)


def test_a_language_model_takes_the_chair(
    make_advisor: Make, tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    make_advisor().model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(PersuasionError, match=r"not saved as an Advisor .* pass a codebook"):
        Advisor.from_pretrained(tmp_path)
    advisor = Advisor.from_pretrained(tmp_path, Codebook(("yes", "no")), temperature=2.0)
    assert (advisor.n_signals, advisor.temperature) == (2, 2.0)


def test_codewords_must_be_apart(make_advisor: Make, tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(PersuasionError, match="'ambergris' begins like 'amber'"):
        Advisor(make_advisor().model, tokenizer, Codebook(("amber", "ambergris")))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_illegal_temperature(
    make_advisor: Make, tokenizer: PreTrainedTokenizerBase, temperature: float
) -> None:
    with pytest.raises(PersuasionError, match="`temperature` must be"):
        Advisor(make_advisor().model, tokenizer, Codebook.default(2), temperature)


def test_unknown_size(tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(PersuasionError, match="unknown size 'width'; legal are n_layer"):
        Advisor.fresh(tokenizer, Codebook.default(2), {"width": 3})


def test_prompts_must_fit(make_advisor: Make) -> None:
    advisor = make_advisor(2)
    with pytest.raises(PersuasionError, match=r"prompts have up to 60 tokens .* reads 48"):
        advisor.log_kernel([["1" * 60, "1"]])
    with pytest.raises(PersuasionError, match="must not be empty"):
        advisor.log_kernel([["", "1"]])
    with pytest.raises(PersuasionError, match=r"got \[1, 2\] items"):
        advisor.log_kernel([["1"], ["1", "2"]])


def test_fingerprint_tells_advisors_apart(
    make_advisor: Make, tokenizer: PreTrainedTokenizerBase
) -> None:
    one = make_advisor()
    others = [
        make_advisor(seed=1),
        Advisor(one.model, tokenizer, Codebook(("cobalt", "amber"))),
        Advisor(one.model, tokenizer, one.codebook, temperature=0.5),
    ]
    assert one.fingerprint == make_advisor().fingerprint
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 4


# -- whole folders -----------------------------------------------------------------------------


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_saving_replaces_the_old_one_whole(make_advisor: Make, tmp_path: Path) -> None:
    make_advisor().save(tmp_path / "advisor")
    (tmp_path / "advisor" / "leftover").write_text("of the old one")
    new = make_advisor(3, seed=1)
    new.save(tmp_path / "advisor")
    assert Advisor.from_pretrained(tmp_path / "advisor").fingerprint == new.fingerprint
    assert not (tmp_path / "advisor" / "leftover").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["advisor"]


def test_a_full_disk_leaves_the_old_one(
    make_advisor: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_advisor().save(tmp_path / "advisor")
    before = content(tmp_path)
    new = make_advisor(seed=1)

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(new.tokenizer), "save_pretrained", full)
    with pytest.raises(OSError, match="No space left"):
        new.save(tmp_path / "advisor")
    assert content(tmp_path) == before


def test_other_folders_are_not_replaced(make_advisor: Make, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("four years of work")
    with pytest.raises(PersuasionError, match=f"holds no {LABEL}, so it is something else"):
        make_advisor().save(tmp_path)
    with pytest.raises(PersuasionError, match="is something else"):
        make_advisor().save(tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_whole_folder_without_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_one_step: bool
) -> None:
    if not in_one_step:
        monkeypatch.setattr("llm_bridge.staging.whole_folder.sys.platform", "elsewhere")
    for text in ("old", "new"):
        with whole_folder(tmp_path / "folder", label="label") as draft:
            (draft / "label").write_text(text)
    assert content(tmp_path) == {"folder/label": b"new"}


@pytest.mark.parametrize("label", ["not JSON", '["list"]', '{"format": 9, "words": ["a", "b"]}'])
def test_damaged_label(make_advisor: Make, tmp_path: Path, label: str) -> None:
    folder = make_advisor().save(tmp_path / "advisor")
    assert json.loads((folder / LABEL).read_text())["words"] == ["amber", "cobalt"]
    (folder / LABEL).write_text(label)
    with pytest.raises(PersuasionError, match=r"damaged|another version"):
        Advisor.from_pretrained(folder)
