"""Who gets what when there is not enough for all: places of a contest, and short pools. Exact.

Everything is whole numbers, every order is total (the applicant's id settles the last tie), so the
same claims always get the same fen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jinsuan.policy.columns import Column, Ints, Mask

_BITS = 62
"""A step of the division may use so many bits."""


def ordered(
    keys: Sequence[tuple[Column, bool]], rows: Ints, places: Ints, *, most: int | None = None
) -> Ints:
    """The rows from first to last.

    Args:
        keys: what counts first, second, …, and whether the larger goes first; unknown goes last.
        places: of every applicant, which settles ties.
        most: only so many are wanted.
    """
    if most is not None and keys:
        rows = _can_be_among(keys[0], rows, most)
    columns: list[Ints | Mask] = [places[rows]]
    for column, larger_first in reversed(keys):
        values = column.values[rows].astype(np.int64)
        columns.append(-values if larger_first else values)
        if column.missing is not None:
            columns.append(column.missing[rows])
    found: Ints = rows[np.lexsort(columns)]
    return found if most is None else found[:most]


def _can_be_among(key: tuple[Column, bool], rows: Ints, most: int) -> Ints:
    """Those whose first key is as good as that of the last one wanted; the others need no order."""
    column, larger_first = key
    known = rows if column.missing is None else rows[~column.missing[rows]]
    if not 0 < most < len(known):
        return rows
    values = column.values[known].astype(np.int64)
    values = -values if larger_first else values
    found: Ints = known[values <= np.partition(values, most - 1)[most - 1]]
    return found


def in_turn(claims: Ints, pool: int) -> tuple[Ints, int]:
    """Pay in this order until the pool is empty; the last one paid gets what is left.

    Returns:
        What each gets, and the place of the first claim that was not met in full (their number when
        all were).
    """
    room = np.int64(pool)
    # Any sum above the pool is as good as another, so sums may stop growing there: no overflow.
    met = np.minimum(_sums_to(claims, pool), room)
    before = np.concatenate([np.zeros(1, np.int64), met[:-1]])
    paid = np.minimum(claims, room - before)
    short = np.flatnonzero(paid < claims)
    return paid, int(short[0]) if len(short) else len(claims)


def _sums_to(claims: Ints, most: int) -> Ints:
    """Running sums, none above `most` + the largest claim, whatever the claims are."""
    clipped = np.minimum(claims, np.int64(most))
    if int(clipped.max(initial=0)) * len(clipped) <= 2**_BITS:
        return np.cumsum(clipped)
    total, sums = 0, []
    for claim in clipped.tolist():
        total = min(total + claim, most)
        sums.append(total)
    return np.array(sums, np.int64)


def pro_rata(claims: Ints, pool: int, places: Ints) -> Ints:
    """Share a pool in proportion to the claims, by largest remainder: the sum is exactly the pool.

    A claim is never exceeded; where all can be met, each gets its claim.

    Args:
        places: settle ties between equal remainders; the lower one gets the fen.
    """
    total = exact_sum(claims)
    if total <= pool:
        return claims.copy()
    if total.bit_length() >= _BITS - 1:
        quotient, rest = _divided_slowly(claims, pool, total)
    else:
        quotient, rest = _divided(claims, pool, total)
    left = pool - exact_sum(quotient)
    if left:
        # The largest `left` remainders; at the edge the lower places.
        edge = np.partition(rest, len(rest) - left)[len(rest) - left]
        above = rest > edge
        ties = np.flatnonzero(rest == edge)
        ties = ties[np.argsort(places[ties], kind="stable")]
        quotient[above] += 1
        quotient[ties[: left - int(np.count_nonzero(above))]] += 1
    return quotient


def _divided(claims: Ints, pool: int, total: int) -> tuple[Ints, Ints]:
    """Quotient and remainder of claims * pool / total, without a product that leaves 64 bits.

    Long division: the pool comes in digits of as many bits as there is room for beside the total.
    """
    bits = _BITS - total.bit_length()
    quotient, rest = np.zeros(len(claims), np.int64), np.zeros(len(claims), np.int64)
    for digit in _digits(pool, bits):
        upper = (rest << np.int64(bits)) + claims * np.int64(digit)
        # Nothing is below nought here, and NumPy divides twice as fast without signs.
        step = (upper.view(np.uint64) // np.uint64(total)).view(np.int64)
        rest = upper - step * np.int64(total)
        quotient = (quotient << np.int64(bits)) + step
    return quotient, rest


def _digits(number: int, bits: int) -> list[int]:
    found = []
    while number:
        found.append(number & ((1 << bits) - 1))
        number >>= bits
    return found[::-1]


def _divided_slowly(claims: Ints, pool: int, total: int) -> tuple[Ints, Ints]:
    """The remainders may leave 64 bits; their order is all that counts, so ranks stand for them."""
    pairs = [divmod(claim * pool, total) for claim in claims.tolist()]
    ranks = {rest: rank for rank, rest in enumerate(sorted({rest for _, rest in pairs}))}
    quotient = np.array([q for q, _ in pairs], np.int64)
    return quotient, np.array([ranks[rest] for _, rest in pairs], np.int64)


def exact_sum(values: Ints) -> int:
    """The sum, also where it leaves 64 bits."""
    if not len(values):
        return 0
    largest = max(abs(int(values.max())), abs(int(values.min())))
    if largest * len(values) < 2**_BITS:
        return int(values.sum())
    high, low = values >> np.int64(32), values & np.int64(2**32 - 1)
    return (int(high.sum()) << 32) + int(low.sum())
