"""From a few numbers per seed to one of three verdicts.

A statement is about a difference, with a margin that was written down before. Its verdict comes
from an interval for the mean difference over seeds:

    above:   holds if the whole interval is above the margin, does not hold if it is below
    below:   the other way round
    within:  holds if the interval lies between -margin and margin (two one-sided tests), does not
             hold if it lies outside

and "not decided at this budget" otherwise. Each end of the interval is a one-sided 95 % bound of a
t distribution: where the truth sits exactly on the margin, "holds" and "does not hold" are each
said in one of twenty cases; farther on the other side, the wrong one is rarer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cascadekit.errors import InputError, check_word

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided at this budget"
VERDICTS = (HOLDS, FAILS, OPEN)
DIRECTIONS = ("above", "below", "within")
CONFIDENCE = 0.95  # of each end of an interval
# Differences of fractions that are apart by less are the same number, rounded differently.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """Where the mean of some differences is.

    Attributes:
        count: differences n, at least 1.
        mean: of them.
        std: with n - 1 in the denominator; nan for one.
        low: lower one-sided bound; -inf where nothing bounds it (one difference).
        high: upper one-sided bound.
    """

    count: int
    mean: float
    std: float
    low: float
    high: float

    @property
    def spreads(self) -> bool:
        """Whether the differences differ at all; without that nothing is known of their spread."""
        return self.count > 1 and self.std > ROUNDING


def t_probability(t: float, degrees: int) -> float:
    """P(T <= t) of Student's t with whole degrees of freedom.

    Args:
        t: any number.
        degrees: of freedom, 1 or more.

    Returns:
        A probability.

    Source: the finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = degrees % 2 == 1
    # cos + 2/3 cos^3 + 2*4/(3*5) cos^5 ... for odd degrees, 1 + 1/2 cos^2 + 1*3/(2*4) cos^4 ...
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(2 if odd else 1, degrees, 2):
        total += term
        term *= k / (k + 1) * cosine**2
    between = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + between / 2


@lru_cache
def t_quantile(probability: float, degrees: int) -> float:
    """The t that a Student's t variable stays below with a given probability.

    Args:
        probability: from 0.5 up to below 1.
        degrees: of freedom, 1 or more.

    Returns:
        t, 0 or more.

    Raises:
        InputError: outside these ranges.
    """
    if not 0.5 <= probability < 1 or degrees < 1:
        raise InputError(
            f"expected a probability from 0.5 to below 1 and at least 1 degree of freedom, got "
            f"{probability:g} and {degrees}"
        )
    low, high = 0.0, 1.0
    while t_probability(high, degrees) < probability:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if t_probability(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def mean_interval(differences: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Bounds for the mean difference, over seeds.

    Args:
        differences: one per seed, finite; at least one.
        confidence: of each bound by itself.

    Returns:
        The interval; unbounded for one difference.

    Raises:
        InputError: there is none.
    """
    n = len(differences)
    if n == 0:
        raise InputError("an interval needs at least one difference")
    mean = math.fsum(differences) / n
    if n == 1:
        return Interval(1, mean, math.nan, -math.inf, math.inf)
    std = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
    half = t_quantile(confidence, n - 1) * std / math.sqrt(n)
    return Interval(n, mean, std, mean - half, mean + half)


def known_interval(differences: Sequence[float], error: float) -> Interval:
    """Bounds where the error of a measurement is known and seeds play no part (times, counts).

    Args:
        differences: repeated measurements, at least one.
        error: how far their mean may be off, 0 or more.

    Returns:
        The interval.
    """
    interval = mean_interval(differences)
    mean = interval.mean
    return Interval(interval.count, mean, interval.std, mean - error, mean + error)


def decide(interval: Interval, margin: float, direction: str) -> str:
    """The verdict of an interval.

    Args:
        interval: of a difference.
        margin: what it is compared with; of "within", half the width of what counts as equal.
        direction: "above", "below" or "within".

    Returns:
        One of `VERDICTS`.

    Raises:
        InputError: another direction, or a width that is not positive.
    """
    check_word("direction", direction, DIRECTIONS)
    low, high = interval.low, interval.high
    if direction == "within":
        if margin <= 0:
            raise InputError(f"equal within {margin:g} cannot be: the margin must be positive")
        if -margin < low and high < margin:
            return HOLDS
        return FAILS if low > margin or high < -margin else OPEN
    above, below = low > margin, high < margin
    if direction == "below":
        above, below = below, above
    return HOLDS if above else FAILS if below else OPEN


def all_of(verdicts: Iterable[str]) -> str:
    """The verdict of statements joined by "and".

    It holds if all hold; then it is no more often wrong than each of them (intersection-union
    test). It does not hold if one does not; that is up to as many times more often wrong as there
    are statements. No statements: not decided.
    """
    found = list(verdicts)
    if FAILS in found:
        return FAILS
    return HOLDS if found and all(verdict == HOLDS for verdict in found) else OPEN


def seeds_needed(interval: Interval, margin: float, direction: str, most: int = 100) -> int | None:
    """How many seeds would decide, were mean and spread to stay as they are.

    Args:
        interval: over two or more seeds, not decided yet.
        margin: of the statement.
        direction: likewise.
        most: where to stop.

    Returns:
        A rough number, more than there were; None where `most` would not do, or nothing is known
        of the spread.
    """
    if not interval.spreads:
        return None
    for n in range(interval.count + 1, most + 1):
        half = t_quantile(CONFIDENCE, n - 1) * interval.std / math.sqrt(n)
        wider = Interval(n, interval.mean, interval.std, interval.mean - half, interval.mean + half)
        if decide(wider, margin, direction) != OPEN:
            return n
    return None


def transformed(interval: Interval, function: Callable[[float], float]) -> Interval:
    """The same interval with its mean and ends on another, ascending scale; `std` stays."""
    return Interval(
        interval.count,
        function(interval.mean),
        interval.std,
        function(interval.low),
        function(interval.high),
    )
