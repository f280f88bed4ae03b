"""What a variable of the program is to the parameters."""

import dataclasses
import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cthulhu.usage._views import View, fitted

Place = tuple[int, ...]
"""An equation of a program: its number in its jaxpr, after those of the equations around it.

Of `cond`, the number of the branch stands between, and of `while`, 0 for its condition and 1
for its body.
"""


class Kind(enum.IntEnum):
    """What a value depends on, from the least to the most."""

    FIXED = 0
    """On the text of the program alone, or on random keys."""
    CAPTURED = 1
    """On an array that the function has captured, or on noise."""
    LOST = 2
    """On parameters, whose axes are no longer seen, as a sum has none."""
    LEAF = 3
    """It is a parameter that was moved, or several that were combined."""
    DATA = 4
    """On the inputs: it is an activation."""


class Lost(NamedTuple):
    """A parameter that was used up, and what did that."""

    leaf: int
    operation: str


class Head(NamedTuple):
    """A kernel of which an activation is the output, and the part of it, of a concatenation."""

    leaf: int
    span: tuple[int, int] | None = None


class Product(NamedTuple):
    """An activation that was multiplied by a parameter: summed, it is a contraction."""

    place: Place
    view: View
    shared: frozenset[int]
    """The dimensions along which the activation is not repeated."""


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """What a variable is to the parameters."""

    kind: Kind
    views: tuple[View, ...] = ()
    lost: frozenset[Lost] = frozenset()
    heads: frozenset[Head] = frozenset()
    """The kernels of which it is the output, as far as it is linear."""
    product: Product | None = None
    uniform: bool = False
    """Whether all elements of a fixed value are the same."""
    varies: int | None = None
    """Of a fixed value, the one dimension along which it counts: `iota`."""
    one_hot: int | None = None
    """The dimension along which a value is compared with all indices."""

    @property
    def looked_up(self) -> bool:
        """Whether it is rows of tables, which become activations where they meet some."""
        return self.kind is Kind.LEAF and all(view.looked_up for view in self.views)

    @property
    def is_leaf(self) -> bool:
        """Whether parameters are in it whose axes are seen, and not only rows of tables."""
        return self.kind is Kind.LEAF and not self.looked_up

    @property
    def extent(self) -> frozenset[int]:
        """The dimensions along which some parameter in it is not repeated."""
        return frozenset(at for view in self.views for at in view.extent)

    @property
    def repeats(self) -> bool:
        """Whether its elements are repeated; those of a product of parameters are not."""
        if len(self.views) == 1:
            return self.views[0].repeats
        shape, extent = self.views[0].shape, self.extent
        return any(size > 1 and at not in extent for at, size in enumerate(shape))

    def fitted(self, shape: Sequence[int]) -> "Value":
        """The value as an operand on elements whose result has this shape."""
        if self.kind is not Kind.LEAF:
            return self
        return dataclasses.replace(self, views=tuple(fitted(view, shape) for view in self.views))

    def with_views(self, views: Iterable[View | None], operation: str) -> "Value":
        """The value after an operation that moved its views; those that are `None` are lost."""
        moved = tuple(views)
        kept = tuple(view for view in moved if view is not None)
        lost = self.lost | {
            Lost(view.leaf, operation)
            for view, now in zip(self.views, moved, strict=True)
            if now is None
        }
        return Value(Kind.LEAF if kept else Kind.LOST, kept, frozenset(lost))

    def used_up(self, operation: str) -> "Value":
        """What is left after an operation that mixes the elements of a parameter."""
        mixed = {Lost(view.leaf, operation) for view in self.views}
        return Value(Kind.LOST, lost=self.lost | mixed)


FIXED = Value(Kind.FIXED)
UNIFORM = Value(Kind.FIXED, uniform=True)
CAPTURED = Value(Kind.CAPTURED)
DATA = Value(Kind.DATA)


def plainly(values: Iterable[Value]) -> Value:
    """What depends on all of these, none of which is a parameter whose axes are seen."""
    kind, lost = Kind.FIXED, frozenset[Lost]()
    uniform = True
    for value in values:
        kind, lost = max(kind, value.kind), lost | value.lost
        uniform = uniform and value.uniform
    if kind is Kind.DATA:
        return DATA
    if lost:
        return Value(Kind.LOST, lost=lost)
    return CAPTURED if kind is Kind.CAPTURED else UNIFORM if uniform else FIXED


def one_of(values: Iterable[View]) -> tuple[View, ...]:
    """The views, each once, in order."""
    return tuple(dict.fromkeys(values))
