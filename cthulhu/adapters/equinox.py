"""Equinox: models initialized by rules, with the axes that each layer has.

Equinox's layers keep their kernels as (out, in, …) and the gates of a recurrent cell one above
the other in one array. What is asked for by path is made to fit::

    rules = [(".*weight_hh", "orthogonal"), (".*weight.*", "he_normal"), (".*", "zeros")]
    model = reinit(model, jax.random.key(0), rules)
"""

from typing import Any, TypeVar

import jax

from cthulhu import checks
from cthulhu._types import KeyLike
from cthulhu.adapters._layers import plan_of
from cthulhu.fans import LAYOUTS, Layout
from cthulhu.params import Plan
from cthulhu.params._fitting import Weight
from cthulhu.params._keys import leaf_keys
from cthulhu.params._leaves import Stacked
from cthulhu.params._rules import RulesLike
from cthulhu.trees import Path, component

with checks.extra("cthulhu.adapters.equinox", "equinox"):
    import equinox as eqx

__all__ = ["plan", "reinit"]

Model = TypeVar("Model")

LAYERS = (
    eqx.nn.Linear,
    eqx.nn.Conv,
    eqx.nn.ConvTranspose,
    eqx.nn.Embedding,
    eqx.nn.LSTMCell,
    eqx.nn.GRUCell,
)


def told(layer: Any, per_gate: bool) -> dict[str, Weight]:
    """What a layer tells of its arrays, by their names."""
    if isinstance(layer, eqx.nn.Conv | eqx.nn.ConvTranspose):
        rank = layer.num_spatial_dims + 2
        return {
            "weight": Weight(rank, Layout(1, 0, groups=layer.groups)),
            "bias": Weight(rank - 1),
        }
    if isinstance(layer, eqx.nn.Embedding):
        return {"weight": Weight(2, LAYOUTS["embedding"])}
    kernel = Weight(2, Layout(1, 0))
    if isinstance(layer, eqx.nn.Linear):
        return {"weight": kernel, "bias": Weight(1)}
    if per_gate:
        kernel = kernel._replace(gates=4 if isinstance(layer, eqx.nn.LSTMCell) else 3)
    return {"weight_ih": kernel, "weight_hh": kernel, "bias": Weight(1), "bias_n": Weight(1)}


def weights_of(model: Any, per_gate: bool) -> dict[Path, Weight]:
    """What all layers of a model tell, by path."""
    nodes = jax.tree_util.tree_leaves_with_path(
        model, is_leaf=lambda node: isinstance(node, LAYERS)
    )
    return {
        (*map(component, entries), name): weight
        for entries, node in nodes
        if isinstance(node, LAYERS)
        for name, weight in told(node, per_gate).items()
    }


def states_of(model: Any) -> set[Path]:
    """The paths of the states that layers keep, as the running mean of a batch norm."""
    index = eqx.nn.StateIndex
    nodes = jax.tree_util.tree_leaves_with_path(model, is_leaf=lambda node: isinstance(node, index))
    return {
        tuple(map(component, (*entries, *further)))
        for entries, node in nodes
        if isinstance(node, index)
        for further, _ in jax.tree_util.tree_leaves_with_path(node)
    }


def plan(
    model: Model, rules: RulesLike, *, per_gate: bool = True, stacked: Stacked = None
) -> Plan[Model]:
    """Say what `reinit` will do, without doing it.

    Args:
        model: an `equinox.Module`, or any tree that holds some, of arrays or of
            `jax.ShapeDtypeStruct`, as `equinox.filter_eval_shape` makes it.
        rules: as for `reinit`.
        per_gate: as for `reinit`.
        stacked: as for `reinit`.

    Returns:
        A `cthulhu.params.Plan`: a table when printed, `run(key)` to do it. `verify`
        takes it too.

    Raises:
        ValueError, TypeError: as `reinit`.

    Example:
        >>> import equinox as eqx, jax
        >>> mlp = eqx.filter_eval_shape(eqx.nn.MLP, 4, 2, 8, 1, key=jax.random.key(0))
        >>> planned = plan(mlp, [(".*/weight", "he_normal"), (".*", "zeros")])
        >>> [(row.path, row.fan_in) for row in planned.rows if row.fan_in]
        [('layers/0/weight', 4), ('layers/1/weight', 8)]
    """
    return planned("equinox.plan", model, rules, per_gate, stacked)


def reinit(
    model: Model,
    key: KeyLike,
    rules: RulesLike,
    *,
    per_gate: bool = True,
    stacked: Stacked = None,
) -> Model:
    """Initialize a model again, by rules on the paths of its arrays.

    Kernels lie (out, in, …), and each of Equinox's layers tells its own axes: the
    groups of a convolution, the rows of an `equinox.nn.Embedding`, the gates of an
    `equinox.nn.LSTMCell` or `equinox.nn.GRUCell`, and the layers that
    `equinox.filter_vmap` has stacked along the first axis, each of which gets a key of its own. An
    initializer that names its axes keeps them, and one that is not of this library
    is asked for the array whole.

    Args:
        model: an `equinox.Module`, or any tree that holds some.
        key: one PRNG key of any implementation, or an integer seed; it may be
            traced. The key of an array follows from it and the array's path.
        rules: `cthulhu.params.Rules`, or what they are made of. Every array of real
            or complex numbers needs one; `Keep` leaves it as it is. All other leaves,
            as integers, functions and the states of layers, stay.
        per_gate: whether each gate of a recurrent cell is a matrix of its own:
            orthogonal by itself, with the fans of one gate.
        stacked: the axis along which arrays of your own modules stack layers, for
            all or by path regex, as for `cthulhu.params.init_params`.

    Returns:
        A new model. The static fields are those of the old one.

    Raises:
        ValueError: an array matches no rule, a rule matches no array, or an
            initializer does not take a shape.
        TypeError: `key` is no single key or seed, or a rule names no initializer.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp
        >>> cell = eqx.nn.GRUCell(3, 4, key=jax.random.key(0))
        >>> cell = reinit(cell, 0, [("weight_hh", "orthogonal"), (".*", "zeros")])
        >>> gates = cell.weight_hh.reshape(3, 4, 4)
        >>> bool(jnp.allclose(gates @ gates.mT, jnp.eye(4), atol=1e-5))
        True
    """
    leaf_keys("equinox.reinit", key, [])
    return planned("equinox.reinit", model, rules, per_gate, stacked).run(key)


def planned(
    owner: str, model: Model, rules: RulesLike, per_gate: bool, stacked: Stacked
) -> Plan[Model]:
    """The plan of a model."""
    checks.flag(owner, "per_gate", per_gate)
    weights, states = weights_of(model, per_gate), states_of(model)
    return plan_of(owner, model, rules, weights, states=states, layout="out_in", stacked=stacked)
