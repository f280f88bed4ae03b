"""Operations that move elements, and those that pick some: what they make of views."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from cthulhu import compat
from cthulhu.usage import _views as views
from cthulhu.usage._recorder import Recorder
from cthulhu.usage._values import CAPTURED, DATA, FIXED, UNIFORM, Kind, Value, plainly
from cthulhu.usage._views import NOTHING, Dim, Piece, Stripped, View, repeated

Dims = tuple[int, ...]
Handler = Callable[[Recorder, Sequence[Value], "compat.JaxprEqn"], list[Value]]

HANDLERS: dict[str, Handler] = {}
"""What handles an operation, by its name."""


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register what handles operations of these names."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register


def shape_of(atom: "compat.Atom") -> tuple[int, ...]:
    """The shape of a variable or a literal."""
    return tuple(compat.aval_of(atom).shape)


def moved(value: Value, operation: str, move: Callable[[View], View | None]) -> Value:
    """A value after its elements were moved; the output of a kernel stays one."""
    if value.kind is Kind.LEAF:
        return value.with_views(map(move, value.views), operation)
    if value.kind is Kind.DATA:
        return Value(Kind.DATA, heads=value.heads) if value.heads else DATA
    if value.kind is Kind.FIXED:
        return UNIFORM if value.uniform else FIXED
    return value


@handles("transpose")
def transpose(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Other orders of dimensions."""
    order = equation.params["permutation"]
    return [moved(values[0], "transpose", lambda view: views.transposed(view, order))]


@handles("squeeze")
def squeeze(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Fewer dimensions."""
    dropped = equation.params["dimensions"]
    return [moved(values[0], "squeeze", lambda view: views.squeezed(view, dropped))]


@handles("reshape")
def reshape(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Dimensions that are split and merged."""
    shape, order = shape_of(equation.outvars[0]), equation.params["dimensions"]

    def move(view: View) -> View | None:
        return views.reshaped(view if order is None else views.transposed(view, order), shape)

    return [moved(values[0], "reshape", move)]


@handles("broadcast_in_dim")
def broadcast(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Repetition."""
    shape, places = equation.params["shape"], equation.params["broadcast_dimensions"]
    value = values[0]
    if not shape_of(equation.invars[0]) and value.kind is Kind.FIXED:
        return [UNIFORM]
    if value.varies is not None or value.one_hot is not None:
        return [
            dataclasses.replace(
                value,
                varies=None if value.varies is None else places[value.varies],
                one_hot=None if value.one_hot is None else places[value.one_hot],
            )
        ]
    return [moved(value, "broadcast", lambda view: views.broadcast(view, shape, places))]


@handles("tile")
def tile(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Repetition of the whole."""
    return [moved(values[0], "tile", lambda view: views.tiled(view, equation.params["reps"]))]


@handles("rev")
def reverse(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """The other way round."""
    return [moved(values[0], "rev", lambda view: view)]


@handles("iota")
def iota(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Counting."""
    return [Value(Kind.FIXED, varies=equation.params["dimension"])]


@handles("slice")
def slice_(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """A part that the text of the program names."""
    params = equation.params
    shape = shape_of(equation.outvars[0])
    return [part(values[0], params["start_indices"], shape, params["strides"])]


@handles("split")
def split(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Several parts along a dimension."""
    axis, start, found = equation.params["axis"], 0, []
    for out in equation.outvars:
        shape = shape_of(out)
        starts = [start if at == axis else 0 for at in range(len(shape))]
        found.append(part(values[0], starts, shape, None))
        start += shape[axis]
    return found


def part(
    value: Value,
    starts: Sequence[int],
    shape: Sequence[int],
    strides: Sequence[int] | None,
    *,
    named: bool = True,
) -> Value:
    """A slice of a value."""
    if value.kind is not Kind.LEAF:
        return moved(value, "slice", lambda view: view)
    left = [views.sliced(view, starts, shape, strides, named=named) for view in value.views]
    present = [(old, new) for old, new in zip(value.views, left, strict=True) if new is not NOTHING]
    if not present:
        return FIXED
    kept = dataclasses.replace(value, views=tuple(old for old, _ in present))
    return kept.with_views([new for _, new in present], "slice")  # type: ignore[misc]


@handles("dynamic_slice")
def dynamic_slice(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """A part whose place is computed: in a loop, often one layer after the other."""
    operand, *starts = values
    shape, before = shape_of(equation.outvars[0]), shape_of(equation.invars[0])
    if operand.kind is not Kind.LEAF:
        return [plainly([moved(operand, "slice", lambda view: view), *map(plain, starts)])]
    if any(dim.span is not None for view in operand.views for dim in view.dims):
        return [operand.used_up("dynamic_slice")]
    chosen = [
        at
        for at, (size, whole) in enumerate(zip(shape, before, strict=True))
        if size == 1 < whole and not hasattr(equation.invars[1 + at], "val")
    ]
    value = part(operand, [0] * len(shape), shape, None, named=False)
    picks = any(starts[at].kind is Kind.DATA for at in chosen)
    if not (picks or recorder.loops) or value.kind is not Kind.LEAF:
        return [value]
    if picks:
        return [value.with_views([one_row(recorder, view, chosen) for view in value.views], "")]
    depth = len(recorder.loops) - 1
    found = []
    for view in value.views:
        axes = {Stripped(axis, depth) for at in chosen for axis in view.dims[at].axes}
        dims = [Dim(()) if at in chosen else dim for at, dim in enumerate(view.dims)]
        found.append(dataclasses.replace(view, dims=tuple(dims), stripped=view.stripped | axes))
    return [dataclasses.replace(value, views=tuple(found))]


def one_row(recorder: Recorder, view: View, chosen: Sequence[int]) -> View:
    """The row of a table that an input picks."""
    axes = {axis for at in chosen for axis in view.dims[at].axes}
    dims = tuple(Dim(()) if at in chosen else dim for at, dim in enumerate(view.dims))
    return dataclasses.replace(
        view, dims=dims, looked_up=view.looked_up | axes, place=recorder.noted()
    )


def plain(value: Value) -> Value:
    """A value of which only that counts what it depends on."""
    return plainly([value]) if value.kind is not Kind.LEAF else value.used_up("index")


@handles("concatenate")
def concatenate(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Side by side, along a dimension that there is."""
    at, shape = equation.params["dimension"], shape_of(equation.outvars[0])
    sizes = [shape_of(atom)[at] for atom in equation.invars]
    return [beside(recorder, values, at, sizes, shape[at])]


@handles("stack")
def stack(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Side by side, along a new dimension."""
    at = equation.params["axis"]

    def opened(view: View) -> View:
        return view.with_dims([*view.dims[:at], repeated(1), *view.dims[at:]])

    now, count = [moved(value, "stack", opened) for value in values], len(values)
    return [beside(recorder, now, at, [1] * count, count)]


@handles("unstack")
def unstack(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Taken apart along a dimension, which is then gone."""
    axis, shape = equation.params["axis"], list(shape_of(equation.invars[0]))
    length, shape[axis] = shape[axis], 1
    found = []
    for at in range(length):
        one = part(values[0], [at if dim == axis else 0 for dim in range(len(shape))], shape, None)
        found.append(moved(one, "unstack", lambda view: views.squeezed(view, [axis])))
    return found


def beside(
    recorder: Recorder, values: Sequence[Value], at: int, sizes: Sequence[int], total: int
) -> Value:
    """Values beside each other along a dimension: among activations, a parameter is a token."""
    if not any(value.kind is Kind.LEAF for value in values):
        for value in values:
            recorder.lost(value.lost if plainly(values).kind is Kind.DATA else ())
        return plainly(values)
    fixed = all(value.kind < Kind.LEAF or value.is_leaf for value in values)
    if not fixed or any(value.kind is Kind.CAPTURED for value in values):
        for value in values:
            recorder.as_activation(value)
        return DATA
    found: list[View | None] = []
    before: list[View] = []
    start = 0
    for value, size in zip(values, sizes, strict=True):
        for view in value.views:
            before.append(view)
            found.append(views.placed(view, at, start, total))
        start += size
    lost = frozenset(one for value in values for one in value.lost)
    return Value(Kind.LEAF, tuple(before), lost).with_views(found, "concatenate")


@handles("pad")
def pad(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Within a frame of one value."""
    value, frame = values
    if value.kind is not Kind.LEAF or frame.kind is not Kind.FIXED:
        return [plainly(map(recorder.as_activation, values))]
    config, shape = equation.params["padding_config"], shape_of(equation.outvars[0])

    def within(view: View) -> View | None:
        for at, (low, high, interior) in enumerate(config):
            if interior or low < 0 or high < 0:
                return None
            if low or high:
                padded = views.placed(view, at, low, shape[at])
                if padded is None:
                    return None
                view = padded
        return view

    return [moved(value, "pad", within)]


@handles("gather")
def gather(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Rows that indices pick."""
    operand, indices = values
    if operand.kind is not Kind.LEAF:
        return [plainly([operand, plain(indices)])]
    if indices.kind is Kind.LEAF:
        recorder.meets(indices, "opaque", why="an index")
    numbers = equation.params["dimension_numbers"]
    sizes = equation.params["slice_sizes"]
    out = shape_of(equation.outvars[0])
    fixed = indices.kind is not Kind.DATA

    def rows(view: View) -> View | None:
        return picked(recorder, view, numbers, sizes, out, fixed)

    return [operand.with_views(map(rows, operand.views), "gather")]


def picked(
    recorder: Recorder, view: View, numbers: Any, sizes: Sequence[int], out: Dims, fixed: bool
) -> View | None:
    """The rows of a view that indices pick: a new dimension for each of those of the indices."""
    if any(dim.span is not None for dim in view.dims):
        return None
    batching = tuple(numbers.operand_batching_dims)
    gone = {*numbers.collapsed_slice_dims, *batching}
    chosen = [at for at in numbers.start_index_map if sizes[at] < view.dims[at].size]
    remaining = [at for at in range(len(view.dims)) if at not in gone]
    dims = [repeated(size) for size in out]
    for place, at in zip(numbers.offset_dims, remaining, strict=True):
        left = views.resized(view.dims[at], sizes[at])
        if left is None:
            return None
        dims[place] = left
    rows = [at for at in range(len(out)) if at not in numbers.offset_dims]
    # Each of several tables has indices of its own.
    each = [rows[at] for at in numbers.start_indices_batching_dims]
    for place, at in zip(each, batching, strict=True):
        dims[place] = view.dims[at]
    batched = {axis for at in batching for axis in view.dims[at].axes}
    rows = [at for at in rows if at not in each]
    axes = {axis for at in chosen for axis in view.dims[at].axes}
    if not rows and fixed:  # One index, which is as good as a slice.
        return view.with_dims(dims)
    if len(axes) == 1 and len(rows) == 1:
        dims[rows[0]] = Dim((Piece(next(iter(axes)), out[rows[0]]),))
    return dataclasses.replace(
        view,
        dims=tuple(dims),
        looked_up=view.looked_up | axes,
        by_data=view.by_data or not fixed,
        batched=view.batched | batched,
        place=recorder.noted(),
    )


@handles("all_gather", "all_gather_invariant")
def all_gather(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """The parts of all devices, within `shard_map`."""
    params, shape = equation.params, shape_of(equation.outvars[0])
    if params["tiled"]:
        return [moved(values[0], "all_gather", lambda view: views.in_shape(view, shape))]
    at = params["all_gather_dimension"]

    def with_devices(view: View) -> View:
        return view.with_dims([*view.dims[:at], repeated(shape[at]), *view.dims[at:]])

    return [moved(values[0], "all_gather", with_devices)]


@handles("random_wrap", "random_fold_in", "random_split", "random_seed")
def keys(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Keys are no activations."""
    return [FIXED] * len(equation.outvars)


@handles("random_bits")
def random(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """Noise on a parameter leaves it one; noise of each example is as good as data."""
    return [CAPTURED]
