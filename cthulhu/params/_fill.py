"""`fill`: the parameters that a tree lacks, as a restored checkpoint may."""

import dataclasses
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, overload

import jax

from cthulhu import checks
from cthulhu._types import KeyLike, PyTree
from cthulhu.params import _patterns as patterns
from cthulhu.params._beside import as_rules
from cthulhu.params._cautions import caution
from cthulhu.params._keys import leaf_keys
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Stacked, has_value, leaves_of, own_sharding
from cthulhu.params._plan import Plan
from cthulhu.params._relations import related
from cthulhu.params._rule import Keep
from cthulhu.params._rules import RulesLike
from cthulhu.trees import Path, flatten, frame_of, is_array, join

Tree = TypeVar("Tree")

POLICIES = ("init", "warn", "error")
Policy: TypeAlias = Literal["init", "warn", "error"]
Missing: TypeAlias = Policy | Mapping[str, Policy]
"""What to do about parameters that are missing: about all of them, or by path regex."""


@overload
def fill(
    params: Tree,
    key: KeyLike,
    rules: RulesLike,
    *,
    like: None = None,
    overwrite: str | Sequence[str] = (),
    missing: Missing = "init",
    shardings: PyTree = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    progress: bool = False,
) -> Tree: ...
@overload
def fill(
    params: PyTree,
    key: KeyLike,
    rules: RulesLike,
    *,
    like: Tree,
    overwrite: str | Sequence[str] = (),
    missing: Missing = "init",
    shardings: PyTree = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    progress: bool = False,
) -> Tree: ...
def fill(
    params: PyTree,
    key: KeyLike,
    rules: RulesLike,
    *,
    like: PyTree = None,
    overwrite: str | Sequence[str] = (),
    missing: Missing = "init",
    shardings: PyTree = None,
    stacked: Stacked = None,
    layout: TreeLayout = None,
    progress: bool = False,
) -> PyTree:
    """Initialize what is missing of a tree of parameters, and nothing else.

    What is there stays the same object, where and as it is. What is missing gets the
    values that `init_params` gives it with the whole tree: keys follow from paths, a
    rule matches among all paths, and is used though all it matches is there, and layers are
    counted among all of them. What is made of other parameters sees those that are there;
    where it computes with them, its last bit may be another than beside those that are new.

    A parameter is missing if it is a `jax.ShapeDtypeStruct`; or if `like` has its path
    and `params` has not, or has ``...`` there, which Orbax leaves for what it did not
    restore. Without `like`, nothing is known of what is `None` or not there.

    Args:
        params: a tree of arrays and `jax.ShapeDtypeStruct`, of any framework.
        key: one PRNG key of any implementation, or an integer seed; it may be
            traced. With the key of `init_params`, the values are the same.
        rules: `Rules`, or what they are made of, for the whole tree.
        like: the whole tree, of `jax.ShapeDtypeStruct` or arrays, which may be of
            another framework than `params`: they are compared by path. Default:
            `params`.
        overwrite: path regexes, or one, of parameters that are initialized whether they
            are there or not, whatever `missing` says; what is there need not have the
            shape that `like` says.
        missing: ``"init"``; or ``"warn"``, which says what was missing; or ``"error"``,
            which refuses it; or a mapping of path regexes to these, of which the first
            that matches wins, as ``{"head/.*": "init", ".*": "error"}``.
        shardings: as for `init_params`, for what is made; what is there is not moved.
        stacked: as for `init_params`.
        layout: as for `init_params`.
        progress: whether to show a bar.

    Returns:
        A tree like `like`, or else like `params`, of arrays.

    Raises:
        ValueError: `params` holds what `like` has not, or of another shape or type;
            a parameter is missing, and `missing` forbids it or does not speak of it; a
            regular expression matches nothing; what is missing is to be kept; or as
            `init_params`. Nothing has been made then.
        TypeError: as `init_params`.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import init_params
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> like = {"body": spec(4, 8), "head": spec(8, 2)}
        >>> restored = {"body": np.ones((4, 8), np.float32)}
        >>> params = fill(restored, 0, "he_normal", like=like)
        >>> params["body"] is restored["body"]
        True
        >>> head = init_params(0, like, "he_normal")["head"]
        >>> bool(np.array_equal(params["head"], head))
        True
    """
    rules = as_rules("fill", rules, layout)
    leaf_keys("fill", key, [])
    whole = whole_of(params, like, overwrite)
    refused, warned = by_policy(missing, whole)
    if refused:
        raise ValueError(
            f"fill: {listed(refused)}\nThey are refused by missing={missing!r}; 'init' and 'warn' "
            "initialize them"
        )
    if whole.overwritten:
        for path, initializer in zip(whole.paths, rules.match(whole.paths), strict=True):
            if path in whole.overwritten and isinstance(initializer, Keep):
                raise ValueError(
                    f"fill: {join(path)!r} is named by overwrite, and its rule keeps it; give it "
                    "an initializer"
                )
    leaves, frame = leaves_of("fill", whole.tree, rules, shardings, stacked, filling=True)
    planned: Plan[PyTree] = Plan(tuple(related("fill", leaves)), frame)
    caution("fill", planned.leaves, rules.layout, stacked, stacklevel=2)
    if warned:
        message = f"fill: {listed(warned)}\nThey are initialized by the rules"
        warnings.warn(message, UserWarning, stacklevel=2)
    return planned.run(key, progress=progress)


@dataclasses.dataclass(frozen=True)
class Whole:
    """The tree that is to be full: arrays where they are there and stay, else shapes."""

    tree: PyTree
    paths: list[Path]
    missing: list[Path]
    overwritten: frozenset[Path]


def whole_of(params: PyTree, like: PyTree, overwrite: str | Sequence[str]) -> Whole:
    """What is there and what `like` asks for, by path."""
    frame = frame_of(params)
    every_path, everything, _ = flatten(params)
    there = dict(zip(every_path, everything, strict=True))
    own = frame.parameters(every_path)
    if like is not None:
        frame = frame_of(like)
        every_path, everything, _ = flatten(like)
        known = {*frame.parameters(every_path)}
        refuse_lost([path for path in own if path not in known])
    paths, asked = frame.parameters(every_path), frame.parameters(everything)
    named = matching("fill: overwrite", overwrite_of(overwrite), paths)
    overwritten = frozenset(path for found in named.values() for path in found)
    missing, unlike, values = [], [], []
    for path, spec in zip(paths, asked, strict=True):
        value = there.get(path, ...)
        if not is_array(spec):
            raise shapeless(path, spec, like)
        if value is not ... and path not in overwritten and not fits(value, spec):
            unlike.append(f"{join(path)}: {described(value)}, and like has {described(spec)}")
        if path in overwritten or not has_value(value):
            missing += [] if path in overwritten else [path]
            value = spec_of(spec)
        values.append(value)
    refuse_unlike(unlike)
    return Whole(frame.fill(values), paths, missing, overwritten)


def spec_of(leaf: Any) -> jax.ShapeDtypeStruct:
    """What is to be made in the place of a leaf."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=own_sharding(leaf))


def fits(value: Any, spec: Any) -> bool:
    """Whether a leaf is of the shape and the type that are asked for."""
    if not is_array(value):
        return False
    return (tuple(value.shape), value.dtype) == (tuple(spec.shape), spec.dtype)


def described(leaf: Any) -> str:
    """A leaf in a message."""
    if not is_array(leaf):
        return f"{leaf!r} of type {type(leaf).__name__}"
    return f"{leaf.dtype} {tuple(leaf.shape)}"


def by_policy(missing: Missing, whole: Whole) -> tuple[list[Path], list[Path]]:
    """The missing parameters that are refused, and those that are warned of."""
    said: dict[Path, str] = {}
    if isinstance(missing, Mapping):
        for pattern, policy in missing.items():
            checks.choice("fill", f"missing[{pattern!r}]", policy, POLICIES)
        for pattern, paths in matching("fill: missing", [*missing], whole.paths).items():
            for path in paths:
                said.setdefault(path, missing[pattern])
    else:
        said = dict.fromkeys(whole.paths, checks.choice("fill", "missing", missing, POLICIES))
    unsaid = [path for path in whole.missing if path not in said]
    if unsaid:
        raise ValueError(
            f"fill: {listed(unsaid)}\nmissing does not speak of them; add '.*' at its end for all "
            "the rest"
        )
    of = {policy: [path for path in whole.missing if said[path] == policy] for policy in POLICIES}
    return of["error"], of["warn"]


def overwrite_of(overwrite: Any) -> list[str]:
    """Regular expressions, one or several."""
    if isinstance(overwrite, str):
        return [overwrite]
    if isinstance(overwrite, Iterable) and not hasattr(overwrite, "dtype"):
        return list(overwrite)
    raise TypeError(
        "fill: overwrite must be a regular expression of paths, or a sequence of them; got "
        f"{overwrite!r} of type {type(overwrite).__name__}"
    )


def matching(what: str, expressions: list[Any], paths: list[Path]) -> dict[str, list[Path]]:
    """The paths that each regular expression matches: at least one."""
    found: dict[str, list[Path]] = {}
    names = list(map(join, paths))
    for pattern in expressions:
        if not isinstance(pattern, str):
            raise TypeError(f"{what} has {pattern!r}, which is no regular expression of paths")
        found[pattern] = [paths[at] for at in patterns.matching(what, pattern, names)]
    return found


def listed(paths: list[Path]) -> str:
    """All that are missing."""
    lines = "".join(f"\n  {join(path)}" for path in paths)
    return f"{len(paths)} of the parameters {'is' if len(paths) == 1 else 'are'} missing:{lines}"


def refuse_lost(paths: list[Path]) -> None:
    """Refuse parameters for which there is no place."""
    if paths:
        lines = "".join(f"\n  {join(path)}" for path in paths)
        raise ValueError(
            f"fill: params holds {len(paths)} that like has not, and nothing is dropped:{lines}\n"
            "Take them out of params, or add them to like"
        )


def refuse_unlike(lines: list[str]) -> None:
    """Refuse parameters that are other than asked for."""
    if lines:
        raise ValueError(
            f"fill: {len(lines)} of the parameters are not as like has them:\n  "
            + "\n  ".join(lines)
            + "\nMake them fit, or name them in overwrite, to initialize them"
        )


def shapeless(path: Path, leaf: Any, like: PyTree) -> Exception:
    """The error for a leaf that does not say what it should be."""
    if leaf is ... and like is None:
        return ValueError(
            f"fill: {join(path)!r} is ..., which has no shape; pass the whole tree of shapes as "
            "like"
        )
    of = "params" if like is None else "like"
    return TypeError(
        f"fill: the leaf {join(path)!r} of {of} must be an array or a jax.ShapeDtypeStruct; got "
        f"{described(leaf)}"
    )
