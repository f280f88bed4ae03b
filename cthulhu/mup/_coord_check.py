"""`coord_check`: whether activations grow with the width of a model while it is trained."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cthulhu import checks
from cthulhu._types import PyTree
from cthulhu.mup._coordinates import CoordCheck
from cthulhu.mup._measured import OWNER, Init, Loss, Measured, Model
from cthulhu.mup._slopes import Coordinate, Kind, LeafNorm, Watched
from cthulhu.usage._activations import Activation
from cthulhu.usage._usage import Usage


def coord_check(
    make: Callable[[int], tuple[Init, Loss, Any]],
    widths: Sequence[int],
    batch: PyTree = None,
    *,
    steps: int = 4,
    seeds: int = 3,
) -> CoordCheck:
    """Train a model a few steps at several widths, and measure all of its activations.

    In a right parametrization, the size of every activation is the same at every width, before
    the first step and after it: then the best learning rate is the same, too. What is
    measured is found in the program: the output of every kernel and every table, with its bias and
    with the scalars that multiply it, and of every contraction of activations with each other, as
    of queries and keys. Neither the model nor its framework takes part in that.

    The model is trained on one batch, as it is: so without dropout, and in float32. All that
    scales must scale with the width, as the hidden layer of a transformer's MLP.

    Slopes are those of wide models once noise has faded. What random readouts and queries begin
    with fades as 1/√width: begin with zeros, as muP recommends, or take a learning rate larger than
    is good. And a batch of a few examples, for many are learned by their mean, of which narrow
    models see less.

    Args:
        make: from a width to three things: ``init(key)``, which returns the parameters;
            ``loss(params, batch)``, a scalar; and the optimizer, an
            `optax.GradientTransformation`. `init` and `loss` are compiled, once for each width.
        widths: two or more, as the powers of two from 64 to 1024; 4 to 6 of them tell enough.
        batch: what `loss` is given: a pytree of arrays. A small one is enough.
        steps: before how many steps the activations are looked at; the first is before any
            update.
        seeds: over how many keys, `jax.random.key` of 0, 1, …, the statistics are averaged.

    Returns:
        A `CoordCheck`: a table when printed, `slopes` as data, `plot`, and `assert_flat`, which
        raises an error where something is not flat.

    Raises:
        ValueError: `widths` are less than two, or change nothing; the loss uses no kernel and no
            table; or models of different widths have different parameters or activations.
        TypeError: `make` returns something else, or an argument is of another type.
        FloatingPointError: an activation or the loss is not finite.

    Example:
        With the standard parametrization, and Adam, the readout grows once it is trained:

        >>> import jax, jax.numpy as jnp, optax
        >>> def make(width):
        ...     def init(key):
        ...         first, second = jax.random.split(key)
        ...         return {"hidden": jax.random.normal(first, (4, width)) / 2,
        ...                 "readout": jax.random.normal(second, (width, 2)) / width**0.5}
        ...     def loss(params, batch):
        ...         x, y = batch
        ...         return ((jax.nn.relu(x @ params["hidden"]) @ params["readout"] - y) ** 2).mean()
        ...     return init, loss, optax.adam(0.01)
        >>> batch = jax.random.normal(jax.random.key(1), (8, 4)), jnp.ones((8, 2))
        >>> check = coord_check(make, [64, 256, 1024], batch, steps=2)
        >>> slopes = check.slopes()
        >>> [(name, abs(slopes[name][1]) > 0.4) for name in ("hidden", "readout")]
        [('hidden', False), ('readout', True)]

    References:
        Yang et al. (2022), "Tensor Programs V: Tuning large neural networks via zero-shot
        hyperparameter transfer", https://arxiv.org/abs/2203.03466, appendix D.1. Yang, Simon and
        Bernstein (2023), "A spectral condition for feature learning",
        https://arxiv.org/abs/2310.17813
    """
    sizes = checked_widths(widths)
    checks.count(OWNER, "steps", steps)
    checks.count(OWNER, "seeds", seeds)
    found = [Measured(model_of(make, width), batch) for width in sizes]
    alike(found)
    return collected(sizes, steps, seeds, found)


def checked_widths(widths: Iterable[int]) -> tuple[int, ...]:
    """At least two widths, in order."""
    asked: Any = widths
    given = list(asked) if isinstance(asked, Iterable) else [asked]
    sizes = tuple(sorted({checks.count(OWNER, "widths", width) for width in given}))
    if len(sizes) < 2:
        raise ValueError(
            f"{OWNER}: widths must be at least two different ones, for a slope; got {widths!r}"
        )
    return sizes


def model_of(make: Callable[[int], Any], width: int) -> Model:
    """What the caller's function makes of a width."""
    made = make(width)
    parts = tuple(made) if isinstance(made, tuple | list) else ()
    wanted = "a tuple (init, loss, optimizer)"
    if len(parts) != 3:
        raise TypeError(f"{OWNER}: make must return {wanted}; for the width {width} it is {made!r}")
    init, loss, optimizer = parts
    is_optimizer = hasattr(optimizer, "init") and hasattr(optimizer, "update")
    if not (callable(init) and callable(loss) and is_optimizer):
        raise TypeError(
            f"{OWNER}: make must return {wanted}, of two functions and an "
            f"optax.GradientTransformation; for the width {width} it is {made!r}"
        )
    return Model(width, init, loss, optimizer)


def alike(found: Sequence[Measured]) -> None:
    """Refuse models that differ in more than their width, or not at all."""
    first = found[0]
    for other in found[1:]:
        for what, here, there in (
            ("parameters", paths_of(first), paths_of(other)),
            ("activations", names_of(first), names_of(other)),
        ):
            if here != there:
                lone = [name for name in (*here, *there) if (name in here) != (name in there)]
                named = ", ".join(map(repr, lone[:5])) or "their order"
                raise ValueError(
                    f"{OWNER}: models of all widths must have the same {what}; those of the widths "
                    f"{first.model.width} and {other.model.width} differ in {named}"
                )
    for one, other in itertools.pairwise(found):
        if shapes_of(one) == shapes_of(other):
            raise ValueError(
                f"{OWNER}: make must make a wider model of a larger width; those of the widths "
                f"{one.model.width} and {other.model.width} have parameters of the same shapes"
            )


def names_of(found: Measured) -> list[str]:
    """The names of the activations."""
    return [one.name for one in found.activations]


def paths_of(found: Measured) -> list[str]:
    """The paths of the parameters."""
    return [leaf.path for leaf in found.usage]


def shapes_of(found: Measured) -> list[tuple[int, ...]]:
    """The shapes of the parameters."""
    return [leaf.shape for leaf in found.usage]


def kind_of(activation: Activation, narrow: Usage, wide: Usage) -> Kind:
    """What an activation is the output of."""
    path, use = activation.path, activation.use
    if path is None or use is None:
        return "contraction"
    pairs = zip(narrow[path].shape, wide[path].shape, strict=True)
    grown = {axis for axis, (size, wider) in enumerate(pairs) if size != wider}
    sums_more = use.role == "kernel" and not grown.isdisjoint(use.inputs)
    return "readout" if sums_more and grown.isdisjoint(use.outputs) else "layer"


def collected(
    widths: tuple[int, ...], steps: int, seeds: int, models: Sequence[Measured]
) -> CoordCheck:
    """Run all models, and gather the averages as rows."""
    coordinates, leaves = [], []
    made: set[str] = set()
    for one in models:
        measured, norms = one.run(steps, seeds)
        decays = one.decays()
        width = one.model.width
        for step, (found, sizes) in enumerate(zip(measured, norms, strict=True), 1):
            when = f"of the width {width} before step {step}"
            for name, (*values, times) in found.activations.items():
                if times:
                    made.add(name)
                    finite(f"the activation {name!r} {when}", values)
                coordinates.append(Coordinate(name, step, width, *values))
            finite(f"the loss {when}", (found.loss,))
            for path, size, decay in zip(paths_of(one), sizes, decays, strict=True):
                norm, change = (None, None) if size is None else map(float, size)
                leaves.append(LeafNorm(path, step, width, norm, change, decay))
    watched = tuple(
        Watched(one.name, kind_of(one, models[0].usage, models[-1].usage))
        for one in models[0].activations
        if one.name in made
    )
    kept = tuple(row for row in coordinates if row.name in made)
    return CoordCheck(widths, steps, seeds, watched, kept, tuple(leaves))


def finite(what: str, values: Iterable[float]) -> None:
    """Refuse numbers that are none."""
    for value in values:
        if not math.isfinite(value):
            raise FloatingPointError(f"{OWNER}: {what} is {value}; is the learning rate too large?")
