"""Tokenizers made from the texts of the tasks at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerFast

from persuasion.errors import PersuasionError

__all__ = ["BEGIN", "END", "PAD", "build_tokenizer"]

PAD, BEGIN, END = "<pad>", "<bos>", "<eos>"
_SMALLEST = 256 + 3


def build_tokenizer(
    texts: Iterable[str], size: int = 512, *, whole: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE vocabulary.

    Parameters
    ----------
    texts : iterable of str
        What will be read and written.
    size : int, >= 259
        Most tokens: all 256 bytes, so that every text can be written, ``<pad>``, ``<bos>`` and
        ``<eos>``, and merges. Fewer come out where the texts give no more.
    whole : sequence of str
        Words kept as one token each beside `size`, for example codewords.

    Returns
    -------
    PreTrainedTokenizerFast
        Each digit is a token of its own. Saved and loaded like any other.

    Examples
    --------
    >>> from llm_bridge.vocabulary import build_tokenizer
    >>> tokenizer = build_tokenizer(["sum 12 30", "sum 7 44"], 300, whole=["amber"])
    >>> tokenizer.tokenize("sum 12 amber")
    ['sum', 'Ġ', '1', '2', 'Ġ', 'amber']
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    if size < _SMALLEST:
        raise PersuasionError(
            f"`size` must be at least {_SMALLEST}, for 256 bytes and 3 special tokens; got {size}"
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in whole])
    wrapper: Any = PreTrainedTokenizerFast  # its constructor has no types
    wrapped: PreTrainedTokenizerFast = wrapper(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    return wrapped
