"""`rules`: the laws of a base model, at another width."""

import dataclasses
import math
import re
from collections import Counter
from typing import Any

import jax.numpy as jnp

from cthulhu import checks
from cthulhu.initializers import ByDepth, Scaled, Stacked
from cthulhu.initializers._by_depth import DEPTH, asks_for_layer
from cthulhu.initializers._nested import Combinator
from cthulhu.mup._kind import Kind, Multipliers
from cthulhu.mup._kinds import KindLike, kind_of
from cthulhu.mup._leaf import LeafShape
from cthulhu.mup._shapes import Shapes, check_shapes
from cthulhu.params import OrthogonalTo, RingNormalizer, Rule, Rules, Tied, WeightNormScale
from cthulhu.params import _patterns as patterns
from cthulhu.params._beside import as_rules
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Leaf, check_kernel, checked, stack_axes
from cthulhu.params._leaves import Stacked as StackedAxes
from cthulhu.params._relations import related
from cthulhu.params._rules import RulesLike
from cthulhu.params._using import layout_in_layer, stack_of, usage_of
from cthulhu.usage import Usage

OWNER = "mup.rules"
EXACT = 1e-6  # Scales are float32: what differs from 1 by less is 1.

FOLLOWING = (Tied, WeightNormScale, RingNormalizer)
"""What holds the values of others, or their norms, and follows them."""

INPUTS = (OrthogonalTo,)
"""What is made of others, and has one scale however many outputs there are."""

COUNTING = {name for name in DEPTH if "l" not in name}
"""The factors that depend on the number of layers alone."""


def rules(
    rules: RulesLike,
    shapes: Shapes,
    kind: KindLike = "mup",
    *,
    layout: TreeLayout = None,
    stacked: StackedAxes = None,
    usage: Usage | None = None,
) -> Rules:
    """The rules of the base model, as rules for the wide one.

    Law: that which a rule names, times a number, so that its standard deviation is what the law
    has *at the shape of the base*, times that of the kind. So in kind ``"mup"`` ``lecun_normal``
    stays as it is in hidden layers, and is multiplied by √m in a readout. Where a law has a
    mean, its root mean square counts. A law that needs no change is left as it is: a model as
    wide as its base has, bit for bit, the values of `rules`. Kind ``"umup"`` has no base: all
    that is drawn and is no vector gets standard deviation 1.

    What is made of siblings follows them: `Tied`, `WeightNormScale` and `RingNormalizer` stay, as
    does `OrthogonalTo` where the rank is fixed, and a bias of torch's (`TorchBias`) has the
    fan_in of the base. `Keep` keeps. A zero
    readout, and zero queries, are rules of your own. `ByDepth` sees the layers of the wide
    model, as with `init_params`; in kind ``"completep"``, whose branches have a factor instead,
    those of the base.

    Args:
        rules: the rules of the base model: what `cthulhu.params.Rules` are made of.
        shapes: what `infer` found.
        kind: the kind of parametrization: a name, or as `CompleteP` with its arguments.
        layout: as for `cthulhu.params.init_params`, if the rules do not say.
        stacked: as for `init_params`, which must be told the same.
        usage: as for `init_params`, of the wide model, if the rules do not say. The rules that
            are returned say it.

    Returns:
        `Rules`, for `init_params`, `plan`, `check` and all that takes them.

    Raises:
        ValueError: a law is changed whose standard deviation is not known, or one by a factor
            of the layer that is no named one of their number; or as `cthulhu.params.plan`.
        TypeError: as `plan`.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import mup
        >>> def model(width):
        ...     spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        ...     return {"in": spec(8, width), "mid": spec(width, width), "out": spec(width, 2)}
        >>> shapes = mup.infer(model(64), model(256), layout="in_out")
        >>> for rule in mup.rules([(".*", "lecun_normal")], shapes).rules:
        ...     print(rule)
        Rule('out', Scaled(init=LecunNormal(), factor=2.0))
        Rule('.*', LecunNormal())
    """
    check_shapes(OWNER, shapes)
    given = as_rules(OWNER, rules, layout, usage)
    kind = kind_of(OWNER, kind)
    multipliers = shapes.multipliers(kind)
    wide, base = (leaves_of(given, shapes, stacked, at_base) for at_base in (False, True))
    factors = [
        factor_of(leaf, one, shape, multipliers[shape.path], kind)
        for leaf, one, shape in zip(wide, base, shapes, strict=True)
    ]
    return rewritten(given, shapes, wide, factors)


def leaves_of(rules: Rules, shapes: Shapes, stacked: StackedAxes, at_base: bool) -> list[Leaf]:
    """The parameters under rules, at their own width or at that of the base."""
    paths = [tuple(shape.path.split("/")) for shape in shapes]
    found = rules.resolve(paths)
    axes = stack_axes(OWNER, stacked, paths)
    leaves = []
    for path, known, rule, said in zip(paths, shapes, found, axes, strict=True):
        shape, dtype = known.law_shape if at_base else known.shape, jnp.dtype(known.dtype)
        used = usage_of(OWNER, rules.usage, path, known.shape)
        axis = stack_of(used) if stacked is None else said
        check_kernel(OWNER, path, shape, rule)
        by_use = layout_in_layer(used, axis)
        layout = rule.layout or by_use or rules.layout
        leaf = Leaf(
            *(path, shape, dtype, None, rule.initializer, axis, None),
            layout=layout,
            role=rule.role,
            used=used,
            source="rule" if rule.layout else "use" if by_use else "rules",
        )
        leaves.append(checked(OWNER, leaf, layout))
    return related(OWNER, leaves)


def factor_of(leaf: Leaf, base: Leaf, shape: LeafShape, by: Multipliers, kind: Kind) -> float:
    """What multiplies the values of a law."""
    follows = (*FOLLOWING, *INPUTS) if shape.role == "input" else FOLLOWING
    if leaf.kept or isinstance(leaf.initializer, follows):
        return 1.0
    if by.std is None:
        return unit(leaf, shape)
    factor = by.std
    # A bias of torch's knows the kernel beside it, which may grow where the bias does not.
    if leaf.shape != base.shape or leaf.initializer != base.initializer:
        factor *= ratio(leaf, base)
    if kind.deeper != 1:
        factor *= undone(leaf.initializer, leaf.shape, kind.deeper, shape.path)
    return 1.0 if math.isclose(factor, 1.0, rel_tol=EXACT) else factor


def unit(leaf: Leaf, shape: LeafShape) -> float:
    """What makes a standard deviation 1, of what is drawn and is no vector."""
    known = size(leaf)
    if shape.is_vector or known == 0:
        return 1.0
    if known is None:
        raise unknown(leaf)
    return 1.0 if math.isclose(known, 1.0, rel_tol=EXACT) else 1 / known


def ratio(leaf: Leaf, base: Leaf) -> float:
    """The root mean square of a law at the width of the base, divided by that at its own."""
    own, other = size(leaf), size(base)
    if own is None or other is None:
        raise unknown(leaf)
    return other / own if own else 1.0


def size(leaf: Leaf) -> float | None:
    """The root mean square of a law, if it is known."""
    moments = None if leaf.draw is None else leaf.draw.moments()
    return None if moments is None else math.hypot(moments.mean, moments.stddev)


def unknown(leaf: Leaf) -> ValueError:
    return ValueError(
        f"{OWNER}: {'/'.join(leaf.path)!r}: the standard deviation of {leaf.initializer!r} is not "
        "known, and so not what it is at the width of the base. Name an initializer of "
        "cthulhu.initializers, or tell mup.infer by roles={…: 'scalar'} that nothing of it grows"
    )


def undone(initializer: Any, shape: tuple[int, ...], deeper: float, path: str) -> float:
    """What makes a factor of the number of layers that of the base model."""
    if not isinstance(initializer, Combinator):
        return 1.0
    within = {undone(one, part, deeper, path) for one, part in initializer.parts(shape)}
    if len(within) > 1:
        raise ValueError(
            f"{OWNER}: {path!r}: parts of {initializer!r} depend on the depth, and others do not; "
            "leave ByDepth out: kind 'completep' has a factor of the branch in its place"
        )
    (factor,) = within
    if not isinstance(initializer, ByDepth):
        return factor
    if initializer.factor not in COUNTING:
        raise ValueError(
            f"{OWNER}: {path!r}: {initializer!r} differs from layer to layer, so that it is not "
            "known what it is in the base model; leave it out: kind 'completep' has a factor of "
            f"the branch in its place. The factors of the number of layers are {sorted(COUNTING)}"
        )
    by: Any = DEPTH[initializer.factor]
    layers = initializer.layers
    if layers is None:
        layers = shape[initializer.axis]  # type: ignore[index]
    return factor * float(by(0, layers / deeper) / by(0, layers))


def times(initializer: Any, factor: float) -> Any:
    """An initializer times a number; what knows about layers stays outside."""
    if factor == 1:
        return initializer
    if type(initializer) in (ByDepth, Stacked):
        return initializer.of_parts([times(initializer.init, factor)])
    if type(initializer) is Scaled and not checks.is_traced(initializer.factor):
        return dataclasses.replace(initializer, factor=initializer.factor * factor)
    seed = getattr(initializer, "seed", None)
    if seed is not None:
        initializer = dataclasses.replace(initializer, seed=None)
    return Scaled(initializer, factor, seed=seed)


def rewritten(rules: Rules, shapes: Shapes, leaves: list[Leaf], factors: list[float]) -> Rules:
    """Rules whose laws are multiplied: as few as may be, in their order."""
    names = [shape.path for shape in shapes]
    regexes = [patterns.Pattern("mup.rules: a rule is", rule.pattern) for rule in rules.rules]
    first = [next(at for at, regex in enumerate(regexes) if regex.matches(name)) for name in names]
    resolved = [rule.initializer for rule in rules.resolve([tuple(n.split("/")) for n in names])]
    found: list[Rule] = []
    for at, rule in enumerate(rules.rules):
        mine = [number for number, one in enumerate(first) if one == at]
        counts = Counter(factors[number] for number in mine)
        if not counts:
            found.append(rule)
            continue
        most = 1.0 if 1.0 in counts else counts.most_common(1)[0][0]
        groups: dict[Any, list[int]] = {}
        for number in mine:
            # By itself, a path does not tell the layer: what asks for it has been told.
            alone = number if asks_for_layer(rule.initializer) else None
            if factors[number] != most:
                groups.setdefault((factors[number], alone), []).append(number)
        for (factor, alone), members in groups.items():
            law = rule.initializer if alone is None else resolved[alone]
            pattern = "|".join(re.escape(names[number]) for number in members)
            changed = dataclasses.replace(rule, pattern=pattern, initializer=times(law, factor))
            found.append(dataclasses.replace(changed, optional=False))
        found.append(dataclasses.replace(rule, initializer=times(rule.initializer, most)))
    return Rules(found, layout=rules.layout, usage=rules.usage)
