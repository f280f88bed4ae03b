"""What follows from the use of a parameter for its optimizer."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from cthulhu._types import PyTree
from cthulhu.trees import nested
from cthulhu.usage._usage import LeafUsage, Usage


def muon_axes(usage: Usage, *, exclude: Sequence[str] = ()) -> PyTree:
    """Which axes Muon orthogonalizes: the ``muon_weight_dimension_numbers`` of optax.

    A kernel gets its inputs, with the receptive field of a convolution, as the axes that are
    summed over, and its outputs as the others; experts and stacked layers are left to
    themselves. All else is for Adam: tables (tied ones too), biases, scales, kernels of one
    input or output, convolutions in groups, and what could not be followed.

    Args:
        usage: of `infer`.
        exclude: the paths of kernels that Adam is to have, as that of the head, which Muon is
            not recommended for.

    Returns:
        A tree like the parameters, of `optax.contrib.MuonDimensionNumbers` and `None`.

    Raises:
        KeyError: a path of `exclude` is no parameter.
        TypeError: `exclude` is a string, and no sequence of paths.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from cthulhu import usage
        >>> shape = lambda *sizes: jax.ShapeDtypeStruct(sizes, jnp.float32)
        >>> tree = {"query": shape(32, 8, 4), "norm": shape(32)}
        >>> def attend(params, x):
        ...     return jnp.einsum("bd,dhk->bhk", x * params["norm"], params["query"])
        >>> found = usage.infer(attend, tree, shape(2, 32))
        >>> axes = usage.muon_axes(found)
        >>> axes["query"].reduction_axis, axes["query"].output_axis, axes["norm"]
        ((0,), (1, 2), None)

    References:
        Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks",
        https://kellerjordan.github.io/posts/muon/
    """
    from optax.contrib import MuonDimensionNumbers

    if isinstance(exclude, str):
        raise TypeError(f"usage.muon_axes: exclude must hold paths: [{exclude!r}]; got a string")
    for path in exclude:
        usage[path]

    def numbers(leaf: LeafUsage) -> Any:
        if not is_matrix(leaf) or leaf.path in exclude:
            return None
        summed = tuple(sorted((*leaf.inputs, *leaf.field)))
        return MuonDimensionNumbers(reduction_axis=summed, output_axis=leaf.outputs)

    return tree_of(usage, numbers)


def is_matrix(leaf: LeafUsage) -> bool:
    """Whether a parameter is a kernel alone, with several inputs and several outputs."""
    if leaf.role != "kernel" or leaf.tied or leaf.groups > 1 or leaf.layout is None:
        return False
    sizes = (math.prod(leaf.shape[axis] for axis in axes) for axes in (leaf.inputs, leaf.outputs))
    return min(sizes) > 1


def decay_mask(usage: Usage) -> PyTree:
    """Which parameters decay: the ``mask`` of `optax.adamw` and of others.

    Kernels and tables do. Scales, biases, tokens, and what could not be followed do not.

    Args:
        usage: of `infer`.

    Returns:
        A tree like the parameters, of booleans.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from cthulhu import usage
        >>> shape = lambda *sizes: jax.ShapeDtypeStruct(sizes, jnp.float32)
        >>> tree = {"kernel": shape(8, 4), "bias": shape(4)}
        >>> found = usage.infer(lambda p, x: x @ p["kernel"] + p["bias"], tree, shape(2, 8))
        >>> usage.decay_mask(found)
        {'bias': False, 'kernel': True}

    References:
        Krogh and Hertz (1991), "A simple weight decay can improve generalization",
        https://proceedings.neurips.cc/paper/1991/hash/8eefcfdf5990e441f0fb6f3fad709e21-Abstract.html
    """
    return tree_of(usage, lambda leaf: leaf.role in ("kernel", "table"))


def tree_of(usage: Usage, answer: Callable[[LeafUsage], Any]) -> PyTree:
    """An answer for each parameter, in their tree; in one of dicts, where that is not known."""
    if usage.frame is not None:
        return usage.frame.alone(map(answer, usage.leaves))
    return nested((tuple(leaf.path.split("/")), answer(leaf)) for leaf in usage.leaves)
