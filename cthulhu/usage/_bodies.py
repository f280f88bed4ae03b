"""The jaxprs that equations hold: what is only called, and what is run by itself."""

from collections.abc import Sequence
from typing import NamedTuple

from cthulhu import compat
from cthulhu.usage._values import Place

CALLS = {
    **dict.fromkeys(("jit", "pjit", "checkpoint", "remat2"), "jaxpr"),
    **dict.fromkeys(("closed_call", "core_call"), "call_jaxpr"),
    **dict.fromkeys(("custom_jvp_call", "custom_vjp_call"), "call_jaxpr"),
}
"""What is only called, and what the jaxpr that it holds is named."""

STACKING = ("scan", "shard_map")
"""What makes several of a statistic that is taken inside: one a step, or one a device."""


class Body(NamedTuple):
    """A jaxpr that an equation runs by itself."""

    steps: Place
    """What leads to it, in a place, behind the equation."""
    held: "compat.Held"
    operands: Sequence[int]
    """The operands of the equation that go in, by their numbers."""
    carried: range
    """Those of them that a loop carries."""


def bodies(equation: "compat.JaxprEqn") -> list[Body]:
    """The jaxprs that an equation runs by itself."""
    params, name = equation.params, equation.primitive.name
    every, none = range(len(equation.invars)), range(0)
    if name == "while":
        tests = params["cond_nconsts"]
        carried = every[tests + params["body_nconsts"] :]
        return [
            Body((0,), params["cond_jaxpr"], [*every[:tests], *carried], carried),
            Body((1,), params["body_jaxpr"], every[tests:], carried),
        ]
    if name == "cond":
        return [
            Body((at,), branch, every[1:], none) for at, branch in enumerate(params["branches"])
        ]
    if name == "scan":
        constants, count = compat.scan_parts(equation)
        return [Body((), params["jaxpr"], every, every[constants : constants + count])]
    return [Body((), params["jaxpr"], every, none)] if name == "shard_map" else []
