"""`reinit`: chosen units of trained parameters, drawn again."""

import dataclasses
from typing import Any, TypeVar, overload

import jax
import numpy as np

from cthulhu import checks, compat
from cthulhu._types import Array, KeyLike, PyTree
from cthulhu.params import _making as making
from cthulhu.params._beside import as_rules
from cthulhu.params._cautions import caution
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Leaf, Stacked, has_value, leaves_of
from cthulhu.params._masks import Mask, masks_of, put_where
from cthulhu.params._relations import related
from cthulhu.params._rules import RulesLike
from cthulhu.trees import join

Tree = TypeVar("Tree")
State = TypeVar("State")


@overload
def reinit(
    params: Tree,
    key: KeyLike,
    rules: RulesLike,
    where: PyTree,
    *,
    opt_state: None = None,
    optimizer: None = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
) -> Tree: ...
@overload
def reinit(
    params: Tree,
    key: KeyLike,
    rules: RulesLike,
    where: PyTree,
    *,
    opt_state: State,
    optimizer: Any,
    stacked: Stacked = None,
    layout: TreeLayout = None,
) -> tuple[Tree, State]: ...
def reinit(
    params: PyTree,
    key: KeyLike,
    rules: RulesLike,
    where: PyTree,
    *,
    opt_state: PyTree = None,
    optimizer: Any = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
) -> PyTree:
    """Draw chosen units of trained parameters again, and reset what an optimizer knows of them.

    The elements that a mask names get the values that ``init_params(key, params, rules)``
    has there; of all others every bit stays. Parameters without a mask are not drawn, nor
    are those whose mask is known to name nothing; any other is drawn whole. All of it
    may be traced, so that it serves inside a jitted step of training.

    A mask broadcasts to its parameter from the right, as in NumPy. A dead unit of a dense
    layer has a column of the kernel (in, out) that leads to it, an element of its bias, and
    *a row of the next kernel*, which leads away from it::

        {"hidden/(kernel|bias)": dead, "out/kernel": dead[:, None]}

    Where both axes are of one size, nothing can tell a mask of the wrong one. Of layers
    (out, in), as in Equinox and PyTorch, it is ``dead[:, None]`` that leads to the units.

    Args:
        params: a tree of arrays, of any framework.
        key: one PRNG key of any implementation, or an integer seed; it may be
            traced. The same key makes the same values again: fold in the step.
        rules: `Rules`, or what they are made of, for the whole tree. `Keep` leaves
            parameters as they are, and no mask may name them.
        where: which elements: a mapping of path regexes to masks; or a tree of masks, or a
            part of one, whose paths are those of `params` or begin them, of any framework. A
            mask of a node counts for all below it. A mapping whose keys are names at the
            top of `params` is a tree. A mask is `True`, or an array of booleans, and `None`
            and `False` name nothing. Where several name one parameter, what one of them
            names is drawn.
        opt_state: the state of the optimizer, of which every part that is like the
            parameters gets its initial values where they are drawn; counters, and the
            corrections of bias that come of them, stay as they are. What has another
            shape than its parameter, as Adafactor's factored moments have, is reset if
            all of the parameter is known to be drawn, and else stays.
        optimizer: the `optax.GradientTransformation` that the state is of.
        stacked: as for `init_params`.
        layout: as for `init_params`.

    Returns:
        A tree like `params`; with `opt_state`, a pair of it and of the new state. Arrays
        that nothing changes are the same objects.

    Raises:
        ValueError: a mask names no parameter, one that its rule keeps, or does not
            broadcast; a leaf has no value; or as `init_params`.
        TypeError: a mask is not of booleans; `opt_state` is given without `optimizer`, is
            not of it, or optax cannot tell what in it is like the parameters; or as
            `init_params`.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> params = {"hidden": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}}
        >>> params["out"] = {"kernel": jnp.ones((3, 2))}
        >>> optimizer = optax.sgd(0.1, momentum=0.9)
        >>> state = optimizer.init(params)
        >>> dead = jnp.array([False, True, False])
        >>> where = {"hidden/(kernel|bias)": dead, "out/kernel": dead[:, None]}
        >>> rules = [("out/kernel", "zeros"), (".*/kernel", "he_normal"), (".*", "zeros")]
        >>> params, state = reinit(params, 0, rules, where, opt_state=state, optimizer=optimizer)
        >>> params["hidden"]["bias"].tolist(), params["out"]["kernel"].tolist()
        ([1.0, 0.0, 1.0], [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
        >>> (params["hidden"]["kernel"] != 1).all(0).tolist()
        [False, True, False]

    References:
        Sokar, Agarwal, Castro and Evci (2023), "The dormant neuron phenomenon in deep
        reinforcement learning", https://arxiv.org/abs/2302.12902
        Dohare, Hernandez-Garcia, Lan, Rahman, Mahmood and Sutton (2024), "Loss of
        plasticity in deep continual learning", https://doi.org/10.1038/s41586-024-07711-7
    """
    if (opt_state is None) != (optimizer is None):
        given, lacking = ("opt_state", "optimizer")[:: 1 if optimizer is None else -1]
        raise TypeError(
            f"reinit: {given} was given without {lacking}; both are needed: the state that is to "
            "change, and the optimizer, whose init makes the initial values and tells whose they "
            "are"
        )
    rules = as_rules("reinit", rules, layout)
    leaves, frame = leaves_of("reinit", params, rules, None, stacked)
    leaves = related("reinit", leaves)
    shapes = [leaf.shape for leaf in leaves]
    masks = masks_of("reinit", where, [leaf.path for leaf in leaves], shapes)
    for leaf, mask in zip(leaves, masks, strict=True):
        check(leaf, mask)
    only = [
        leaf if mask is not None else dataclasses.replace(leaf, present=True)
        for leaf, mask in zip(leaves, masks, strict=True)
    ]
    caution("reinit", only, rules.layout, stacked, stacklevel=2)
    drawn = iter(draw(key, leaves, masks))
    values = [
        leaf.value if mask is None else put_where(mask, next(drawn), leaf.value)
        for leaf, mask in zip(leaves, masks, strict=True)
    ]
    renewed = frame.fill(values)
    if optimizer is None:
        return renewed
    slots = [Slot(mask, shape) for mask, shape in zip(masks, shapes, strict=True)]
    return renewed, reset(optimizer, opt_state, frame.alone(values), frame.alone(slots))


def check(leaf: Leaf, mask: Mask) -> None:
    """Refuse what cannot be drawn in part."""
    name = f"reinit: {join(leaf.path)!r}"
    if not has_value(leaf.value):
        raise ValueError(
            f"{name} has no value, and only what has one is drawn again; cthulhu.params.fill "
            "initializes what is missing"
        )
    if mask is None:
        return
    if leaf.kept:
        raise ValueError(
            f"{name} is named by a mask, and its rule keeps it; give it an initializer, or None in "
            "where"
        )
    if leaf.dtype != leaf.value.dtype:
        raise TypeError(
            f"{name} is of dtype {leaf.value.dtype}, and is drawn as {leaf.dtype}; set "
            "jax_enable_x64, or convert it"
        )


def draw(key: KeyLike, leaves: list[Leaf], masks: list[Mask]) -> list[Array]:
    """The new values of the leaves that have a mask."""
    words = making.leaf_words("reinit", key, leaves)
    pairs = [
        (leaf, own)
        for leaf, own, mask in zip(leaves, words, masks, strict=True)
        if mask is not None
    ]
    make = making.make_traced if compat.under_trace() else making.make
    return make([leaf for leaf, _ in pairs], [own for _, own in pairs])


@dataclasses.dataclass(frozen=True)
class Slot:
    """What is new of a parameter, in the place of it in a tree."""

    mask: Mask
    shape: tuple[int, ...]


ELSE = Slot(None, ())  # What is like no parameter.


def reset(optimizer: Any, opt_state: PyTree, params: PyTree, slots: PyTree) -> PyTree:
    """The state of an optimizer, with its initial values where the parameters are new."""
    with checks.extra("reinit: opt_state", "optax"):
        import optax

    def is_masked(node: object) -> bool:
        return isinstance(node, optax.MaskedNode)

    initial = optimizer.init(params)
    try:
        slotted = optax.tree_utils.tree_map_params(
            optimizer,
            lambda value, slot: value if is_masked(value) else slot,
            initial,
            slots,
            transform_non_params=lambda _: ELSE,
            is_leaf=is_masked,
        )
    except Exception as error:  # Whatever an optimizer does with a placeholder for parameters.
        raise TypeError(
            "reinit: optax.tree_utils.tree_map_params does not tell what in the state of this "
            f"optimizer is like the parameters: {error}"
        ) from error
    expected: Any
    given, expected = map(jax.tree.structure, (opt_state, initial))
    if given != expected:
        raise TypeError(
            "reinit: opt_state must be what optimizer.init(params) returned, or an update of it, "
            f"whose structure is {expected}; got {given}"
        )
    return jax.tree.map(put_in_slot, slotted, opt_state, initial)


def put_in_slot(slot: Slot, value: Any, initial: Any) -> Any:
    """One leaf of a state, with its initial values where its parameter is new."""
    if slot.mask is True or (slot.mask is not None and np.shape(value) == slot.shape):
        return put_where(slot.mask, initial.astype(value.dtype), value)
    return value
