"""Errors a user can act on, and the "did you mean" that goes with them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave (a file, key, name or size) is wrong, and the message says what.

    The message names the thing, what was expected, what came and what to do. The command line
    prints it without a traceback and exits with status 2.
    """


def did_you_mean(name: str, known: Iterable[str], most: int = 3) -> str:
    """A hint that names the known words nearest to `name`, to append to an error message.

    Args:
        name: the word that was not found.
        known: the words that would have been; may be empty.
        most: how many suggestions at the most.

    Returns:
        " Did you mean 'a' or 'b'?" with a leading space, or "" when nothing is near.
    """
    words = list(dict.fromkeys(known))
    folded = {word.lower(): word for word in words}
    near = difflib.get_close_matches(name.lower(), folded, n=most, cutoff=0.6)
    if not near:
        return ""
    return f" Did you mean {' or '.join(repr(folded[word]) for word in near)}?"


def check_word(name: str, word: object, known: Iterable[str]) -> None:
    """Check a setting that must be one of a few words.

    Args:
        name: of the setting, for the message.
        word: what was given.
        known: the words.

    Raises:
        InputError: it is none of them.
    """
    words = list(known)
    if word not in words:
        raise InputError(
            f"{name} must be one of {', '.join(words)}, got {word!r}."
            f"{did_you_mean(str(word), words)}"
        )
