"""Contractions: where a parameter is a kernel."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from cthulhu.usage._moving import handles, shape_of
from cthulhu.usage._recorder import Recorder
from cthulhu.usage._values import DATA, FIXED, Head, Kind, Product, Value, one_of, plainly
from cthulhu.usage._views import Dim, Piece, View, repeated

Dims = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Side:
    """One operand of a contraction."""

    value: Value
    shape: tuple[int, ...]
    contracted: Dims
    batch: Dims

    @property
    def free(self) -> Dims:
        """The dimensions that remain in the result."""
        taken = self.contracted + self.batch
        return tuple(at for at in range(len(self.shape)) if at not in taken)

    @property
    def is_fixed(self) -> bool:
        """Whether it is a matrix of the program's text, as that of an interpolation."""
        return self.value.kind is Kind.FIXED and not self.value.uniform


@handles("dot_general")
def dot_general(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """A product of arrays, some of whose dimensions are summed over."""
    contracted, batch = equation.params["dimension_numbers"]
    sides = [
        Side(value, shape_of(atom), tuple(contracted[at]), tuple(batch[at]))
        for at, (value, atom) in enumerate(zip(values, equation.invars, strict=True))
    ]
    return [product_of(recorder, sides)]


def product_of(recorder: Recorder, sides: list[Side]) -> Value:
    """What a contraction makes of two operands."""
    lhs, rhs = sides
    leaves = [side for side in sides if side.value.kind is Kind.LEAF]
    if not leaves:
        found = plainly(side.value for side in sides)
        if found.kind is Kind.DATA:
            for side in sides:
                recorder.lost(side.value.lost)
        return FIXED if found.uniform else found
    if len(leaves) == 2:
        return product_of_leaves(recorder, lhs, rhs)
    (leaf,) = leaves
    other = rhs if leaf is lhs else lhs
    if leaf.value.looked_up and not keeps_axes(leaf):
        recorder.as_activation(leaf.value)
        recorder.lost(other.value.lost)
        return DATA
    if other.value.kind is Kind.LOST:
        return plainly([leaf.value.used_up("dot_general"), other.value])
    if other.is_fixed:
        value = transformed(leaf, other, leaf is lhs)
        return dataclasses.replace(value, lost=value.lost | other.value.lost)
    if other.value.one_hot in other.contracted and len(leaf.contracted) == 1:
        return chosen(recorder, leaf, other, leaf is lhs)
    return kernel(recorder, leaf)


def keeps_axes(side: Side) -> bool:
    """Whether rows of a table are matrices, as those of experts: contracted, an axis remains.

    Rows that an input picks are no matrix together: whoever sums them mixes what they stand for.
    """
    view = side.value.views[0]
    inner = {axis for at in side.contracted for axis in view.dims[at].axes}
    inner -= view.looked_up if view.by_data else set()
    outer = {axis for at in side.free for axis in view.dims[at].axes}
    return bool(inner) and bool(outer - view.looked_up)


def product_of_leaves(recorder: Recorder, lhs: Side, rhs: Side) -> Value:
    """Two parameters: one may be rows of a table, or tokens; else it is a product of matrices."""
    for side, other in ((lhs, rhs), (rhs, lhs)):
        if side.value.looked_up:
            recorder.as_activation(side.value)
            if other.value.looked_up:
                recorder.as_activation(other.value)
                return DATA
            return kernel(recorder, other)
    if any(view.inner for side in (lhs, rhs) for view in side.value.views):
        return plainly(side.value.used_up("dot_general") for side in (lhs, rhs))
    simple = [is_simple(side) for side in (lhs, rhs)]
    if simple[0] != simple[1]:
        token, matrix = (rhs, lhs) if simple[0] else (lhs, rhs)
        recorder.as_activation(token.value)
        return kernel(recorder, matrix)
    if not (simple[0] and simple[1]):
        recorder.as_activation(lhs.value)
        recorder.as_activation(rhs.value)
        return DATA
    views = []
    for side in (lhs, rhs):
        (view,) = side.value.views
        inner = {axis for at in side.contracted for axis in view.dims[at].axes}
        dims = [
            *(view.dims[at] for at in side.batch),
            *(view.dims[at] if side is lhs else repeated(lhs.shape[at]) for at in lhs.free),
            *(view.dims[at] if side is rhs else repeated(rhs.shape[at]) for at in rhs.free),
        ]
        views.append(dataclasses.replace(view, dims=tuple(dims), inner=view.inner | inner))
    return Value(Kind.LEAF, one_of(views), lhs.value.lost | rhs.value.lost)


def is_simple(side: Side) -> bool:
    """Whether it is one parameter as it is, and so not what was made of tokens."""
    value = side.value
    return len(value.views) == 1 and not value.lost and not value.views[0].repeats


def transformed(leaf: Side, other: Side, first: bool) -> Value:
    """A parameter of which one axis was brought to another size, as a picture is."""
    if len(leaf.contracted) != 1 or len(other.free) != 1:
        return leaf.value.used_up("dot_general")
    (at,), size = leaf.contracted, other.shape[other.free[0]]

    def moved(view: View) -> View | None:
        axes = view.dims[at].axes
        if len(axes) != 1 or view.dims[at].span is not None:
            return None
        new = Dim((Piece(axes[0], size),))
        free = [view.dims[one] for one in leaf.free]
        batch = [view.dims[one] for one in leaf.batch]
        return view.with_dims([*batch, *free, new] if first else [*batch, new, *free])

    return leaf.value.with_views(map(moved, leaf.value.views), "dot_general")


def chosen(recorder: Recorder, leaf: Side, other: Side, first: bool) -> Value:
    """The rows of a table that one-hot vectors pick."""
    (at,) = leaf.contracted
    rows = [repeated(other.shape[one]) for one in other.free]

    def picked(view: View) -> View:
        axes = view.dims[at].axes
        if len(axes) == len(rows) == 1:
            rows[0] = Dim((Piece(axes[0], rows[0].size),))
        free = [view.dims[one] for one in leaf.free]
        batch = [view.dims[one] for one in leaf.batch]
        dims = (*batch, *free, *rows) if first else (*batch, *rows, *free)
        return dataclasses.replace(
            view, dims=dims, looked_up=view.looked_up | set(axes), place=recorder.noted()
        )

    return leaf.value.with_views(map(picked, leaf.value.views), "dot_general")


def kernel(recorder: Recorder, side: Side) -> Value:
    """A parameter was contracted with activations."""
    views = side.value.views
    if not side.contracted:
        recorder.meets(side.value, "scale")
        return DATA
    products = all((view.inner and not view.base) or view.smaller for view in views)
    if products and any(view.smaller == "bias" for view in views):
        # What has a bias is the output of a kernel, as learned queries are.
        recorder.meets(side.value, "token")
        return DATA
    if products:
        recorder.meets(side.value, "opaque", why="a product of parameters")
        return DATA
    heads = set()
    for view in views:
        if view.smaller == "scale":
            recorder.plain_use("scale", view)
            continue
        inputs, batch, outputs = (
            {axis for at in dims for axis in view.dims[at].axes}
            for dims in (side.contracted, side.batch, side.free)
        )
        if view.inner:
            inputs, outputs = (
                (inputs, outputs | view.inner) if inputs else (set(view.inner), outputs)
            )
        elif inputs:
            heads.add(Head(view.leaf, span_of(view, side.free)))
        if inputs:
            recorder.use("kernel", view, inputs, outputs, batch | recorder.apart(view))
        else:
            recorder.plain_use("bias" if view.smaller == "bias" else "scale", view)
    lost = (one for one in side.value.lost if one.leaf not in {view.leaf for view in views})
    recorder.lost(lost)
    return Value(Kind.DATA, heads=frozenset(heads))


@handles("ragged_dot_general")
def ragged_dot(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """A product with the matrices of groups, as experts: tokens lie in the order of the groups."""
    matrices = values[1]
    found = [recorder.as_activation(value) for value in (values[0], *values[2:])]
    numbers = equation.params["ragged_dot_dimension_numbers"]
    contracted, batch = (tuple(dims[1]) for dims in numbers.dot_dimension_numbers)
    groups = tuple(numbers.rhs_group_dimensions)
    if matrices.kind is not Kind.LEAF:
        return [plainly([*found, recorder.as_activation(matrices)])]
    shape = shape_of(equation.invars[1])
    return [kernel(recorder, Side(matrices, shape, contracted, (*batch, *groups)))]


def span_of(view: View, dims: Dims) -> tuple[int, int] | None:
    """The part of a concatenation that a kernel is, along its outputs."""
    return next((view.dims[at].span for at in dims if view.dims[at].span is not None), None)


def summed(recorder: Recorder, product: Product, equation: Any) -> Value:
    """A product that is summed over axes of the parameter: a contraction, written by hand."""
    view, axes = product.view, set(equation.params["axes"])
    key = view.leaf, product.place
    # A sum over the batch too, as of a loss, is no contraction.
    alone = any(not view.dims[at].axes for at in axes)
    if alone or recorder.deaf or key not in recorder.uses:
        return DATA
    del recorder.uses[key]
    left = set(range(len(view.dims))) - axes
    inputs, batch, outputs = (
        {axis for at in dims for axis in view.dims[at].axes}
        for dims in (axes, left & product.shared, left - product.shared)
    )
    batch |= recorder.apart(view)
    recorder.use("kernel", view, inputs, outputs, batch, place=product.place)
    return Value(Kind.DATA, heads=frozenset({Head(view.leaf)}))


@handles("conv_general_dilated")
def convolution(recorder: Recorder, values: Sequence[Value], equation: Any) -> list[Value]:
    """A convolution, of any layout, grouped, dilated or transposed."""
    image, weights = values
    if weights.kind is not Kind.LEAF:
        if image.is_leaf and weights.kind in (Kind.FIXED, Kind.LOST):
            return [image.used_up("conv_general_dilated")]
        return [plainly(map(recorder.as_activation, values))]
    if image.kind is Kind.LEAF:
        recorder.as_activation(image)
    else:
        recorder.lost(image.lost)
    params = equation.params
    outputs_at, inputs_at = params["dimension_numbers"].rhs_spec[:2]
    groups = params["feature_group_count"]
    heads = set()
    for view in weights.views:
        inputs = set(view.dims[inputs_at].axes)
        batch, outputs, left = grouped(view.dims[outputs_at], groups)
        if view.smaller == "scale" or (view.smaller and not inputs):
            recorder.plain_use("bias" if view.smaller == "bias" else "scale", view)
            continue
        heads.add(Head(view.leaf, view.dims[outputs_at].span))
        recorder.use("kernel", view, inputs, outputs, batch | recorder.apart(view), groups=left)
    known = {view.leaf for view in weights.views}
    recorder.lost(one for one in weights.lost if one.leaf not in known)
    return [Value(Kind.DATA, heads=frozenset(heads))]


def grouped(dim: Dim, groups: int) -> tuple[set[int], set[int], int]:
    """The axes of the outputs that number groups, the others, and the groups that are left."""
    pieces = list(dim.pieces)
    batch: set[int] = set()
    while len(pieces) > 1 and groups > 1 and groups % pieces[0].extent == 0:
        piece = pieces.pop(0)
        groups //= piece.extent
        if piece.axis is not None:
            batch.add(piece.axis)
    return batch, {piece.axis for piece in pieces if piece.axis is not None}, groups
