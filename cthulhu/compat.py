"""What depends on JAX beyond its documented core, and on its version: the one place for it.

`jax.extend` and `jax.interpreters` are imported when they are first used: they
take as long as the rest of this library.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import jax
import numpy as np

if TYPE_CHECKING:
    from jax.extend import core

    ClosedJaxpr: TypeAlias = core.ClosedJaxpr
    Jaxpr: TypeAlias = core.Jaxpr
    JaxprEqn: TypeAlias = core.JaxprEqn
    Primitive: TypeAlias = core.Primitive
    Var: TypeAlias = core.Var
    Atom: TypeAlias = core.Var | core.Literal
    Held: TypeAlias = core.ClosedJaxpr | core.Jaxpr

# Until 0.10, XLA:CPU expands `lax.erf_inv` to operations that are written out here.
ERF_INV_IS_KNOWN = jax.__version_info__ < (0, 11)

# Since 0.11, LLVM contracts the unrolled loops over a short last dimension to fused
# multiply-adds in other places: the same draw would differ in its last bits.
SHORT_LOOPS_DIFFER = jax.__version_info__ >= (0, 11)

NEXT_JAX = (0, 13)  # From here on it is to be tried whether XLA still has the option.


@functools.cache
def options_of_platform() -> dict[str, int]:
    """The compiler options for programs of draws; they change no value.

    XLA:CPU prefers vectors of 256 bits, for the sake of processors that slowed
    down on wider ones. A draw is hundreds of operations on each element, and
    nearly twice as fast on 512 bits; processors without them use what they have.
    """
    options = {"xla_cpu_prefer_vector_width": 512}
    if jax.default_backend() != "cpu":
        return {}
    if jax.__version_info__ < NEXT_JAX:
        return options
    try:  # Options belong to XLA and not to JAX's interface: this one may go.
        jax.jit(lambda: np.int32(0), compiler_options=options).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def prng() -> ModuleType:
    """`jax.extend.random`: implementations of random keys."""
    from jax.extend import random

    return random


@functools.cache
def draw_marker() -> "Primitive":
    """What stands for a draw of this library in a program that is read, and never run."""
    from jax.extend.core import Primitive

    return Primitive("cthulhu_draw")


def one_operation(name: str, expand: Callable[..., jax.Array]) -> "Primitive":
    """An operation that a trace shows as one equation, and JAX treats as what it expands to.

    Args:
        name: the name of the operation.
        expand: the function of its arguments and its parameters. `aval` is one of the
            parameters: the shape and the type of the result.
    """
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    def vectorized(arguments: Any, axes: Any, **params: Any) -> tuple[jax.Array, int]:
        run = functools.partial(expand, **params)
        return jax.vmap(run, in_axes=tuple(axes))(*arguments), 0

    def differentiated(primals: Any, tangents: Any, **params: Any) -> Any:
        run = functools.partial(expand, **params)
        return jax.jvp(run, primals, tuple(map(ad.instantiate_zeros, tangents)))

    operation = Primitive(name)
    operation.def_impl(expand)
    operation.def_abstract_eval(lambda *avals, aval, **params: aval)
    mlir.register_lowering(operation, mlir.lower_fun(expand, multiple_results=False))
    batching.primitive_batchers[operation] = vectorized
    ad.primitive_jvps[operation] = differentiated
    return operation


@functools.cache
def _trace_state() -> tuple[Callable[[], object], object]:
    """What tells the state of tracing, and the state in which nothing is traced."""
    from jax.extend.core import get_opaque_trace_state

    with jax.core.eval_context():
        return get_opaque_trace_state, get_opaque_trace_state()


def under_trace() -> bool:
    """Whether a JAX transformation (`jit`, `vmap`, `grad`, …) is being traced here."""
    state, clean = _trace_state()
    return bool(state() != clean)


def pruned(jaxpr: "Jaxpr") -> "Jaxpr":
    """The jaxpr without what no output needs; its inputs and outputs stay."""
    from jax.interpreters import partial_eval

    needed, *_ = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)
    return needed


def aval_of(atom: "Atom") -> jax.core.ShapedArray:
    """What a variable or a literal of a jaxpr is like: only arrays are computed with here."""
    return cast(jax.core.ShapedArray, atom.aval)


def is_unspecified(sharding: object) -> bool:
    """Whether a `jit` equation leaves this sharding, or this layout, to the compiler."""
    return sharding is None or type(sharding).__name__ == "UnspecifiedValue"


def opened(held: "Held") -> tuple["Jaxpr", tuple[Any, ...]]:
    """A jaxpr and its constants, which until 0.11 are held by another class."""
    return cast("Jaxpr", getattr(held, "jaxpr", held)), tuple(getattr(held, "consts", ()))


def scan_parts(equation: "JaxprEqn") -> tuple[int, int]:
    """How many of the inputs of a `scan` equation are constants, and how many are carried."""
    params = equation.params
    if "num_consts" in params:  # Until 0.11.
        return params["num_consts"], params["num_carry"]
    constants, carry, _ = params["ft_in"].unpack()
    return len(constants), len(carry)


def manual_axes(equation: "JaxprEqn") -> tuple[str, ...]:
    """The axes of the mesh that a `shard_map` equation goes over, in the order of the mesh."""
    params = equation.params
    return tuple(name for name in params["mesh"].axis_names if name in params["newly_manual_axes"])
