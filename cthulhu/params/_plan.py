"""`plan`: the dry run of an initialization, which can be read, saved and run."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, overload

from cthulhu import compat
from cthulhu._types import Array, KeyLike, PyTree
from cthulhu.initializers._lookup import CustomObjects
from cthulhu.params import _making as making
from cthulhu.params._beside import as_rules
from cthulhu.params._cautions import caution
from cthulhu.params._described import describe
from cthulhu.params._initplan import InitPlan, init_plan
from cthulhu.params._keys import key_first
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Leaf, Stacked, leaves_of
from cthulhu.params._progress import bar
from cthulhu.params._relations import related
from cthulhu.params._rows import LeafPlan, Rows
from cthulhu.params._rules import Rules, RulesLike
from cthulhu.params._saved import Saved, recipe, restored
from cthulhu.trees import Frame, is_tree, join
from cthulhu.usage import Usage

Tree = TypeVar("Tree")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, repr=False)
class Plan(Rows, Generic[Tree]):
    """An initialization that has been checked, but not run. Made by `plan`.

    Args:
        leaves: the parameters.
        frame: the tree that they form, without them.
        saved: all there is, if JSON could not hold the initializers.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import plan
        >>> shapes = {"kernel": jax.ShapeDtypeStruct((4, 8), np.float32)}
        >>> planned = plan(shapes, {"kernel": "he_normal"})
        >>> planned.nbytes, planned.run(0)["kernel"].nbytes
        (128, 128)
    """

    leaves: tuple[Leaf, ...]
    frame: Frame
    saved: Saved | None = None

    @property
    def rows(self) -> list[LeafPlan]:
        """What will be made, a row for each parameter."""
        if self.saved is not None:
            return list(self.saved.rows)
        return [describe(leaf) for leaf in self.leaves]

    @property
    def nbytes(self) -> int:
        """The bytes of all parameters."""
        if self.saved is not None:
            return super().nbytes
        return sum(leaf.nbytes for leaf in self.leaves)

    @property
    def programs(self) -> int:
        """The number of distinct programs that `run` needs."""
        if self.saved is not None:
            return self.saved.programs
        return making.count_programs(self.leaves)

    def _record(self) -> dict[str, Any]:
        """The plan as data that JSON can hold: its rows, and what makes them."""
        own = {} if self.saved is not None else {"recipes": list(map(recipe, self.leaves))}
        return {**super()._record(), **own}

    @classmethod
    def from_json(
        cls,
        text: str,
        *,
        shardings: PyTree = None,
        custom_objects: CustomObjects = None,
    ) -> "Plan[PyTree]":
        """Read a plan that `to_json` wrote: the same rows, and when run the same values.

        JSON holds the initializers of this library, and instances of your own classes
        that have a config. With another (a bare function, `Keep`), or if `text` is the
        plan of an init function, the plan can be shown and compared, and not run.

        Args:
            text: what `to_json` returned.
            shardings: as for `plan`; those of the plan that was written are not kept.
            custom_objects: your own initializers' classes, by name.

        Returns:
            A plan of nested dicts, by path, whatever the tree was that it was made of.

        Raises:
            ValueError: `text` is not what `to_json` wrote, was changed, or comes from a
                version that derives keys otherwise.

        Example:
            >>> import jax, numpy as np
            >>> spec = jax.ShapeDtypeStruct((4, 8), np.float32)
            >>> made = plan({"dense": {"kernel": spec}}, [(".*", "he_normal")])
            >>> again = Plan.from_json(made.to_json())
            >>> kernels = made.run(0)["dense"]["kernel"], again.run(0)["dense"]["kernel"]
            >>> again.rows == made.rows, bool(np.array_equal(*kernels))
            (True, True)
        """
        leaves, frame, saved = restored(text, shardings, custom_objects)
        return cls(tuple(leaves), frame, saved)

    def _check_runs(self, owner: str) -> None:
        """Refuse a plan that can only be looked at."""
        if self.saved is not None:
            self.saved.refuse(owner)

    def run(self, key: KeyLike, *, progress: bool = False) -> Tree:
        """Make all parameters.

        Args:
            key: one PRNG key of any implementation, or an integer seed; it may be
                traced.
            progress: whether to show a bar.

        Returns:
            The tree that was planned, holding arrays. What an Equinox module has
            among its leaves that is no array, as functions, stays as it is.

        Raises:
            TypeError, ValueError: `key` is neither a single key nor a seed. Or the plan
                was read from JSON, which could not hold an initializer.
        """
        self._check_runs("Plan.run")
        words = making.leaf_words("init_params", key, self.leaves)
        made: Tree
        if compat.under_trace():
            made = self.frame.fill(making.make_traced(self.leaves, words))
            return made
        with bar("Initializing", max(1, self.nbytes), shown=progress) as advance:
            values = making.make(self.leaves, words, advance)
        made = self.frame.fill(values)
        return made

    def stream(self, key: KeyLike) -> Iterator[tuple[str, Array]]:
        """Make the parameters one at a time, for a model larger than memory.

        Args:
            key: as for `run`; the values are the same.

        Yields:
            The path of a parameter, joined by slashes, and its array. Only one
            parameter is held at a time.
        """
        self._check_runs("Plan.stream")
        words = making.leaf_words("Plan.stream", key, self.leaves)
        values = making.stream(self.leaves, words)
        for leaf in self.leaves:  # A zip would hold an array while the next is made.
            yield join(leaf.path), next(values)


@overload
def plan(
    source: Callable[..., Result], *args: Any, shardings: PyTree = None, **kwargs: Any
) -> InitPlan[Result]: ...
@overload
def plan(
    source: Tree,
    rules: RulesLike,
    /,
    *,
    shardings: PyTree = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    usage: Usage | None = None,
) -> Plan[Tree]: ...
def plan(
    source: Any,
    *args: Any,
    shardings: PyTree = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    usage: Usage | None = None,
    **kwargs: Any,
) -> Plan[PyTree] | InitPlan[PyTree]:
    """Check an initialization, and say what it will do, without doing it.

    Either way of initializing a model has its plan: ``plan(tree, rules)`` is that
    of ``init_params(key, tree, rules)``, and ``plan(init_fn, *args)`` that of
    ``fast_init(init_fn)(*args)``.

    A `UserWarning` says where, without `layout` and `stacked`, an initializer's
    default axes meet a weight that is named as in Equinox and PyTorch, which lie
    (out, in), or what looks like stacked layers. An init function has its own axes,
    which are not seen.

    Args:
        source: a pytree of `jax.ShapeDtypeStruct` or arrays, of any framework, as
            ``jax.eval_shape(model.init, key, inputs)["params"]``, or a module of
            Equinox or nnx; or an init function.
        *args: for a tree, `Rules`, or what they are made of; for an init
            function, its arguments.
        shardings: a sharding, or a pytree of them that is a prefix of the tree or
            of the result; default: those that the leaves bring along.
        stacked: for a tree, the axis along which leaves stack layers, for all
            leaves or by path regex, as ``{"layers/.*": 0}``. Each layer has a key
            of its own, and is initialized as if it stood alone. ``{}`` says that
            there are none.
        layout: for a tree, how its weights lie, as in `Rules`: ``"out_in"`` or
            ``"in_out"``.
        usage: for a tree, what its model uses it as, of `cthulhu.usage.infer`, as in
            `Rules`: the axes of inputs, outputs and stacks.
        **kwargs: for an init function, its keyword arguments.

    Returns:
        A plan: a table when printed, `rows` as data, `run(key)` to do it and
        `stream(key)` to do it a leaf at a time.

    Raises:
        ValueError: a parameter matches no rule, a rule matches no parameter, a
            sharding does not divide a shape, an initializer does not take one, or
            an init function has side effects.
        TypeError: a leaf is not an array, or not of a type that its initializer
            makes.

    Example:
        >>> import flax.linen as nn, jax, numpy as np
        >>> spec = jax.ShapeDtypeStruct((4, 8), np.float32)
        >>> plan({"a": spec, "b": spec}, [(".*", "he_normal")]).programs
        1
        >>> init = nn.Dense(8).init
        >>> [row.path for row in plan(init, jax.random.key(0), np.ones((1, 4))).rows]
        ['params/bias', 'params/kernel']
    """
    if callable(source) and not is_tree(source):
        for name, given in (("stacked", stacked), ("layout", layout), ("usage", usage)):
            if given is not None:
                raise TypeError(
                    f"plan: {name} belongs to a tree with rules, not to an init function"
                )
        return init_plan(source, shardings, args, kwargs)
    if len(args) != 1 or kwargs:
        raise TypeError(
            "plan: takes (tree, rules), or (init_fn, *args); "
            f"got a tree and {len(args) + len(kwargs)} further arguments"
        )
    rules = as_rules("plan", args[0], layout, usage)
    made = rules_plan("plan", source, rules, shardings, stacked)
    if rules.usage is None:
        caution("plan", made.leaves, rules.layout, stacked, stacklevel=2)
    return made


def rules_plan(
    owner: str, tree: Tree, rules: Rules, shardings: PyTree, stacked: Stacked
) -> Plan[Tree]:
    """The plan of an initialization by rules."""
    leaves, frame = leaves_of(owner, tree, rules, shardings, stacked)
    return Plan(tuple(related(owner, leaves)), frame)


def init_params(
    key: KeyLike,
    tree: Tree,
    rules: RulesLike,
    *,
    shardings: PyTree = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    usage: Usage | None = None,
    progress: bool = False,
) -> Tree:
    """Initialize the parameters of any model by rules on their paths.

    The key of a parameter follows from `key` and its path alone, so adding,
    removing or reordering others changes nothing. The values depend neither on
    the mesh, nor on the number of processes, nor on the key implementation that
    `jax_default_prng_impl` names. Elementwise laws on the host share one program,
    whatever the shapes. Axes that look wrong are warned of, as by `plan`.

    Args:
        key: one PRNG key of any implementation, or an integer seed; it may be
            traced.
        tree: a pytree of `jax.ShapeDtypeStruct` or arrays, of any framework.
        rules: `Rules`, or what they are made of; one initializer is for all.
        shardings: a sharding, or a pytree of them that is a prefix of `tree`;
            default: those that the leaves bring along. Each device makes its own
            part alone.
        stacked: the axis along which leaves stack layers, for all leaves or by
            path regex, as ``{"layers/.*": 0}``; ``{}`` says that there are none.
        layout: how the weights lie, as in `Rules`: ``"out_in"`` or ``"in_out"``.
        usage: what the model uses its parameters as, of `cthulhu.usage.infer`, as in `Rules`.
        progress: whether to show a bar.

    Returns:
        A tree like `tree`, of arrays.

    Raises:
        ValueError, TypeError: as `plan`; nothing has been made then. Or `key` is
            neither a single key nor a seed.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import Rules
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> tree = {"dense": {"kernel": spec(4, 8), "bias": spec(8)}}
        >>> rules = Rules([(".*/kernel", "he_normal"), (".*/bias", "zeros")])
        >>> params = init_params(jax.random.key(0), tree, rules)
        >>> again = init_params(0, {"dense": {"kernel": spec(4, 8)}}, rules.rules[:1])
        >>> bool(np.array_equal(params["dense"]["kernel"], again["dense"]["kernel"]))
        True
    """
    key_first("init_params", "key, tree, rules", key, tree, rules)
    rules = as_rules("init_params", rules, layout, usage)
    planned = rules_plan("init_params", tree, rules, shardings, stacked)
    if rules.usage is None:
        caution("init_params", planned.leaves, rules.layout, stacked, stacklevel=2)
    return planned.run(key, progress=progress)
