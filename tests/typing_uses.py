"""Right and wrong uses, for type checkers: `make types` runs mypy and pyright over them.

The checkers report a comment that ignores nothing, so a wrong use that passes fails
the check, as a right use does that does not pass. `tests/test_typing.py` runs them.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, assert_type

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import cthulhu
from cthulhu import functional, initializers, typing
from cthulhu.fans import compute_fans
from cthulhu.initializers import Constant, HeNormal, Orthogonal, VarianceScaling
from cthulhu.layers import Daoloth
from cthulhu.params import (
    InitPlan,
    Keep,
    Plan,
    Rules,
    fast_init,
    fill,
    init_params,
    plan,
    reinit,
    verify,
)

KEY = jax.random.key(0)
SPEC = jax.ShapeDtypeStruct((4, 8), np.float32)
Tree = dict[str, jax.ShapeDtypeStruct]


class Tenth(initializers.Initializer):
    """A subclass with the documented signature."""

    def __call__(self, shape: tuple[int, ...], dtype: typing.DTypeLike | None = None) -> jax.Array:
        return jnp.full(shape, 0.1, dtype)


class Keyed(initializers.Initializer):
    """A subclass with JAX's signature."""

    def __call__(
        self, key: jax.Array, shape: typing.Shape, dtype: typing.DTypeLike | None = None
    ) -> jax.Array:
        return functional.he_normal(key, shape, dtype)


class Counting:
    """What `reinit` asks of an optimizer."""

    def init(self, params: Any) -> list[int]:
        return [0]


def of_shape(shape: tuple[int, ...], dtype: Any = None) -> jax.Array:
    return jnp.ones(shape, dtype)


def make(key: jax.Array) -> dict[str, jax.Array]:
    return {"kernel": functional.he_normal(key, (4, 8))}


def calls() -> None:
    """Both ways of calling, positionally and by keyword."""
    init = HeNormal(seed=7)
    assert_type(init(KEY, (2, 3)), jax.Array)
    init(KEY, (2, 3), "bfloat16")
    mesh = jax.sharding.Mesh(jax.devices()[:1], ("x",))
    init(KEY, [2, 3], jnp.float32, jax.NamedSharding(mesh, jax.P("x")))
    init(key=KEY, shape=(2, 3), dtype=np.float16, out_sharding=None)
    init(KEY, shape=(2, 3))
    init(None, (2, 3))
    init((2, 3))
    init((2, 3), jnp.float32)
    init(shape=(2, 3), dtype="float32")
    VarianceScaling(2.0, "fan_avg", "uniform", 3, in_axis=(0, 1), batch_axis="rest")((4, 5, 6))
    functional.variance_scaling(KEY, (4, 8), scale=2.0, mode="fan_out", distribution="normal")
    assert_type(functional.kaiming_normal(KEY, (4, 8), in_axis=(0,), batch_axis="rest"), jax.Array)
    functional.zeros(None, (4, 8))
    assert_type(initializers.he_normal(seed=7, in_axis=0), HeNormal)
    assert_type(initializers.xavier_uniform(), initializers.GlorotUniform)
    compute_fans((3, 3, 4, 8), batch_axis=0)


def names() -> None:
    """Whatever names an initializer."""
    assert_type(initializers.get(None), None)
    assert_type(initializers.get(HeNormal(seed=7)), HeNormal)
    assert_type(initializers.get(HeNormal), HeNormal)
    assert_type(initializers.get("he_normal")((2, 3)), jax.Array)
    initializers.get({"class_name": "HeNormal", "config": {"seed": 7}})((2, 3))
    initializers.serialize(initializers.get("he_normal"))
    assert_type(initializers.get(functional.he_normal), typing.Initializer)
    assert_type(initializers.get(of_shape)(KEY, (2, 3)), jax.Array)
    assert_type(initializers.get(Tenth())(KEY, (2, 3)), jax.Array)
    perhaps: typing.InitializerLike | None = None if Tenth.draws else of_shape
    found: typing.Initializer | None = initializers.get(perhaps)
    assert found is None
    initializers.get("Tenth", {"Tenth": Tenth})(KEY, (2, 3))
    initializers.get(np.ones((2, 3)))(KEY, (2, 3))
    Tenth()((2, 3))
    Keyed()(KEY, (2, 3))
    protocol: typing.Initializer = HeNormal()
    protocol = functional.he_normal
    protocol = jax.nn.initializers.he_normal()
    protocol(KEY, (2, 3))


def layers() -> None:
    """Initializers of layers, ours and Flax's."""
    one = Daoloth(64, "relu", kernel_initializer="he_normal", bias_initializer=Constant(0.1))
    one.init(KEY, jnp.ones((1, 3)))
    Daoloth(64, kernel_initializer=functional.orthogonal)
    Daoloth(64, kernel_initializer=Orthogonal, bias_initializer=of_shape)
    Daoloth(64, kernel_initializer=lambda shape, dtype=None: jnp.ones(shape, dtype))
    Daoloth(64, kernel_initializer=lambda key, shape, dtype: jnp.zeros(shape, dtype))
    Daoloth(64, kernel_initializer=jax.nn.initializers.he_normal())
    Daoloth(64, kernel_initializer=Tenth())
    cthulhu.layers.Daoloth(64, kernel_initializer={"class_name": "Zeros", "config": {}})
    nn.Dense(8, kernel_init=functional.he_normal, bias_init=initializers.Zeros())


def models() -> None:
    """Whole models: a tree keeps its type, and a plan is that of its source."""
    tree: Tree = {"kernel": SPEC, "bias": SPEC}
    rules = Rules([("kernel", "he_normal"), ("bias", initializers.Zeros())])
    assert_type(init_params(KEY, tree, rules), Tree)
    init_params(0, tree, {"kernel": HeNormal, "bias": of_shape})
    init_params(0, tree, [("kernel", functional.he_normal), (".*", "zeros")])
    init_params(0, {"kernel": jnp.ones((4, 8))}, {".*": Keep()})
    assert_type(
        fill(tree, 0, rules, missing={"kernel": "warn", ".*": "error"}, overwrite=".*"), Tree
    )
    assert_type(fill({}, KEY, rules, like=tree, missing="init"), Tree)
    arrays = {"kernel": jnp.ones((4, 8)), "bias": jnp.ones(8)}
    assert_type(reinit(arrays, KEY, rules, {".*": True}), dict[str, jax.Array])
    renewed = reinit(arrays, 0, rules, True, opt_state=[0], optimizer=Counting())
    assert_type(renewed, tuple[dict[str, jax.Array], list[int]])
    planned = plan(tree, rules, stacked={"kernel": 0})
    assert_type(planned, Plan[Tree])
    assert_type(planned.run(KEY), Tree)
    assert_type(verify(planned.run(0), 0, planned).elements, int)
    assert_type(plan(make, KEY), InitPlan[dict[str, jax.Array]])
    assert_type(plan(make, KEY).run(), dict[str, jax.Array])
    assert_type(fast_init(make)(KEY), dict[str, jax.Array])
    verify(plan(make, KEY).run(), KEY, plan(make, KEY)).raise_if_wrong()


RIGHT: tuple[Callable[[], None], ...] = (calls, names, layers, models)

# Each of these raises an error, and says why.
WRONG: tuple[Callable[[], Any], ...] = (
    lambda: HeNormal()("nonsense", 3, foo=1),  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    lambda: HeNormal()(KEY),  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lambda: HeNormal()(KEY, 3),  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    lambda: HeNormal()((2, 3), 4),  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    lambda: HeNormal()((2, 3), dtyp="float32"),  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    lambda: HeNormal("seven"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: HeNormal(7, -2),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lambda: VarianceScaling(2.0, "fan_inn"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: VarianceScaling(2.0, "fan_in", "gauss"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: VarianceScaling(batch_axis="all"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: functional.variance_scaling(KEY, (4, 8), mode="fan_inn"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: functional.he_normal(KEY, (4, 8), in_axes=0),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lambda: functional.he_normal(KEY, (4, 8), in_axis="rest"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: functional.uniform(KEY, (4, 8), stddev=0.1),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lambda: initializers.he_normal(sede=7),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lambda: functional.he_normal((4, 8)),  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    lambda: initializers.Sparse(stddev=0.1),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lambda: functional.sparse(KEY, (4, 8)),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    lambda: initializers.get(3.5),  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    lambda: Daoloth(64, kernel_initializer=3.5),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: Daoloth(64, bias_initializer=None),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: Daoloth(2.5),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: Rules([("kernel", 3.5)]),  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    lambda: init_params(0, {"kernel": SPEC}, 3.5),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    lambda: fill({}, 0, "zeros", like={"kernel": SPEC}, missing="eror"),  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    lambda: reinit({}, 0, "zeros", None, opt_state=()),  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lambda: plan({"kernel": SPEC}),  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    lambda: compute_fans(64),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
)

if TYPE_CHECKING:
    # Nothing fails when these run; what they take the result for is wrong.
    listed: list[Any] = init_params(0, {"kernel": SPEC}, {".*": "zeros"})  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    from_tree: InitPlan[Any] = plan({"kernel": SPEC}, {".*": "zeros"})  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
