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


def targets_of(
    targets: Targets, paths: Sequence[str], roles: Mapping[str, str]
) -> dict[str, Target]:
    """The target of each parameter that has a layer: of the first expression that matches it.

    Args:
        targets: what the user asks for.
        paths: the parameters that have layers.
        roles: all parameters, and what each is.

    Raises:
        ValueError: a target is no standard deviation; an expression matches nothing, or asks for
            something of what has no output.
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
    every = list(roles)
    for pattern, value in reversed(list(targets.items())):
        matched = [every[at] for at in matching(f"{OWNER}: targets", pattern, every)]
        named = [path for path in matched if path in found]
        # What has no output is left alone anyway.
        if not named and value is not None:
            raise ValueError(
                f"{OWNER}: targets names {pattern!r}, but what it matches has no output that is "
                f"measured: the role of {matched[0]!r} is {roles[matched[0]]!r}"
            )
        target = Target(None if value is None else stddevs(pattern, value), named=True)
        found.update(dict.fromkeys(named, target))
    return found


def target_of(members: Sequence[str], asked: Mapping[str, Target]) -> Target:
    """The target of an output that some parameters make up together: that of those named.

    Raises:
        ValueError: they have different ones.
    """
    named = [path for path in members if asked[path].named] or members
    first = asked[named[0]]
    for path in named[1:]:
        pair = [None if one is None else one.tolist() for one in (first.stddev, asked[path].stddev)]
        if pair[0] != pair[1]:
            raise ValueError(
                f"{OWNER}: {named[0]!r} and {path!r} make up one output together, which has one "
                f"target; targets has {pair[0]} and {pair[1]}"
            )
    return first


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


def for_slices(
    path: str, target: HostArray, sizes: Sequence[int], parts: Sequence[int] = ()
) -> HostArray:
    """The targets of all slices of a parameter, and of all parts that have a number.

    Raises:
        ValueError: there are more or fewer than slices.
    """
    try:
        return np.broadcast_to(target, (*sizes, *parts)).copy()
    except ValueError:
        slices = f"slices {(*sizes, *parts)}" if (*sizes, *parts) else "no slices"
        raise ValueError(
            f"{OWNER}: the targets of {path!r} have the shape {target.shape}; it has {slices}"
        ) from None
