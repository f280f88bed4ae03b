"""flax.nnx: live models initialized again by rules, in place.

rules = [(".*/kernel", "he_normal"), (".*/scale", "ones"), (".*", "zeros")]
reinit(model, jax.random.key(0), rules)
"""

from typing import Any, TypeAlias

from cthulhu import checks
from cthulhu._types import KeyLike
from cthulhu.adapters._layers import plan_of
from cthulhu.fans import LAYOUTS, Layout
from cthulhu.params import Plan
from cthulhu.params._fitting import Weight
from cthulhu.params._keys import leaf_keys
from cthulhu.params._leaves import Stacked
from cthulhu.params._rules import RulesLike
from cthulhu.trees import Path

with checks.extra("cthulhu.adapters.nnx", "flax"):
    from flax import nnx

__all__ = ["plan", "reinit"]

Filter: TypeAlias = Any
"""What `flax.nnx.state` takes to choose variables: a type, a tuple of types, a function."""

GATES = {nnx.OptimizedLSTMCell: 4, nnx.GRUCell: 3}


def kernel_of(layer: Any) -> Weight | None:
    """What a layer tells of its kernel."""
    if isinstance(layer, nnx.Linear):
        return Weight(2, Layout())
    if isinstance(layer, nnx.LinearGeneral):
        batch, inputs = len(layer.batch_axis), len(layer.in_features)
        rank = batch + inputs + len(layer.out_features)
        axes = tuple(range(rank))
        ends = batch + inputs
        return Weight(rank, Layout(axes[batch:ends], axes[ends:], axes[:batch]))
    if isinstance(layer, nnx.Conv):
        return Weight(len(layer.kernel_size) + 2, Layout(groups=layer.feature_group_count))
    if isinstance(layer, nnx.ConvTranspose):
        return Weight(len(layer.kernel_size) + 2, Layout(transpose=layer.transpose_kernel))
    if isinstance(layer, nnx.Einsum) and layer.einsum_str is not None:
        return Weight(len(layer.kernel_shape), Layout.einsum(layer.einsum_str))
    return None


def weights_of(model: Any) -> dict[Path, Weight]:
    """What all layers of a model tell, by path."""
    found: dict[Path, Weight] = {}
    for parts, layer in nnx.iter_modules(model):  # Each comes after the modules within it.
        path = tuple(map(str, parts))
        kernel = kernel_of(layer)
        if kernel is not None:
            found[*path, "kernel"] = kernel
        if isinstance(layer, nnx.Embed):
            found[*path, "embedding"] = Weight(2, LAYOUTS["embedding"])
        for cell, gates in GATES.items():
            if isinstance(layer, cell):
                for name in ("dense_i", "dense_h"):
                    found[*path, name, "kernel"] = Weight(2, Layout(), gates)
    return found


def plan(
    model: nnx.Module, rules: RulesLike, *, only: Filter = nnx.Param, stacked: Stacked = None
) -> Plan[Any]:
    """Say what `reinit` will do, without doing it.

    Args:
        model: as for `reinit`; it may hold `jax.ShapeDtypeStruct`, as
            `flax.nnx.eval_shape` makes it.
        rules: as for `reinit`.
        only: as for `reinit`.
        stacked: as for `reinit`.

    Returns:
        A `cthulhu.params.Plan`, whose `run(key)` returns a `flax.nnx.State`. `verify`
        takes it too, with `flax.nnx.state(model, only)`.

    Raises:
        ValueError, TypeError: as `reinit`.

    Example:
        >>> from flax import nnx
        >>> attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=nnx.Rngs(0))
        >>> planned = plan(attention, [(".*/kernel", "he_normal"), (".*", "zeros")])
        >>> [(row.path, row.shape, row.fan_in) for row in planned.rows if row.fan_in][:2]
        [('key/kernel', (8, 2, 4), 8), ('out/kernel', (2, 4, 8), 8)]
    """
    return planned("nnx.plan", model, rules, only, stacked)


def reinit(
    model: nnx.Module,
    key: KeyLike,
    rules: RulesLike,
    *,
    only: Filter = nnx.Param,
    stacked: Stacked = None,
) -> None:
    """Initialize a live model again, in place, by rules on the paths of its parameters.

    The values are those of `cthulhu.params.init_params` with the model's state, but
    that each of Flax's layers tells its own axes: the heads of an attention, the
    equation of an `flax.nnx.Einsum`, the groups of a convolution, the gates of an
    `flax.nnx.OptimizedLSTMCell` or `flax.nnx.GRUCell`, and the layers that `flax.nnx.vmap`
    has stacked along the first axis, each of which gets a key of its own. An
    initializer that names its axes keeps them, and one that is not of this library
    is asked for the array whole. Every array keeps its sharding.

    Args:
        model: a `flax.nnx.Module`. One that `flax.nnx.eval_shape` made gets arrays where
            it had shapes.
        key: one PRNG key of any implementation, or an integer seed; it may be
            traced, as inside `flax.nnx.jit`. The key of a parameter follows from it and
            the parameter's path.
        rules: `cthulhu.params.Rules`, or what they are made of. Every parameter needs
            one; `Keep` leaves it as it is.
        only: which variables are parameters, as `flax.nnx.state` takes it. All others,
            random states and running means among them, stay.
        stacked: the axis along which parameters stack layers, for all or by path
            regex, as for `cthulhu.params.init_params`.

    Raises:
        ValueError: a parameter matches no rule, a rule matches no parameter, or an
            initializer does not take a shape.
        TypeError: `model` is no module, `key` is no single key or seed, or a rule
            names no initializer.

    Example:
        >>> import jax
        >>> from flax import nnx
        >>> layer = nnx.Linear(4, 8, rngs=nnx.Rngs(0))
        >>> reinit(layer, jax.random.key(0), [("kernel", "he_normal"), ("bias", "ones")])
        >>> float(layer.bias[...].sum())
        8.0
    """
    leaf_keys("nnx.reinit", key, [])
    nnx.update(model, planned("nnx.reinit", model, rules, only, stacked).run(key))


def planned(
    owner: str, model: nnx.Module, rules: RulesLike, only: Filter, stacked: Stacked
) -> Plan[Any]:
    """The plan of a model's parameters."""
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"{owner}: model must be a flax.nnx.Module; got {model!r} of type "
            f"{type(model).__name__}. A tree of arrays is for cthulhu.params.init_params(key, "
            "tree, rules)"
        )
    return plan_of(owner, nnx.state(model, only), rules, weights_of(model), stacked=stacked)
