"""From the arguments of a call to a compiled program and its scalars, remembered.

A planner is a plain function `(shape, dtype, sharding, *options) -> Draw` that
checks its arguments, computes the scalars on the host and names the program.
Its results are remembered, so that a repeated call costs a look-up and JAX's
own dispatch.
"""

import contextlib
import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax

from cthulhu import checks
from cthulhu.functional._misuse import explain_misuse
from cthulhu.programs._build import Draw, resolve_sharding
from cthulhu.typing import DTypeLike, OutSharding, Shape

__all__ = ["axes_key", "draw_of", "is_planned", "planned", "planner", "run"]


Function = TypeVar("Function", bound=Callable[..., jax.Array])


class Planner:
    """A planning function that remembers its results, for hashable arguments."""

    def __init__(self, owner: str, plan: Callable[..., Draw]) -> None:
        self.owner = owner
        self.plan = plan
        self.remembered = functools.lru_cache(maxsize=4096)(self._plan_now)

    def _plan_now(self, shape: Shape, dtype: Any, sharding: Any, x64: bool, *options: Any) -> Draw:
        dims = checks.shape(self.owner, shape)
        try:
            return self.plan(dims, dtype, sharding, *options)
        except ValueError as error:
            if str(error).startswith(f"{self.owner}: "):
                raise
            raise ValueError(f"{self.owner}: {error}") from None

    def __call__(self, shape: Shape, dtype: Any, out_sharding: OutSharding, *options: Any) -> Draw:
        """Plan a draw, or recall it."""
        x64: bool = jax.config.jax_enable_x64  # type: ignore[attr-defined]
        sharding = None if out_sharding is None else resolve_sharding(self.owner, out_sharding)
        with contextlib.suppress(TypeError):
            dims = tuple(map(operator.index, shape))
            return self.remembered(dims, dtype, sharding, x64, *options)
        # Unhashable (a traced scalar), or wrong: planning again tells which.
        return self._plan_now(shape, dtype, sharding, x64, *options)


def planner(plan: Callable[..., Draw]) -> Planner:
    """Make a `Planner` of a function named `plan_<initializer>`."""
    return Planner(plan.__name__.removeprefix("plan_"), plan)


def run(
    plan: Planner,
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None,
    out_sharding: OutSharding,
    *options: Any,
) -> jax.Array:
    """Make the values of a planned draw that belong to `key`."""
    if not isinstance(key, jax.Array) or key.ndim or not checks.is_key(key):
        checks.single_key(plan.owner, key)
    program, scalars, _ = plan(shape, dtype, out_sharding, *options)
    return program(key, *scalars)


_PLANNERS: dict[Callable[..., jax.Array], Planner] = {}


def planned(plan: Planner) -> Callable[[Function], Function]:
    """Mark a public function as the one that runs this plan; its keywords are the options."""

    def mark(function: Function) -> Function:
        @functools.wraps(function)
        def initializer(*args: Any, **kwargs: Any) -> jax.Array:
            try:
                return function(*args, **kwargs)
            except TypeError:
                explain_misuse(plan.owner, function, args, kwargs)
                raise

        setattr(initializer, "__kwdefaults__", function.__kwdefaults__)  # noqa: B010
        _PLANNERS[initializer] = plan
        return cast(Function, initializer)

    return mark


def draw_of(
    function: Callable[..., jax.Array],
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    **options: Any,
) -> Draw:
    """What a function of `cthulhu.functional` would run, without running it."""
    defaults = function.__kwdefaults__ or {}
    return _PLANNERS[function](shape, dtype, out_sharding, *{**defaults, **options}.values())


def is_planned(function: object) -> bool:
    """Whether `draw_of` knows the function."""
    try:
        return function in _PLANNERS
    except TypeError:
        return False


def axes_key(axes: Any) -> Any:
    """Axes as a value that a plan can be remembered by."""
    return tuple(axes) if isinstance(axes, list) else axes
