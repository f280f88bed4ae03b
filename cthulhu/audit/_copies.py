"""Parameters that are copies of each other, as they are or scaled."""

from collections.abc import Iterable

import numpy as np

from cthulhu._types import HostArray

LOOKED_AT = 64  # Values that tell a copy; the order of the first of them finds it.
ORDERED = 16
LEAST = 8


def copies(
    samples: Iterable[tuple[str, int, HostArray]], tolerance: float = 1e-3
) -> dict[str, str]:
    """Of samples, those that repeat an earlier one.

    Args:
        samples: a name, the number of all values, and some of them, for each array. The
            places of the values depend on that number alone.
        tolerance: how far values may be apart, of the largest.

    Returns:
        For each name of a copy, what it is a copy of, in words.
    """
    known: dict[tuple[int, bytes], list[tuple[str, HostArray, float]]] = {}
    found: dict[str, str] = {}
    for name, count, sample in samples:
        values = sample.reshape(-1)[:LOOKED_AT].astype(np.float64)
        if values.size < LEAST or not np.isfinite(values).all():
            continue
        largest = values[np.argmax(np.abs(values))]
        if not largest or np.unique(values).size < LEAST:
            continue
        unit = values / largest
        place = (count, np.argsort(unit[:ORDERED], kind="stable").tobytes())
        for other, theirs, scale in known.get(place, ()):
            if np.abs(unit - theirs).max() < tolerance:
                by = largest / scale
                same = abs(by - 1) < tolerance
                found[name] = f"{other!r}" if same else f"{other!r}, times {by:.4g}"
                break
        else:
            known.setdefault(place, []).append((name, unit, float(largest)))
    return found
