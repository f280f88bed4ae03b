"""What users ask for: the standard deviation that the output of each layer shall have."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from cthulhu import checks
from cthulhu._types import HostArray
from cthulhu.params._patterns import matching

OWNER = "calibrate"

Targets: TypeAlias = float | Mapping[str, Any]
"""A standard deviation for all layers; or one by path, `None` for a layer to be left alone."""


class Target(NamedTuple):
    """What is asked of one layer."""

    stddev: HostArray | None
    """One, or one for each slice of its parameter; `None` if it shall stay as it is."""
    named: bool
    """Whether a regular expression has named it."""


EVERY = Target(np.ones((), np.float32), named=False)


def targets_of(targets: Targets, paths: Sequence[str]) -> dict[str, Target]:
    """The target of each parameter that has a layer: of the first expression that matches it.

    Raises:
        ValueError: a target is no standard deviation, or an expression matches nothing.
        TypeError: `targets` are neither a number nor a mapping.
    """
    if not isinstance(targets, Mapping):
        try:
            stddev = checks.positive(OWNER, "targets", targets)
        except TypeError:
            raise TypeError(
                f"{OWNER}: targets must be the standard deviation of all outputs, or a mapping of "
                f"path regexes to standard deviations and None; got {targets!r} of type "
                f"{type(targets).__name__}"
            ) from None
        return dict.fromkeys(paths, Target(np.asarray(stddev, np.float32), named=False))
    found = dict.fromkeys(paths, EVERY)
    for pattern, value in reversed(list(targets.items())):
        named = matching(f"{OWNER}: targets", pattern, paths)
        target = Target(None if value is None else stddevs(pattern, value), named=True)
        found.update(dict.fromkeys((paths[at] for at in named), target))
    return found


def stddevs(pattern: str, value: Any) -> HostArray:
    """One standard deviation, or one for each slice."""
    try:
        array = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        array = np.asarray(np.nan, np.float32)
    if not (np.isfinite(array) & (array > 0)).all() or isinstance(value, bool):
        raise ValueError(
            f"{OWNER}: targets[{pattern!r}] must be a standard deviation above 0, an array of "
            f"one for each slice of a stacked parameter, or None; got {value!r}"
        )
    return array


def for_slices(path: str, target: HostArray, sizes: tuple[int, ...]) -> HostArray:
    """The targets of all slices of a parameter.

    Raises:
        ValueError: there are more or fewer than slices.
    """
    try:
        return np.broadcast_to(target, sizes).copy()
    except ValueError:
        slices = f"slices {sizes}" if sizes else "no slices"
        raise ValueError(
            f"{OWNER}: the targets of {path!r} have the shape {target.shape}; it has {slices}"
        ) from None
