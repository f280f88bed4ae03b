"""A parameter that was moved: which of its axes lie where in a value of the program.

A `View` says of each dimension of a value what it is made of: parts of axes of the
parameter, from the outermost to the innermost, and what is repeated. Each function here
moves a view as an operation of JAX moves the value; `None` says that the elements have
been mixed, so that no axis of the value is one of the parameter.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """A part of a dimension: of one axis of the parameter, or, with `None`, of a repetition."""

    axis: int | None
    extent: int


class Dim(NamedTuple):
    """One dimension of a value.

    The product of the pieces' extents is the size. Of a concatenation, the parameter is what
    lies within `span` alone.
    """

    pieces: tuple[Piece, ...]
    span: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """The number of elements along the dimension."""
        return math.prod(piece.extent for piece in self.pieces)

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of the parameter that lie here."""
        return tuple(piece.axis for piece in self.pieces if piece.axis is not None)


class Stripped(NamedTuple):
    """An axis of which the loop of some depth takes one layer after the other."""

    axis: int
    depth: int


class Taken(NamedTuple):
    """An axis of which the text of the program takes one layer, by its number."""

    axis: int
    number: int
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """Where the axes of a parameter lie in a value."""

    leaf: int
    dims: tuple[Dim, ...]
    looked_up: frozenset[int] = frozenset()
    """The axes from which rows were picked by an array of indices."""
    by_data: bool = False
    """Whether an input said which."""
    batched: frozenset[int] = frozenset()
    """The axes of tables, of each of which an index of its own picked rows."""
    place: tuple[int, ...] = ()
    """Where they were picked."""
    stripped: frozenset[Stripped] = frozenset()
    taken: frozenset[Taken] = frozenset()
    inner: frozenset[int] = frozenset()
    """The axes that another parameter was contracted with."""
    base: bool = False
    """Whether that product was added to a matrix of something else."""
    smaller: str = ""
    """What the parameter is to a larger one that it was combined with: a scale or a bias."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return tuple(dim.size for dim in self.dims)

    @property
    def repeats(self) -> bool:
        """Whether elements are repeated."""
        return any(
            piece.axis is None and piece.extent > 1 for dim in self.dims for piece in dim.pieces
        )

    @property
    def extent(self) -> frozenset[int]:
        """The dimensions along which it is not repeated."""
        return frozenset(at for at, dim in enumerate(self.dims) if dim.axes)

    def with_dims(self, dims: Sequence[Dim]) -> "View":
        """The same, with other dimensions."""
        return dataclasses.replace(self, dims=tuple(dims))


def whole(leaf: int, shape: Sequence[int]) -> View:
    """The parameter itself."""
    return View(leaf, tuple(Dim((Piece(axis, extent),)) for axis, extent in enumerate(shape)))


def repeated(extent: int) -> Dim:
    """A dimension along which nothing changes."""
    return Dim((Piece(None, extent),) if extent != 1 else ())


def transposed(view: View, order: Sequence[int]) -> View:
    """As `lax.transpose` moves it."""
    return view.with_dims([view.dims[at] for at in order])


def squeezed(view: View, dropped: Sequence[int]) -> View:
    """Without some dimensions of size 1."""
    return view.with_dims([dim for at, dim in enumerate(view.dims) if at not in dropped])


def broadcast(view: View, shape: Sequence[int], places: Sequence[int]) -> View:
    """As `lax.broadcast_in_dim` moves it."""
    dims = [repeated(extent) for extent in shape]
    for at, place in enumerate(places):
        if view.dims[at].size == shape[place]:
            dims[place] = view.dims[at]
    return view.with_dims(dims)


def tiled(view: View, times: Sequence[int]) -> View | None:
    """As `lax.tile` repeats the whole along its dimensions."""
    if any(dim.span is not None for dim, more in zip(view.dims, times, strict=True) if more > 1):
        return None
    return view.with_dims(
        [
            dim if more == 1 else Dim((Piece(None, more), *dim.pieces))
            for dim, more in zip(view.dims, times, strict=True)
        ]
    )


def fitted(view: View, shape: Sequence[int]) -> View:
    """As an operation on elements repeats a scalar, or a dimension of size 1."""
    return broadcast(view, shape, range(len(view.dims)))


def reshaped(view: View, shape: Sequence[int]) -> View | None:
    """As `lax.reshape` moves it."""
    if any(dim.span is not None for dim in view.dims):
        return spanned(view, shape)
    waiting = [piece for dim in view.dims for piece in dim.pieces][::-1]
    dims: list[Dim] = []
    for extent in shape:
        taken: list[Piece] = []
        needed = extent
        while needed != 1 and waiting:
            piece = waiting.pop()
            if needed % max(piece.extent, 1) == 0:
                taken.append(piece)
                needed //= max(piece.extent, 1)
            elif piece.extent % needed == 0:
                taken.append(Piece(piece.axis, needed))
                waiting.append(Piece(piece.axis, piece.extent // needed))
                # What was put back lies inside of what was taken.
                needed = 1
            else:
                return None
        if extent == 1 and waiting and waiting[-1].extent == 1:
            taken.append(waiting.pop())
        dims.append(Dim(tuple(taken)))
    return view.with_dims(dims)


def spanned(view: View, shape: Sequence[int]) -> View | None:
    """A reshape that leaves the dimensions of a concatenation as they are."""
    sizes, target = view.shape, tuple(shape)
    before = 0
    while before < min(len(sizes), len(target)) and sizes[before] == target[before]:
        before += 1
    after = 0
    while after < min(len(sizes), len(target)) - before and sizes[-1 - after] == target[-1 - after]:
        after += 1
    middle = view.dims[before : len(sizes) - after]
    if any(dim.span is not None for dim in middle):
        return None
    moved = reshaped(view.with_dims(middle), target[before : len(target) - after])
    if moved is None:
        return None
    return view.with_dims([*view.dims[:before], *moved.dims, *view.dims[len(sizes) - after :]])


def resized(dim: Dim, size: int) -> Dim | None:
    """A dimension of which a part is left, or which is one part of a larger one."""
    if size == dim.size:
        return dim
    if not dim.pieces:
        return repeated(size)
    inner = math.prod(piece.extent for piece in dim.pieces[1:])
    if inner == 0 or size % inner:
        return None
    return Dim((Piece(dim.pieces[0].axis, size // inner), *dim.pieces[1:]))


def in_shape(view: View, shape: Sequence[int]) -> View | None:
    """The same dimensions in other sizes: what one device holds, or all of them do."""
    dims = [resized(dim, size) for dim, size in zip(view.dims, shape, strict=True)]
    known = [dim for dim in dims if dim is not None]
    return view.with_dims(known) if len(known) == len(dims) else None


class Nothing:
    """What is left of a parameter where a slice holds none of its elements."""


NOTHING = Nothing()


def sliced(
    view: View,
    starts: Sequence[int],
    shape: Sequence[int],
    strides: Sequence[int] | None = None,
    *,
    named: bool = True,
) -> View | Nothing | None:
    """As `lax.slice` moves it; where the starts are not `named`, nobody knows which part it is."""
    dims: list[Dim] = []
    taken: set[Taken] = set()
    for at, (dim, start, size) in enumerate(zip(view.dims, starts, shape, strict=True)):
        if size == dim.size:
            dims.append(dim)
            continue
        stride = 1 if strides is None else strides[at]
        span = dim.span
        if span is not None:
            if stride != 1:
                return None
            low, high = max(span[0], start), min(span[1], start + size)
            if low >= high:
                return NOTHING
            span = None if (low, high) == (start, start + size) else (low - start, high - start)
        left = resized(dim, size)
        if left is None:
            return None
        if named and size == 1 and span is None and len(dim.pieces) == len(dim.axes) == 1:
            taken.add(Taken(dim.axes[0], start, dim.size))
        dims.append(left._replace(span=span))
    return dataclasses.replace(view.with_dims(dims), taken=view.taken | taken)


def placed(view: View, at: int, start: int, size: int) -> View | None:
    """Within a longer dimension: of a concatenation, or of what was padded."""
    dim = view.dims[at]
    low, high = (0, dim.size) if dim.span is None else dim.span
    longer = resized(dim, size)
    if longer is None:
        axes = dim.axes
        if len(axes) != 1:
            return None
        longer = Dim((Piece(axes[0], size),))
    dims = list(view.dims)
    dims[at] = longer._replace(span=(start + low, start + high))
    return view.with_dims(dims)


def layer(view: View, depth: int) -> View:
    """What a loop takes of the first dimension in each of its steps."""
    axes = {Stripped(axis, depth) for axis in view.dims[0].axes}
    return dataclasses.replace(view, dims=view.dims[1:], stripped=view.stripped | axes)
