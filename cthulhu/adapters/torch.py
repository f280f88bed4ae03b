"""PyTorch: state dicts as trees that rules initialize, without importing torch.

As in::

    state = model.state_dict()
    rules = [(".*norm.*/weight", "ones"), (".*weight", "he_normal"), (".*", "zeros")]
    params = plan(tree(state), rules).run(key)
    model.load_state_dict(flat(params, like=state))

A tensor is whatever has a tensor's methods. A weight lies (out, in, …).
"""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu._types import DType, HostArray, PyTree
from cthulhu.adapters._layers import plan_of
from cthulhu.fans import LAYOUTS, Layout
from cthulhu.params import Plan
from cthulhu.params._fitting import Weight
from cthulhu.params._patterns import Pattern, matching
from cthulhu.params._rules import RulesLike
from cthulhu.trees import Path, flatten, join, nested

__all__ = ["EMBEDDINGS", "flat", "plan", "tree"]

EMBEDDINGS = r"(.*/)?([^/]*emb[^/]*|wte|wpe)/weight"
"""The paths of tables of embeddings, as models mostly call them."""

WEIGHT = re.compile(r"(.*_)?weight(_.*)?")
RECURRENT = re.compile(r"weight_[ih]h(_l\d+)?(_reverse)?")


def tree(source: Mapping[str, Any], *, values: bool = True) -> dict[str, Any]:
    """Turn a state dict into nested dicts, whose paths are its names split at the dots.

    Tensors that share their memory, as tied embeddings do, are one leaf, under the
    first name; `flat` gives its value to all of them.

    Args:
        source: a mapping of dotted names to tensors, arrays, `jax.ShapeDtypeStruct`, or
            pairs (shape, dtype): ``model.state_dict()``,
            ``dict(model.named_parameters())``, or what a safetensors file holds.
        values: whether to hold the values, without a copy where they lie on the CPU in
            a type of NumPy's, or shapes and types alone.

    Returns:
        Nested dicts of NumPy arrays; of `jax.ShapeDtypeStruct` where there are no values,
        as on torch's meta device.

    Raises:
        TypeError: `source` is no such mapping, or has a tensor of a type that JAX
            does not have.
        ValueError: one name is the beginning of another.

    Example:
        >>> shapes = {"0.weight": ((8, 4), "torch.float32"), "0.bias": ((8,), "torch.float32")}
        >>> tree(shapes)["0"]["bias"]
        ShapeDtypeStruct(shape=(8,), dtype=float32)
    """
    check_state_dict("torch.tree: source", source)
    checks.flag("torch.tree", "values", values)
    found: list[tuple[Path, Any]] = []
    ties = tied(source)
    for name, value in source.items():
        if not isinstance(name, str):
            raise TypeError(f"torch.tree: names must be strings; got {name!r}")
        if name not in ties:
            array = array_of(name, value) if values else spec_of(name, value)
            found.append((tuple(name.split(".")), array))
    try:
        return nested(found, between=".")
    except ValueError as error:
        raise checks.in_name_of("torch.tree", error) from None


def flat(params: PyTree, *, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Turn a tree into a state dict: the way back from `tree`.

    Args:
        params: the tree.
        like: the state dict that the tree was made of. With it come tensors of its
            types, on its devices, in its order, under all names of tied tensors.

    Returns:
        Tensors by dotted name. Without `like`, arrays of NumPy that can be written
        to, for `torch.from_numpy`, which does not know bfloat16.

    Raises:
        TypeError: a leaf holds no values, or `like` is no mapping.
        ValueError: the names or the shapes are not those of `like`.

    Example:
        >>> import numpy as np
        >>> state = {"embed.weight": np.ones((8, 4)), "head.bias": np.ones(8)}
        >>> list(flat(tree(state)))
        ['embed.weight', 'head.bias']
    """
    paths, leaves, _ = flatten(params)
    found = {".".join(path): leaf for path, leaf in zip(paths, leaves, strict=True)}
    for name, leaf in found.items():
        if not hasattr(leaf, "__array__"):
            raise TypeError(
                f"torch.flat: {name!r} must be an array; got a {type(leaf).__name__}, which has no "
                "values. Make them first: params = plan(tree, rules).run(key)"
            )
    if like is None:
        return {name: np.require(leaf, requirements="W") for name, leaf in found.items()}
    check_state_dict("torch.flat: like", like)
    ties = tied(like)
    sources = {name: ties.get(name, name) for name in like}
    missing = sorted(set(sources.values()) - set(found))
    unknown = sorted(set(found) - set(sources.values()))
    if missing or unknown:
        what, names = ("lacks", missing) if missing else ("has, and like has not,", unknown)
        shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
        raise ValueError(
            f"torch.flat: the names must be those of like; the tree {what} {shown}. Pass the "
            "state dict that torch.tree was given"
        )
    return {name: tensor_like(name, found[sources[name]], like[name]) for name in like}


def plan(
    params: PyTree,
    rules: RulesLike,
    *,
    embeddings: str | None = EMBEDDINGS,
    transposed: str | None = None,
    groups: Mapping[str, int] | None = None,
    packed: Mapping[str, int] | None = None,
) -> Plan[Any]:
    """Plan the initialization of a tree of torch's tensors, by rules on their paths.

    A weight of two axes is (out, in), one of more (out, in, …). The gates of
    recurrent layers (four of an LSTM, three of a GRU) and the three projections in an
    ``in_proj_weight`` are told by names and shapes, and each is a matrix of its own:
    orthogonal by itself, with fans of its own. What neither tells has to be said.
    Counters and other tensors of integers stay as they are, and need no rule; for
    running means, which are no parameters either, write a rule with `Keep`.

    Args:
        params: a tree, as `tree` makes it.
        rules: `cthulhu.params.Rules`, or what they are made of.
        embeddings: the paths of tables of embeddings, as a regular expression; the
            default goes by the usual names.
        transposed: the paths of the weights of transposed convolutions, which lie
            (in, out, …), as a regular expression.
        groups: the groups of convolutions, by a regular expression of their weights'
            paths; they count in the fans of outputs, and for transposed convolutions
            in those of inputs.
        packed: the number of matrices that lie one above the other in a weight, by a
            regular expression of paths, as ``{".*/qkv/weight": 3}``.

    Returns:
        A `cthulhu.params.Plan`: a table when printed, `run(key)` to make the tree.

    Raises:
        ValueError: a parameter matches no rule, a rule or a regular expression matches
            no parameter, or an initializer does not take a shape.
        TypeError: an argument is of the wrong type.

    Example:
        >>> shapes = {"conv.weight": ((32, 16, 3, 3), "torch.float32")}
        >>> [row.fan_in for row in plan(tree(shapes), "he_normal").rows]
        [144]
    """
    owner = "torch.plan"
    paths, leaves, _ = flatten(params)
    shapes = {
        path: tuple(leaf.shape)
        for path, leaf in zip(paths, leaves, strict=True)
        if hasattr(leaf, "shape")
    }
    flags = {} if transposed is None else {transposed: 1}
    turned = numbers(owner, "transposed", flags, shapes)
    shares = numbers(owner, "groups", groups or {}, shapes)
    pieces = numbers(owner, "packed", packed or {}, shapes)
    tables = None if embeddings is None else Pattern(f"{owner}: embeddings is", embeddings)
    weights = {}
    for path, shape in shapes.items():
        said = path in turned or path in shares or path in pieces
        if len(shape) < 2 or not (said or WEIGHT.fullmatch(path[-1] if path else "")):
            continue
        layout = Layout(1, 0, groups=shares.get(path, 1), transpose=path in turned)
        if tables is not None and len(shape) == 2 and tables.matches(join(path)):
            layout = LAYOUTS["embedding"]
        count = pieces.get(path) or gates(path, shapes)
        if shape[0] % count:
            raise ValueError(
                f"{owner}: packed says that {join(path)!r} of shape {shape} holds {count} "
                f"matrices, one above the other, and {shape[0]} rows are no {count} equal parts"
            )
        weights[path] = Weight(len(shape), layout, count)
    return plan_of(owner, params, rules, weights, layout="out_in")


def gates(path: Path, shapes: Mapping[Path, tuple[int, ...]]) -> int:
    """The number of matrices that torch's own layers keep one above the other in a weight."""
    name = path[-1]
    if name == "in_proj_weight":
        return 3
    if not RECURRENT.fullmatch(name):
        return 1
    # (hidden, hidden) for each gate; with a projection, that has the hidden size alone.
    recurrent = shapes.get((*path[:-1], name.replace("_ih", "_hh")), ())
    projection = shapes.get((*path[:-1], re.sub("_[ih]h", "_hr", name)))
    hidden = projection[-1] if projection else recurrent[-1] if len(recurrent) == 2 else 0
    rows = shapes[path][0]
    return rows // hidden if hidden and rows % hidden == 0 else 1


def numbers(
    owner: str, argument: str, given: Mapping[str, int], paths: Mapping[Path, object]
) -> dict[Path, int]:
    """A number for each path that a regular expression matches."""
    patterns = list(given) if hasattr(given, "items") else [None]
    if not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError(
            f"{owner}: {argument} must be a regular expression of paths, or map them to numbers; "
            f"got {given!r}"
        )
    found: dict[Path, int] = {}
    every = list(paths)
    names = list(map(join, every))
    for pattern, number in given.items():
        for at in matching(f"{owner}: {argument}", pattern, names):
            found.setdefault(every[at], checks.count(owner, argument, number))
    return found


def check_state_dict(what: str, value: object) -> None:
    """Refuse what is no mapping, as a model itself."""
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{what} must be a mapping of names to tensors, as model.state_dict() is; got a "
            f"{type(value).__name__}"
        )


def tied(source: Mapping[str, Any]) -> dict[str, str]:
    """The names of tensors that are, in memory, an earlier one; of which one each is."""
    first: dict[Hashable, str] = {}
    ties: dict[str, str] = {}
    for name, value in source.items():
        place = place_of(value)
        if place is not None and first.setdefault(place, name) != name:
            ties[name] = first[place]
    return ties


def place_of(value: Any) -> Hashable:
    """Where a tensor lies, and how; `None` if that is not known, or nothing lies there."""
    shape = tuple(getattr(value, "shape", ()))
    if hasattr(value, "data_ptr") and not is_meta(value):
        address, device = value.data_ptr(), str(value.device)
        return (address, device, shape, tuple(value.stride())) if address else None
    if isinstance(value, np.ndarray) and value.size:
        return (value.__array_interface__["data"][0], "cpu", shape, value.strides)
    return None


def is_meta(value: Any) -> bool:
    """Whether a tensor has no values."""
    return bool(getattr(value, "is_meta", False))


def spec_of(name: str, value: Any) -> jax.ShapeDtypeStruct:
    """The shape and the type of a tensor, an array, or a pair of them."""
    pair = value if isinstance(value, tuple | list) else None
    if pair is not None and len(pair) == 2:
        shape, dtype = pair
    elif pair is None and hasattr(value, "shape") and hasattr(value, "dtype"):
        shape, dtype = value.shape, value.dtype
    else:
        raise TypeError(
            f"torch.tree: {name!r} must be a tensor, an array or a pair (shape, dtype); got "
            f"{value!r} of type {type(value).__name__}"
        )
    dims = checks.shape(f"torch.tree: {name!r}", tuple(shape))
    return jax.ShapeDtypeStruct(dims, dtype_of(name, dtype))


def dtype_of(name: str, dtype: Any) -> DType:
    """A type of torch, as ``torch.float32``, or of NumPy."""
    written = str(dtype)
    try:
        return jnp.dtype(written.removeprefix("torch.") if written.startswith("torch.") else dtype)
    except TypeError:
        raise TypeError(
            f"torch.tree: {name!r} is of the type {written}, which JAX does not have; leave it "
            "out, or convert it first"
        ) from None


def array_of(name: str, value: Any) -> Any:
    """The values of a tensor as an array of NumPy; its shape and type where it has none."""
    spec = spec_of(name, value)
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return value
    if not hasattr(value, "detach") or is_meta(value):
        return spec
    tensor = value.detach().cpu()
    if spec.dtype.isbuiltin == 1:
        return tensor.numpy()
    # NumPy has no bfloat16; float32 holds it and narrower types exactly.
    return tensor.float().numpy().astype(spec.dtype)


def tensor_like(name: str, leaf: Any, model: Any) -> Any:
    """An array as a tensor like another: of its type, on its device."""
    spec = spec_of(name, model)
    if tuple(leaf.shape) != spec.shape:
        raise ValueError(
            f"torch.flat: {name!r} must have the shape that it has in like, {spec.shape}; got "
            f"{tuple(leaf.shape)}"
        )
    array: HostArray = np.asarray(leaf)
    if not hasattr(model, "new_tensor"):
        return np.require(array.astype(spec.dtype, copy=False), requirements="W")
    if array.dtype.isbuiltin != 1:
        array = array.astype(np.float32)
    place = {"device": "cpu"} if is_meta(model) else {}
    return model.new_tensor(np.require(array, requirements="W"), **place)
