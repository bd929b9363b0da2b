"""Codewords must be told apart under the tokenizer in use."""

import pytest
from transformers import PreTrainedTokenizerBase

from llm_bridge.codebook import Codebook
from persuasion.errors import PersuasionError


def test_words_and_template_make_the_texts(tokenizer: PreTrainedTokenizerBase) -> None:
    book = Codebook(("amber", "cobalt"), template=" {word}.")
    assert book.texts == (" amber.", " cobalt.")
    assert [tokenizer.decode(ids) for ids in book.check(tokenizer)] == [" amber.", " cobalt."]


def test_dictionary_round_trip() -> None:
    book = Codebook(("x", "y"), template=" {word}")
    assert Codebook.from_dict(book.to_dict()) == book
    with pytest.raises(PersuasionError, match="unknown key 'word'"):
        Codebook.from_dict({"words": ["x"], "word": 1})
    with pytest.raises(PersuasionError, match="missing"):
        Codebook.from_dict({})


@pytest.mark.parametrize("n", [1, 7, 16])
def test_default_words_are_apart(n: int, tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(set(Codebook.default(n).check(tokenizer))) == n


@pytest.mark.parametrize("n", [0, 17])
def test_default_has_limits(n: int) -> None:
    with pytest.raises(PersuasionError, match=f"from 1 to 16; got {n}"):
        Codebook.default(n)


class Letters:
    """A tokenizer with one token per letter, case ignored, that cannot write digits."""

    unk_token_id = 0

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [0 if letter.isdigit() else ord(letter.lower()) for letter in text]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sun", "sunny"), "codeword 'sunny' begins like 'sun'"),
        (("moon", "sunny", "sun"), "codeword 'sunny' begins like 'sun'"),
        (("Sun", "sun"), "codeword 'sun' is the same as 'Sun'"),
        (("sun", "m00n"), "cannot write the codeword 'm00n'"),
    ],
)
def test_clashes_are_named(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        Codebook(words).check(Letters())


def test_apart_under_one_tokenizer_but_not_another(tokenizer: PreTrainedTokenizerBase) -> None:
    book = Codebook(("Amber", "amber"))
    assert len(book.check(tokenizer)) == 2
    with pytest.raises(PersuasionError, match="same as"):
        book.check(Letters())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "one or more"),
        (("a", "a"), "'a' stands in it twice"),
        (("a", ""), "got ''"),
        (("a", " b"), "got ' b'"),
    ],
)
def test_illegal_words(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        Codebook(words)


def test_illegal_template() -> None:
    with pytest.raises(PersuasionError, match=r"must hold \{word\} once"):
        Codebook(("a", "b"), template="signal")
