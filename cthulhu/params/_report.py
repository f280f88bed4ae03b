"""What `verify` finds."""

import dataclasses
from typing import Any

import numpy as np

from cthulhu._types import HostArray
from cthulhu.trees import Path, join
from cthulhu.views import Grid, View, counted

Index = tuple[slice, ...]
"""Where a part of an array is."""


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """A parameter whose values are not those of the plan.

    Args:
        path: the path of the parameter, joined by slashes.
        reason: what is wrong.
        index: where, if a value is.
        expected: the value that the plan makes.
        found: the value that is there.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import verify
        >>> report = verify({"bias": np.float32([0, 7])}, 0, {"bias": "zeros"})
        >>> report.mismatches[0].index
        (1,)
    """

    path: str
    reason: str
    index: tuple[int, ...] | None = None
    expected: Any = None
    found: Any = None


@dataclasses.dataclass(frozen=True)
class Report(View):
    """What `verify` found: true if every value it looked at is right.

    Args:
        checked: the number of parameters in the plan.
        elements: the number of values that were compared.
        mismatches: what is not as planned.

    Example:
        >>> import numpy as np
        >>> from cthulhu.params import verify
        >>> report = verify({"bias": np.zeros(3, np.float32)}, 0, {"bias": "zeros"})
        >>> bool(report), report.elements
        (True, 3)
    """

    checked: int
    elements: int
    mismatches: tuple[Mismatch, ...]

    def __bool__(self) -> bool:
        """Whether nothing was wrong."""
        return not self.mismatches

    def raise_if_wrong(self) -> None:
        """Raise an error that lists what was wrong, if anything was.

        Raises:
            ValueError: a parameter's values are not those of the plan.
        """
        if self.mismatches:
            lines = "\n".join(f"  {m.path}: {m.reason}" for m in self.mismatches[:20])
            raise ValueError(
                f"verify: {len(self.mismatches)} of {self.checked} parameters are not as planned:"
                f"\n{lines}"
            )

    def _grid(self) -> Grid:
        names = [field.name for field in dataclasses.fields(Mismatch)]
        return Grid(
            f"{counted(self.checked, 'parameter', 'parameters')}, "
            f"{counted(self.elements, 'element', 'elements')}: "
            + ("all as planned" if self else f"{len(self.mismatches):,} wrong"),
            names,
            [
                ["" if getattr(m, name) is None else str(getattr(m, name)) for name in names]
                for m in self.mismatches
            ],
            [],
        )


def difference(path: Path, index: Index, expected: HostArray, actual: HostArray) -> Mismatch | None:
    """The first element that differs, bit by bit."""
    if expected.tobytes() == actual.tobytes():  # Faster than to look at each element.
        return None
    wrong = np.any(bytes_of(expected) != bytes_of(actual), axis=-1)
    first = tuple(map(int, np.unravel_index(int(np.argmax(wrong)), wrong.shape)))
    place = tuple(s.start + offset for s, offset in zip(index, first, strict=True))
    share = float(np.mean(wrong))
    return Mismatch(
        join(path),
        f"{share:.3%} of the elements looked at differ, the first at {place}",
        place,
        expected[first].item() if expected.dtype.kind in "fiuc" else str(expected[first]),
        actual[first].item() if actual.dtype.kind in "fiuc" else str(actual[first]),
    )


def bytes_of(array: HostArray) -> HostArray:
    """The bytes of each element, along one more axis."""
    array = np.asarray(array)
    flat = np.ascontiguousarray(array).view(np.uint8)
    return flat.reshape(*array.shape, array.dtype.itemsize)
