"""What became of requests, in numbers and in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

__all__ = ["Traffic"]

_KINDS = {
    "refused": "refused with an error status",
    "lost": "lost, by time-outs and connections that failed",
    "malformed": "answered with what could not be read",
}


@dataclass(frozen=True)
class Traffic:
    """What became of requests.

    Attributes
    ----------
    sent : int
        Requests, repeated ones included.
    answered : int
        Those with a well-formed answer.
    malformed : int
        Answers that are no JSON, or not of the agreed form.
    refused : int
        Answers with an error status; 429 asks everybody to wait.
    lost : int
        Time-outs and lost connections.
    choices_missing : int
        Choices asked for that did not come back.
    empty : int
        Choices that came back without any text.
    """

    sent: int = 0
    answered: int = 0
    malformed: int = 0
    refused: int = 0
    lost: int = 0
    choices_missing: int = 0
    empty: int = 0

    def __str__(self) -> str:
        return ", ".join(
            f"{value} {name.replace('_', ' ')}" for name, value in asdict(self).items()
        )

    def sentences(self, last: Mapping[str, str]) -> list[str]:
        """Say what happened; nothing where nothing was sent.

        Parameters
        ----------
        last : mapping of str to str
            The last problem of each kind: malformed, refused, lost.

        Examples
        --------
        >>> Traffic(sent=5, answered=4, refused=1).sentences({"refused": "status 429: slow down"})
        ['5 requests sent, 4 answered', '1 refused with an error status (status 429: slow down)']
        """
        if not self.sent:
            return []
        found = [f"{counted(self.sent, 'request')} sent, {self.answered} answered"]
        for kind, words in _KINDS.items():
            number = getattr(self, kind)
            if number:
                latest = "" if kind not in last else f" ({'the last: ' * (number > 1)}{last[kind]})"
                found.append(f"{number} {words}{latest}")
        if self.choices_missing:
            found.append(
                f"{counted(self.choices_missing, 'choice')} that were asked for did not come; they "
                "were asked for again"
            )
        if self.empty:
            found.append(f"{counted(self.empty, 'answer')} without any text")
        return found


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "token"), counted(2000, "token")
    ('1 token', '2000 tokens')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
