"""Receivers who are no models here: behind a server, or recorded; as a section describes them."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

from llm_bridge.models import without_bars
from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.receivers.replay import ReplayReceiver
from llm_bridge.requests.budget import Budget, Prices
from llm_bridge.sections import ApiSection, ReplaySection
from persuasion.errors import PersuasionError
from persuasion.receivers import Receiver

__all__ = ["behind_a_server", "label_of", "recorded"]


def behind_a_server(
    section: ApiSection,
    name: str,
    rule: Receiver | str,
    cache: Path | None,
    *,
    asking: bool = True,
) -> OpenAIReceiver:
    """Return the Receiver that a section describes; nothing is asked yet.

    Parameters
    ----------
    section : ApiSection
    name : str
    rule : Receiver or str
    cache : path, optional
        Its folder is made.
    asking : bool
        Whether she will be asked. Else no key is needed, and a cache that is not there is not made.

    Raises
    ------
    PersuasionError
        When there is no API key, the tokenizer cannot be loaded, or another process has the cache.
    """
    key = os.environ.get(section.key_variable)
    if not asking:
        key = key or "none"
        cache = cache if cache is not None and cache.exists() else None
    if not key:
        raise PersuasionError(
            f"the Receiver {name!r} needs an API key: set the environment's {section.key_variable} "
            "(a server that needs none takes any text), or name another `key_variable`"
        )
    prices = None
    if section.price_prompt is not None and section.price_completion is not None:
        prices = Prices(section.price_prompt, section.price_completion)
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
    return OpenAIReceiver(
        section.model,
        budget=Budget(section.max_tokens, section.max_money, prices),
        base_url=section.base_url,
        api_key=key,
        cache=cache,
        rule=rule,
        name=name,
        endpoint=section.endpoint,
        temperature=section.temperature,
        seed=section.seed,
        concurrency=section.concurrency,
        timeout_s=section.timeout_s,
        retries=section.retries,
        bytes_per_token=section.bytes_per_token,
        count_tokens=_tokenizer(section.tokenizer),
        length_field=section.length_field,
        unsent=section.unsent,
        extra=section.extra,
    )


def recorded(section: ReplaySection, name: str, rule: Receiver | str) -> ReplayReceiver:
    """Return the Receiver who answers from the file that a section names."""
    counted = _tokenizer(section.tokenizer)
    return ReplayReceiver.from_jsonl(section.path, rule, name, count_tokens=counted)


def label_of(source: ApiSection | ReplaySection) -> str:
    """Hash of recorded answers; of a server what it is asked for, for its weights are not seen.

    Also what counts the tokens of a server's answers, which a task may charge for.
    """
    if isinstance(source, ReplaySection):
        return recorded(source, "recorded", "best_response").fingerprint
    with behind_a_server(source, source.model, "best_response", None, asking=False) as receiver:
        asked = receiver.fingerprint
    if source.tokenizer is None:
        return asked
    whole = getattr(_tokenizer(source.tokenizer), "backend_tokenizer", None)
    told = source.tokenizer if whole is None else whole.to_str()
    return f"{asked}-{blake2b(told.encode(), digest_size=8).hexdigest()}"


def _tokenizer(where: str | None) -> Any:
    if where is None:
        return None
    from transformers import AutoTokenizer

    try:
        with without_bars():
            return AutoTokenizer.from_pretrained(where)
    except (OSError, ValueError, KeyError) as cause:
        raise PersuasionError(
            f"no tokenizer could be loaded from {where!r}: "
            f"{str(cause).strip().splitlines()[0].rstrip('.')}. Name a folder that save_pretrained "
            "wrote or an id of the Hugging Face hub"
        ) from cause
