"""Operations on elements: sums are biases, products scales."""

import dataclasses
from collections.abc import Sequence

from cthulhu.usage._recorder import Recorder
from cthulhu.usage._usage import Role
from cthulhu.usage._values import (
    Kind,
    Lost,
    Product,
    Value,
    one_of,
    plainly,
)
from cthulhu.usage._views import View

SUMS = frozenset({"add", "sub", "add_any"})
PRODUCTS = frozenset({"mul", "div"})

# These keep what the output of a kernel is, up to a constant.
LINEAR = frozenset(
    {"copy", "convert_element_type", "reduce_precision", "neg", "copy_p", "name"}
    | {"sharding_constraint", "optimization_barrier", "device_put", "layout_constraint"}
    | {"psum", "psum2", "psum_invariant", "pvary", "pcast", "pbroadcast", "reshard"}
    | {"real", "imag", "conj"}
)

# fmt: off
OTHERS = frozenset({
    "abs", "acos", "acosh", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil",
    "clamp", "complex", "cos", "cosh", "digamma", "eq", "erf", "erf_inv", "erfc", "exp",
    "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le", "lgamma", "log",
    "log1p", "logistic", "lt", "max", "min", "ne", "nextafter", "not", "or", "pow", "rem",
    "round", "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh",
    "xor", "shift_left", "shift_right_arithmetic", "shift_right_logical", "stop_gradient",
    "eq_to",
})
# fmt: on

ELEMENTWISE = SUMS | PRODUCTS | LINEAR | OTHERS


def elementwise(recorder: Recorder, values: Sequence[Value], shape: Sequence[int]) -> Value:
    """What an operation on elements makes of its operands."""
    name = recorder.operation
    # Scalars, and dimensions of size 1, are repeated unasked.
    values = [value.fitted(shape) for value in values]
    leaves = [value for value in values if value.kind is Kind.LEAF]
    if not leaves:
        return without_leaves(recorder, name, values)
    others = [
        value
        for at, value in enumerate(values)
        if value.kind is not Kind.LEAF and not is_number(recorder, at, values)
    ]
    if name in SUMS and len(leaves) == 1 and is_adapter(leaves[0], others):
        views = (dataclasses.replace(view, base=True) for view in leaves[0].views)
        return Value(Kind.LEAF, tuple(views), leaves[0].lost)
    if any(value.kind is Kind.DATA for value in others):
        return met(recorder, name, values)
    if any(value.kind is Kind.CAPTURED for value in others) and any(
        value.repeats for value in leaves
    ):
        return met(recorder, name, values)  # Captured data has the axes of a batch.
    lost = frozenset(one for value in values for one in value.lost)
    if len(leaves) == 1:
        return Value(Kind.LEAF, leaves[0].views, lost)
    if any(value.looked_up for value in leaves):
        return met(recorder, name, values)
    return combined(name, leaves, lost)


def is_number(recorder: Recorder, at: int, values: Sequence[Value]) -> bool:
    """Whether an operand is none of the elements: a factor of matrices, or what chooses."""
    number = not recorder.operand_shape(at)
    if recorder.operation == "select_n" and at == 0:
        # One flag, or flags between parameters, as a mapped `cond` has them.
        return number or all(value.kind is Kind.LEAF for value in values[1:])
    factor = number and recorder.operation in PRODUCTS
    return factor and all(len(one.extent) > 1 for one in values if one.kind is Kind.LEAF)


def is_adapter(leaf: Value, others: Sequence[Value]) -> bool:
    """Whether it is a product of parameters that is added to a matrix: LoRA on a frozen kernel."""
    return (
        all(view.inner for view in leaf.views)
        and not leaf.repeats
        and all(other.kind in (Kind.DATA, Kind.CAPTURED) and not other.heads for other in others)
    )


def without_leaves(recorder: Recorder, name: str, values: Sequence[Value]) -> Value:
    """What depends on no parameter whose axes are seen."""
    found = plainly(values)
    if found.kind is Kind.DATA:
        for value in values:
            recorder.lost(value.lost)
        if name in SUMS or name in LINEAR:
            heads = frozenset(head for value in values for head in value.heads)
            one_hot = values[0].one_hot if len(values) == 1 else None
            if heads or one_hot is not None:
                return Value(Kind.DATA, heads=heads, one_hot=one_hot)
        elif name in PRODUCTS and all(value.uniform or value.heads for value in values):
            return Value(Kind.DATA, heads=frozenset(one for value in values for one in value.heads))
    if name == "eq":
        counting = [value.varies for value in values if value.varies is not None]
        if len(counting) == 1 and found.kind is not Kind.LOST:
            return Value(found.kind, one_hot=counting[0])
    if found.kind is Kind.FIXED and len(values) == 1 and name == "convert_element_type":
        return values[0]
    return found


def met(recorder: Recorder, name: str, values: Sequence[Value]) -> Value:
    """Parameters have met the activations, or rows of tables each other."""
    heads = frozenset(head for value in values for head in value.heads)
    product = None
    for at, value in enumerate(values):
        role, why = role_of(name, at)
        kernels = heads if role == "bias" else ()
        recorder.meets(value, role, kernels, why)
        if name == "mul" and len(value.views) == 1 and not value.looked_up:
            sizes = enumerate(recorder.operand_shape(1 - at))
            shared = frozenset(dim for dim, size in sizes if size > 1)
            product = Product(recorder.place, value.views[0], shared)
    return Value(Kind.DATA, heads=heads if name in SUMS else frozenset(), product=product)


def role_of(name: str, operand: int) -> tuple[Role, str]:
    """What an operand of an operation is, and what is said of it if it is nothing known."""
    if name in SUMS:
        return "bias", ""
    if name in PRODUCTS:
        return "scale", ""
    if name == "select_n" and operand > 0:
        return "token", ""
    return "opaque", name


def combined(name: str, leaves: Sequence[Value], lost: frozenset[Lost]) -> Value:
    """Parameters that were combined: the smaller are scales or biases of the larger."""
    smaller = "bias" if name in SUMS else "scale"
    views: list[View] = []
    for value in leaves:
        others = [other.extent for other in leaves if other is not value]
        for view in value.views:
            # Another extends along all of its dimensions, and more.
            within = any(view.extent < extent for extent in others)
            marked = within and not view.inner and not view.smaller
            views.append(dataclasses.replace(view, smaller=smaller) if marked else view)
    return Value(Kind.LEAF, one_of(views), lost)
