"""`check`: whether parameters have the laws that they should, whoever made them."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from cthulhu._types import PyTree
from cthulhu.audit._audit import Audit, Flag, LeafAudit
from cthulhu.audit._copies import copies
from cthulhu.audit._expected import planned_for, refuse_module, there_of
from cthulhu.audit._faults import faults, layers_of, narrow
from cthulhu.audit._looks import Look, beside, looks, spread
from cthulhu.audit._observed import lies_on_host
from cthulhu.params import Plan
from cthulhu.params._described import describe
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Leaf, Stacked
from cthulhu.params._rules import RulesLike
from cthulhu.recipes import Naming, Recipe
from cthulhu.trees import Path, is_array, join
from cthulhu.usage import Usage

OWNER = "check"
NO_MESH = Mesh(np.empty((), object), ())


def check(
    params: PyTree,
    rules: Plan[PyTree] | Recipe | RulesLike,
    *,
    rate: float = 1e-3,
    naming: Naming | str | None = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    usage: Usage | None = None,
    **hyperparameters: Any,
) -> Audit:
    """Test whether parameters follow the laws that they should, whoever made them.

    Where `verify` asks for the very values of a key, this asks for the law: of a checkpoint
    at step 0, of another library's initialization, of a port. Every parameter is read once.
    Means and standard deviations are those of all values; the distribution is that of a
    sample of at most 4,096.

    What is tested: constants and other fixed values exactly; elementwise laws by the mean,
    the mean square, the extremes, the zeros and the distribution (Kolmogorov-Smirnov), with exact
    probabilities, or those of sums of many; orthogonal matrices by norms, which they keep;
    other laws against eight draws of their own. All probabilities together are held against
    `rate`, after Holm. Stacked layers, and blocks side by side, are looked at one by one.

    Args:
        params: a tree of arrays, of any framework; what `cthulhu.adapters.torch.tree` makes
            of a state dict.
        rules: the name of a recipe, as ``"gpt2:openai"``, or a `cthulhu.recipes.Recipe`;
            `cthulhu.params.Rules`, or what they are made of; or a plan.
        rate: the probability that anything is found wrong with a tree as it should be.
        naming: with a recipe, as for `cthulhu.recipes.rules`.
        stacked: with rules, as for `cthulhu.params.init_params`.
        layout: with rules, as for `cthulhu.params.init_params`.
        usage: with rules, as for `cthulhu.params.init_params`.
        **hyperparameters: with the name of a recipe, as for `cthulhu.recipes.rules`.

    Returns:
        An `Audit`: a table when printed, `leaves` as data, true if nothing is wrong.

    Raises:
        ValueError: a parameter matches no rule, or an argument is out of range.
        TypeError: the arguments do not fit each other.

    Example:
        >>> from cthulhu import recipes
        >>> from cthulhu.params import init_params
        >>> tree = recipes.shapes("gpt2", layers=2, width=64, hidden=256, vocabulary=500)
        >>> params = init_params(0, tree, recipes.rules("gpt2:openai"))
        >>> bool(check(params, "gpt2:openai"))
        True
        >>> for leaf in check(params, "gpt2").failures[:2]:
        ...     print(leaf.path, [flag.kind for flag in leaf.flags])
        layers/0/attention/out/kernel ['depth']
        layers/0/mlp/out/kernel ['depth']

    References:
        Holm (1979), "A simple sequentially rejective multiple test procedure",
        https://www.jstor.org/stable/4615733. Birnbaum and Tingey (1951), "One-sided
        confidence contours for probability distribution functions",
        https://doi.org/10.1214/aoms/1177729550. Massart (1990), "The tight constant in the
        Dvoretzky-Kiefer-Wolfowitz inequality", https://doi.org/10.1214/aop/1176990746
    """
    given: Any = rate
    if not isinstance(given, int | float) or not 0 < given < 1:
        raise ValueError(f"{OWNER}: rate must be a probability between 0 and 1; got {rate!r}")
    refuse_module(OWNER, params)
    planned = planned_for(OWNER, params, rules, naming, stacked, layout, usage, hyperparameters)
    there = there_of(OWNER, params, planned)
    with jax.set_mesh(NO_MESH):  # Each array lies as it says, not as its surroundings do.
        return concluded(looked_at(planned, there), rate)


def looked_at(
    planned: Plan[PyTree], there: Mapping[Path, Any]
) -> list[tuple[Leaf, list[Look], list[Flag]]]:
    """The parts of each parameter, and what is wrong before any value is looked at."""
    begun: list[tuple[Leaf, list[Callable[[], Look]], list[Flag]]] = []
    for leaf in planned.leaves:
        value = there.get(leaf.path)
        flag = misfit(leaf, value)
        if value is None or flag:
            begun.append((leaf, [], [flag] if flag else []))
        else:
            parts = looks(beside(leaf, there), value)
            if lies_on_host(value):  # Read now, so that what lies in a file is let go.
                parts = [done(part()) for part in parts]
            begun.append((leaf, parts, []))
    return [(leaf, [look() for look in parts], flags) for leaf, parts, flags in begun]


def done(look: Look) -> Callable[[], Look]:
    """What waits for nothing."""
    return lambda: look


def misfit(leaf: Leaf, value: Any) -> Flag | None:
    """What is wrong before any value is looked at."""
    if value is None:
        return Flag("missing", "is missing")
    if not is_array(value) or isinstance(value, jax.ShapeDtypeStruct):
        return Flag("missing", f"has no values: it is a {type(value).__name__}")
    if tuple(value.shape) != leaf.shape:
        return Flag("shape", f"has shape {tuple(value.shape)}, where {leaf.shape} is expected")
    return None


def concluded(seen: list[tuple[Leaf, list[Look], list[Flag]]], rate: float) -> Audit:
    """The audit of all parameters: which tests failed, with all of them in mind, and why."""
    names = [join(leaf.path) for leaf, _, _ in seen]
    layers = layers_of(names)
    raw = [test.p for _, parts, _ in seen for look in parts for test in look.tests]
    adjusted = iter(holm(raw))
    repeated = copies(samples(seen))
    leaves = []
    for name, (leaf, parts, before) in zip(names, seen, strict=True):
        least: float | None = None
        by_part = [before]
        for at, look in enumerate(parts):
            values = [next(adjusted) for _ in look.tests]
            wrong = {test.name for test, p in zip(look.tests, values, strict=True) if p < rate}
            least = min([*values, *([] if least is None else [least])], default=None)
            flags = list(look.flags)
            if look.seen.bad:
                text = f"{look.seen.bad} of {look.seen.size} values are no finite numbers"
                flags.append(Flag("non-finite", text))
            thin = narrow(look)
            if thin is not None:
                flags.append(thin)
                # Few bits reach less far, and less near, than many.
                wrong -= {"minimum", "maximum", "zeros"}
            if wrong:
                flags += faults(leaf, look, wrong, layers, name)
            if (copy := repeated.get(label(name, at))) is not None:
                flags.append(Flag("duplicate", f"is a copy of {copy}"))
            by_part.append(flags)
        leaves.append(row(name, leaf, parts, least, merged(by_part)))
    return Audit(tuple(leaves), rate, len(raw))


def holm(values: list[float]) -> list[float]:
    """Probabilities that hold for all tests together."""
    order = np.argsort(values, kind="stable")
    count, highest = len(values), 0.0
    found = [0.0] * count
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, (count - place) * values[at]))
        found[at] = highest
    return found


def label(name: str, at: int) -> str:
    """What a part of a parameter is called."""
    return f"{name}, part {at}" if at else name


def samples(
    seen: list[tuple[Leaf, list[Look], list[Flag]]],
) -> Iterator[tuple[str, int, Any]]:
    """What the values of each random part begin with."""
    for leaf, parts, _ in seen:
        for at, look in enumerate(parts):
            random = look.section is None or look.section.law.uses_key
            if random and not leaf.siblings and not leaf.kept:
                yield label(join(leaf.path), at), look.seen.size, look.seen.sample


def row(
    name: str, leaf: Leaf, parts: list[Look], least: float | None, flags: tuple[Flag, ...]
) -> LeafAudit:
    """What is said of one parameter."""
    told = describe(leaf)
    common = LeafAudit(
        name,
        leaf.role,
        leaf.shape,
        str(leaf.dtype),
        told.initializer,
        told.mean,
        told.stddev,
        flags=flags,
        note="kept, so only looked at for numbers that are not finite" if leaf.kept else "",
    )
    counted = [look for look in parts if look.seen.size]
    if not counted:
        return common
    mean, stddev = spread(counted)
    worst = {
        kind: max(
            (test.z for look in counted if (test := look.test(kind)) is not None),
            key=abs,
            default=None,
        )
        for kind in ("mean", "stddev")
    }
    return dataclasses.replace(
        common,
        mean=mean,
        stddev=stddev,
        minimum=min(look.seen.low for look in counted),
        maximum=max(look.seen.high for look in counted),
        zeros=sum(look.seen.zeros for look in counted),
        ones=sum(look.seen.ones for look in counted),
        non_finite=sum(look.seen.bad for look in counted),
        z_mean=worst["mean"],
        z_stddev=worst["stddev"],
        p_value=least,
    )


def joined(flags: list[Flag]) -> list[Flag]:
    """Flags of one part, of each kind one."""
    kinds = dict.fromkeys(flag.kind for flag in flags)
    return [
        Flag(kind, "; ".join(dict.fromkeys(f.detail for f in flags if f.kind == kind)))
        for kind in kinds
    ]


def merged(parts: list[list[Flag]]) -> tuple[Flag, ...]:
    """The flags of a parameter: those of one kind in many parts as one."""
    found: dict[str, list[str]] = {}
    for flag in itertools.chain.from_iterable(map(joined, parts)):
        found.setdefault(flag.kind, []).append(flag.detail)
    return tuple(
        Flag(kind, details[0] + (f" (and {len(details) - 1} parts more)" if details[1:] else ""))
        for kind, details in found.items()
    )
