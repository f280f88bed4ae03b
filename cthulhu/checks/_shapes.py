"""Shapes, axes and counts."""

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from cthulhu._types import Option
from cthulhu.checks._traced import is_key, is_traced


def unordered(
    owner: str, low_name: str, low: Option, high_name: str, high: Option, *, strict: bool
) -> None:
    """Refuse `low` above `high`, and, if `strict`, `low` equal to `high`."""
    if is_traced(low) or is_traced(high):
        return
    if low > high or (strict and low == high):
        relation = "less than" if strict else "at most"
        raise ValueError(
            f"{owner}: {low_name} must be {relation} {high_name}; "
            f"got {low_name}={low!r} and {high_name}={high!r}"
        )


def shape(owner: str, value: Any) -> tuple[int, ...]:
    """A tuple of integers of at least 0."""
    if is_key(value) and value.dtype != np.uint32:
        raise TypeError(
            f"{owner}: shape must be a sequence of integers; got a PRNG key. "
            "The key comes first and the shape after it: (key, shape, dtype)"
        )
    if hasattr(value, "ndim") and hasattr(value, "dtype") and value.ndim != 1:
        one = f". For one dimension write ({value},)" if value.ndim == 0 else ""
        raise TypeError(
            f"{owner}: shape must be a sequence of integers; got an array of dtype {value.dtype} "
            f"and shape {tuple(value.shape)}{one if not is_traced(value) else ''}"
        )
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(
            f"{owner}: shape must be a sequence of integers; got {value!r} "
            f"of type {type(value).__name__}"
            + (
                f". For one dimension write ({value},)"
                if isinstance(value, int) and not isinstance(value, bool)
                else ""
            )
        )
    dims: list[int] = []
    for dim in value:
        if dim is None:
            raise ValueError(
                f"{owner}: every dimension of shape must be known; got {tuple(value)!r}. "
                "Replace None by the size"
            )
        try:
            size = operator.index(dim)
        except TypeError:
            raise TypeError(
                f"{owner}: every dimension of shape must be an integer; got {dim!r} "
                f"of type {type(dim).__name__} in {tuple(value)!r}"
            ) from None
        if size < 0:
            raise ValueError(
                f"{owner}: every dimension of shape must be at least 0; got {size} "
                f"in {tuple(value)!r}"
            )
        dims.append(size)
    return tuple(dims)


def rank(
    owner: str, value: tuple[int, ...], least: int, most: int | None = None, why: str = ""
) -> None:
    """Refuse a shape with less than `least` or more than `most` dimensions."""
    if len(value) < least or (most is not None and len(value) > most):
        if most is None:
            wanted = f"at least {least}"
        elif most == least:
            wanted = f"exactly {least}"
        else:
            wanted = f"{least} to {most}"
        raise ValueError(
            f"{owner}: shape must have {wanted} dimensions{why}; "
            f"got {value!r}, which has {len(value)}"
        )


def axes(owner: str, argument: str, value: Any, ndim: int) -> tuple[int, ...]:
    """Distinct axes of an array of rank `ndim`, counted from 0."""
    found: list[int] = []
    for axis in axis_tuple(owner, argument, value):
        if not -ndim <= axis < ndim:
            raise ValueError(
                f"{owner}: {argument} must name axes of a shape with {ndim} dimensions, "
                f"so from {-ndim} to {ndim - 1}; got {axis}"
            )
        found.append(axis % ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"{owner}: {argument} names an axis twice; got {value!r}")
    return tuple(found)


def whole(value: Any) -> int:
    """A Python integer; `True` counts nothing and names no axis."""
    if isinstance(value, bool | np.bool_):
        raise TypeError
    return operator.index(value)


def count(owner: str, argument: str, value: Any) -> int:
    """An integer of at least 1."""
    try:
        number = whole(value)
    except TypeError:
        raise TypeError(f"{owner}: {argument} must be an integer; got {value!r}") from None
    if number < 1:
        raise ValueError(f"{owner}: {argument} must be at least 1; got {number}")
    return number


def whole_or_none(owner: str, argument: str, value: Any) -> int | None:
    """An integer of at least 0, or none."""
    if value is None:
        return None
    try:
        number = whole(value)
    except TypeError:
        raise TypeError(f"{owner}: {argument} must be an integer or None; got {value!r}") from None
    if number < 0:
        raise ValueError(f"{owner}: {argument} must be at least 0; got {number}")
    return number


def axis_tuple(owner: str, argument: str, value: Any) -> tuple[int, ...]:
    """Axes as a tuple of integers, of whatever rank."""
    try:
        return (whole(value),)
    except TypeError:
        pass
    try:
        return tuple(map(whole, value))
    except TypeError:
        raise TypeError(
            f"{owner}: {argument} must be an integer or a sequence of integers; got {value!r}"
        ) from None
