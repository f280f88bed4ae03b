"""Elementwise draws that were traced, as laws.

An element of such a draw depends on the key and its flat index alone, so leaves
of all shapes with one law can share one program. A `Traced` law is a draw in
normal form; the scale that ends it is its scalar.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from cthulhu._types import Aval, HostArray, HostNumber, Number
from cthulhu.laws import Law
from cthulhu.tracing import _derivation as derivation
from cthulhu.tracing._graph import Equation, Literal, Params, Ref
from cthulhu.tracing._law import Instruction, Operand, Traced
from cthulhu.tracing._parts import Component, is_delicate

# The shape of the values changes, but neither their number nor their order.
RESHAPES = {"reshape", "squeeze", "expand_dims", "broadcast_in_dim", "copy", "stop_gradient"}

ELEMENTWISE = {
    *("add", "sub", "mul", "div", "neg", "max", "min", "clamp", "select_n", "sign", "abs"),
    *("sqrt", "log", "log1p", "exp", "erf", "erf_inv", "nextafter", "square", "pow"),
    *("integer_pow", "sin", "cos", "tan", "is_finite", "floor"),
    "optimization_barrier",
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "not"),
    *("shift_left", "shift_right_logical", "convert_element_type", "bitcast_convert_type"),
}

# XLA may change the order of these.
PRODUCTS = {"mul", "div", "neg"}


class TracedDraw(NamedTuple):
    """A draw that was found in a traced program: a law, and the values that make it one leaf's."""

    law: Law
    keys: tuple[int, ...]
    scalars: tuple[Number, ...]
    shape: tuple[int, ...]  # Before any reshape.
    label: str = ""  # What an initializer of this library calls itself.


def fold(equation: Equation, operands: Sequence[HostNumber | None]) -> HostNumber | None:
    """The value of an equation between constant scalars, if it is exact; else `None`."""
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    name = equation.name
    if name in RESHAPES:
        return known[0]
    if name == "convert_element_type":
        return scalar_of(np.asarray(known[0]).astype(equation.params["new_dtype"]))
    rule = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}.get(name)
    if rule is None or not all(map(is_real, known)):
        return np.sqrt(known[0]) if name == "sqrt" and is_real(known[0]) else None
    with np.errstate(all="ignore"):
        left, right = known
        result: HostNumber = rule(left, right)
        return result


def keeps_order(equation: Equation, avals: Sequence[Aval]) -> bool:
    """Whether an equation changes the shape of its one operand, and nothing else."""
    (output,), (source,) = equation.outputs, equation.inputs
    params = equation.params
    return (
        equation.name in RESHAPES
        and isinstance(source, int)
        and math.prod(avals[output].shape) == math.prod(avals[source].shape)
        and (equation.name != "reshape" or params["dimensions"] is None)
        and params.get("sharding") is None
    )


def is_real(value: HostNumber) -> bool:
    return np.asarray(value).dtype in (np.float32, np.float64)


class Normalizer:
    """Builds the normal form of one component, or gives up."""

    def __init__(self, avals: Sequence[Aval], size: int) -> None:
        self.avals = avals
        self.size = size
        self.instructions: list[Instruction] = []
        self.keys: dict[int, int] = {}
        self.places: dict[int, Operand] = {}  # value -> operand
        self.known: dict[Operand, HostNumber | None] = {}  # operand -> constant scalar
        self.varying: set[int] = set()  # operands with an element for each of the leaf's

    def operand(self, ref: Ref) -> Operand:
        if isinstance(ref, Literal):
            value = number(ref)
            operand = literal(np.asarray(value))
            self.known[operand] = value
            return operand
        return self.places[ref]

    def emit(self, *instruction: *Instruction) -> int:
        self.instructions.append(instruction)
        return len(self.instructions) - 1

    def add(self, equation: Equation) -> bool:
        """Append one equation; False if it is not elementwise."""
        if len(equation.outputs) != 1:
            return False
        (output,) = equation.outputs
        size = math.prod(self.avals[output].shape)
        if size not in (1, self.size) or is_delicate(self.avals[output]):
            return False
        name, params = equation.name, equation.params
        if name == "random_bits":
            return self.add_bits(equation, output, size)
        if name not in ELEMENTWISE | RESHAPES or any(
            not isinstance(ref, Literal) and ref not in self.places for ref in equation.inputs
        ):
            return False
        permuted = name == "reshape" and params["dimensions"] is not None
        if permuted or params.get("sharding") is not None:
            return False
        operands = [self.operand(ref) for ref in equation.inputs]
        varies = any(operand in self.varying for operand in operands)
        if varies and size != self.size:
            return False
        if name in RESHAPES:
            self.places[output] = operands[0]
            return True
        place = self.emit(equation.primitive, hashable(params), *operands)
        self.places[output] = place
        if varies:
            self.varying.add(place)
        else:
            self.known[place] = fold(equation, [self.known.get(operand) for operand in operands])
        return True

    def add_bits(self, equation: Equation, output: int, size: int) -> bool:
        (key,) = equation.inputs
        if isinstance(key, Literal) or self.avals[key].shape != () or size != self.size:
            return False
        if self.avals[key].dtype != derivation.threefry_dtype():
            return False
        place = self.keys.setdefault(key, len(self.keys))
        emitted = self.emit("bits", equation.params["bit_width"], ("key", place))
        self.places[output] = emitted
        self.varying.add(emitted)
        return True

    def lift(self) -> tuple[Number, ...]:
        """Make the scale that ends the law a scalar of the program, where no bit changes.

        XLA multiplies the constants of a chain of products first. The order is
        its own, so that only a chain of one or two can be multiplied here.
        """
        place, factors = len(self.instructions) - 1, []
        while (step := self.scaled(place)) is not None:
            place, factor = step
            factors.append(factor)
        inner = self.instructions[place][0]
        if len(factors) not in (1, 2) or (inner != "bits" and inner.name in PRODUCTS):
            return ()
        with np.errstate(all="ignore"):
            product = factors[0] if len(factors) == 1 else factors[0] * factors[1]
        if not np.isfinite(product) or abs(product) < np.finfo(product.dtype).tiny:
            return ()
        multiply, params = self.instructions[-1][:2]
        self.instructions.append((multiply, params, place, ("scalar", 0)))
        return (product,)

    def scaled(self, place: int) -> tuple[int, HostNumber] | None:
        """What the instruction at `place` scales by a constant, and that constant."""
        instruction = self.instructions[place]
        if instruction[0] == "bits" or instruction[0].name != "mul":
            return None
        varying = [o for o in instruction[2:] if isinstance(o, int) and o in self.varying]
        factors = [self.known.get(o) for o in instruction[2:] if o not in self.varying]
        if len(varying) != 1 or factors[0] is None or not is_real(factors[0]):
            return None
        return varying[0], factors[0]

    def law(self) -> tuple[Instruction, ...]:
        """The instructions that the last one needs."""
        needed = {len(self.instructions) - 1}
        for place in reversed(range(len(self.instructions))):
            if place in needed:
                needed.update(o for o in self.instructions[place][2:] if isinstance(o, int))
        numbers: dict[Operand, Operand] = {place: at for at, place in enumerate(sorted(needed))}
        return tuple(
            (*instruction[:2], *(numbers.get(o, o) for o in instruction[2:]))
            for place, instruction in enumerate(self.instructions)
            if place in needed
        )


def number(constant: Literal) -> HostNumber:
    """The scalar of a literal, in its own type."""
    return scalar_of(np.asarray(constant.value, constant.aval.dtype))


def scalar_of(array: HostArray) -> HostNumber:
    """What an array without axes holds."""
    return cast(HostNumber, array[()])


def literal(value: HostArray) -> Operand:
    return ("literal", value.dtype, value.tobytes())


def hashable(params: Params) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(params.items(), key=lambda item: item[0]))


def elementwise_draw(component: Component, avals: Sequence[Aval]) -> TracedDraw | None:
    """The component as a law over a flat array, or `None` if it is not elementwise."""
    if len(component.outputs) != 1:
        return None
    (output,) = component.outputs
    aval = avals[output]
    if aval.size < 2 or aval.size > 2**32 or aval.weak_type:
        return None
    normalizer = Normalizer(avals, aval.size)
    try:
        complete = all(normalizer.add(equation) for equation in component.equations)
        if not complete or normalizer.places.get(output) not in normalizer.varying:
            return None
        if normalizer.places[output] != len(normalizer.instructions) - 1:
            return None
        scalars = normalizer.lift()
        law = normalizer.law()
        hash(law)
    except TypeError:  # A parameter of an equation is not hashable.
        return None
    bits_drawn = next(e for e in component.equations if e.name == "random_bits")
    keys = tuple(normalizer.keys)
    shape = tuple(bits_drawn.params["shape"])
    return TracedDraw(Traced(law, len(keys)), keys, scalars, shape)
