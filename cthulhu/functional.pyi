"""The initializers as pure functions `(key, shape, dtype, out_sharding) -> Array`.

Each name is an initializer itself, not a factory, so it can be handed to Flax as
it stands; options are keywords, and `functools.partial` binds them, as it must an
option without a default. Scalar options may be traced. `function.definition` is the
class of `cthulhu.initializers` that a function is derived from, and
`function.draw(shape, dtype, **options)` what a call would run. `functional.pyi`,
which `make stubs` writes, holds the signatures.
"""

# Written by `make stubs` from the classes of cthulhu.initializers: edit those.

import jax

from cthulhu.fans import LayoutLike
from cthulhu.gains import Nonlinearity
from cthulhu.typing import (
    Axes,
    BatchAxes,
    DepthFactor,
    Distribution,
    DTypeLike,
    ElementwiseFunction,
    InitializerLike,
    InitializerLikes,
    MaskLike,
    Mode,
    OutSharding,
    Scalar,
    Shape,
)

def blocked(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLikes,
    sizes: int | tuple[int, ...],
    axis: int = -1,
) -> jax.Array:
    """Initializer of weights that hold blocks side by side, each as if it stood alone.

    So lie the query, key and value of packed attention, the gates of recurrent layers,
    and the two halves of a gated MLP: their fans, and what is orthogonal in them, are
    those of a block.

    Law: block i is what ``init(jax.random.fold_in(key, i), shape_of_block)`` makes, bit
    for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a type that `init` makes; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: an initializer, or whatever names one, for all blocks; or a sequence
            of them, one for each. None has a seed of its own.
        sizes: how many blocks of one size there are; or the size of each.
        axis: the axis along which they lie; default -1.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an `init` is unknown or has a seed; or the sizes do not fit the
            axis of a shape, or the number of initializers; `shape` has a negative
            or unknown dimension, or `key` is a batch of keys.

    Example:
        Biases of gates, of which the second forgets nothing at first:

        >>> import jax
        >>> inits = ["zeros", "ones", "zeros"]
        >>> blocked(jax.random.key(0), (6,), init=inits, sizes=3).tolist()
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """

def by_depth(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    factor: DepthFactor,
    axis: int | None = None,
    layer: int | None = None,
    layers: int | None = None,
) -> jax.Array:
    """Initializer that scales another one by the depth of the layer.

    It knows the layer in one of three ways: `axis` stacks all layers in one array, of
    which each gets its own factor in one draw; `layer` and `layers` say it; and in
    `cthulhu.params.Rules` the group ``(?P<layer>…)`` of the rule's regular expression
    reads it off the path, and the paths tell how many there are.

    Law: layer l of L is `Scaled(init, factor(l, L))`, l counted from 0. Along an axis,
    its key is ``jax.random.fold_in(key, l)``, as in `Stacked`.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a type that `init` makes; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: the initializer of a layer, or whatever names one, without a seed of
            its own.
        factor: ``"1/sqrt(2 * L)"``, for L blocks with two residual branches each
            (GPT-2); ``"1/sqrt(2 * (l + 1))"``, the same by layer; ``"1/sqrt(L)"``;
            ``"1/L"``; ``"(8 * L)**-0.25"`` (DeepNorm); or a function ``(l, L)``,
            which no config can hold.
        axis: the axis along which the layers are stacked; default none.
        layer: which layer this is, counted from 0; default unknown.
        layers: how many there are; default: as many as the axis has, or the paths.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type, or the dtype is of integers;
            `key` is no key, or `dtype` is no such type.
        ValueError: `init` or `factor` is unknown, `init` has a seed, nothing tells
            the layer, or a factor is not finite; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> at = {"layer": 0, "layers": 8}
        >>> by_depth(jax.random.key(0), (2,), init="ones", factor="1/sqrt(2 * L)", **at).tolist()
        [0.25, 0.25]

    References:
        Radford, Wu, Child, Luan, Amodei and Sutskever (2019), "Language models are
        unsupervised multitask learners". Wang, Ma, Dong, Huang, Zhang and Wei (2022),
        "DeepNet: scaling transformers to 1,000 layers",
        https://arxiv.org/abs/2203.00555
    """

def chrono(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    longest: Scalar,
    order: str = "ifgo",
) -> jax.Array:
    """Initializer that generates the biases of an LSTM that remembers over long times.

    With no input a unit forgets by ``1 / (1 + exp(b))`` in each step, so its time scale
    ``1 + exp(b)`` is uniform between 2 and `longest`. Where a layer has two biases, as
    torch's has, set one of them, and the other to 0.

    Law: with U uniform between 1 and ``longest - 1``, the bias of the forget gate is
    ln(U), that of the same unit's input gate -ln(U), and all others are 0. The mean over
    all gates is 0; the standard deviation is integrated numerically.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(*, gates * units)``, of rank 1 or more.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        longest: the longest time to remember, in steps, at least 2; a number or a
            scalar array. May be traced.
        order: a letter for each gate in their order along the last axis, with
            ``"i"`` (input) and ``"f"`` (forget) among them; default ``"ifgo"``, as
            in torch and Keras.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the last dimension of a call's
            shape is no multiple of the number of gates; `shape` has a negative or
            unknown dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> bias = chrono(jax.random.key(0), (4000,), longest=100)
        >>> bool(450 < (jax.nn.sigmoid(bias[1000:2000]) < 1 - 1 / 51).sum() < 550)
        True

    References:
        Tallec and Ollivier (2018), "Can recurrent neural networks warp time?",
        https://arxiv.org/abs/1804.11188
    """

def constant(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    value: Scalar = 0.0,
) -> jax.Array:
    """Initializer that generates tensors initialized to a constant value.

    Law: every element is `value`; mean `value`, standard deviation 0.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result.
        dtype: the type of the result, floating, complex, integer or boolean;
            default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        value: a number, or a scalar array; default 0. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `value` is not a number, or is complex where the dtype is not.
        ValueError: `value` is an array that is not a scalar, an integer that no
            dtype can hold, or one that the dtype cannot hold; `shape` has a
            negative or unknown dimension.

    Example:
        >>> constant(None, (2, 2), value=3).tolist()
        [[3.0, 3.0], [3.0, 3.0]]
    """

def convolution_orthogonal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
) -> jax.Array:
    """Initializer that generates convolution kernels that keep norms, with all taps in use.

    Law: a convolution with circular padding and stride 1 multiplies the norm of every
    image by `gain`; with zeros for padding, by at most `gain`. The kernel is a product,
    by convolution, of kernels (P, 1 - P) of two taps, one for each axis and each step
    from size 1 to size k, after a Haar-distributed (inputs, outputs) matrix with
    orthonormal rows. Each P projects on a random half of a Haar-distributed basis: on
    each of its vectors with probability one half. Each element has mean 0; the mean
    square of all is ``gain**2 / (outputs * taps)``, that of the elements at tap t of each
    axis ``gain**2 / outputs`` times the probabilities ``comb(k - 1, t) / 2**(k - 1)``: most
    is at the centre. In a complex dtype the matrices are unitary.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(*spatial, inputs, outputs)``, of rank 3, 4 or 5, with equal
            spatial sizes and at least as many outputs as inputs.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        gain: the factor; a number or a scalar array; default 1. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call is not 3-D
            to 5-D, has spatial sizes that differ, or more inputs than outputs;
            `shape` has a negative or unknown dimension, or `key` is a batch of
            keys.

    Example:
        A kernel is orthogonal to its own shifts:

        >>> import jax, jax.numpy as jnp
        >>> first, last = convolution_orthogonal(jax.random.key(0), (2, 4, 8))
        >>> bool(jnp.allclose(first @ last.T, 0, atol=1e-6))
        True

    References:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington (2018), "Dynamical
        isometry and a mean field theory of CNNs", algorithm 2,
        https://arxiv.org/abs/1806.05393
    """

def delta_orthogonal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    axis: int = -1,
) -> jax.Array:
    """Initializer that generates convolution kernels, orthogonal at their centre.

    Law: zeros, but for the centre of the spatial axes (the lower one if a size
    is even), which holds an `Orthogonal` matrix of the last two dimensions.
    float32 values equal ``jax.jit(jax.nn.initializers.delta_orthogonal(gain,
    axis))`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(*spatial, inputs, outputs)``, of rank 3, 4 or 5, with at least as
            many outputs as inputs.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        gain: the factor; a number or a scalar array; default 1. May be traced.
        axis: which of the last two dimensions holds the matrix's columns; default
            -1.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call is not 3-D
            to 5-D, or has more inputs than outputs; `shape` has a negative or
            unknown dimension, or `key` is a batch of keys.

    Example:
        >>> import jax, numpy as np
        >>> kernel = delta_orthogonal(jax.random.key(0), (3, 3, 4, 8))
        >>> int(np.count_nonzero(np.any(np.asarray(kernel), axis=(2, 3))))
        1

    References:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington (2018), "Dynamical
        isometry and a mean field theory of CNNs", https://arxiv.org/abs/1806.05393
    """

def dirac(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    groups: int = 1,
) -> jax.Array:
    """Initializer that generates convolution kernels which keep their input.

    Law: 1 at the centre of the spatial axes (the upper one if a size is even), from
    input i to output i of each of the `groups` of outputs, as far as there are both;
    0 elsewhere.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*spatial, inputs, outputs)``, of rank 3, 4 or 5.
        dtype: the type of the result, floating, complex, integer or boolean;
            default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        groups: the number of groups of outputs, each of which keeps the input;
            default 1.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `groups` is no integer.
        ValueError: `groups` is less than 1 or does not divide the outputs, or the
            shape of a call is not 3-D to 5-D; `shape` has a negative or unknown
            dimension.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> x = jnp.arange(8.0).reshape(1, 4, 2)
        >>> y = jax.lax.conv_general_dilated(
        ...     x, dirac(None, (3, 2, 2)), (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        ... )
        >>> bool((y == x).all())
        True

    References:
        Zagoruyko and Komodakis (2017), "DiracNets: training very deep neural
        networks without skip-connections", https://arxiv.org/abs/1706.00388
    """

def glorot_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Glorot normal initializer, also called Xavier normal initializer.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(2 / (fan_in + fan_out))``.
    Here fan_in is the number of input units in the weight tensor, and fan_out the
    number of output units.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_avg"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.glorot_normal())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis; `shape` has a negative or unknown dimension, or `key` is a batch
            of keys.

    Example:
        >>> import jax
        >>> values = glorot_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.063

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks",
        https://proceedings.mlr.press/v9/glorot10a.html
    """

def glorot_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Glorot uniform initializer, also called Xavier uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / (fan_in + fan_out))``;
    mean 0 and standard deviation ``sqrt(2 / (fan_in + fan_out))``.
    Here fan_in is the number of input units in the weight tensor, and fan_out the
    number of output units.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_avg"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.glorot_uniform())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis; `shape` has a negative or unknown dimension, or `key` is a batch
            of keys.

    Example:
        >>> import jax
        >>> values = glorot_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (6 / (400 + 100)) ** 0.5).all())
        True

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks",
        https://proceedings.mlr.press/v9/glorot10a.html
    """

def he_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """He normal initializer, also called Kaiming normal initializer.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(2 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 2.0, mode ``"fan_in"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.he_normal())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis; `shape` has a negative or unknown dimension, or `key` is a batch
            of keys.

    Example:
        >>> import jax
        >>> values = he_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.071

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """

def he_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """He uniform initializer, also called Kaiming uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / fan_in)``;
    mean 0 and standard deviation ``sqrt(2 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 2.0, mode ``"fan_in"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.he_uniform())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis; `shape` has a negative or unknown dimension, or `key` is a batch
            of keys.

    Example:
        >>> import jax
        >>> values = he_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (6 / 400) ** 0.5).all())
        True

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """

def hippo_leg_s(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Initializer that generates HiPPO-LegS matrices.

    A state that follows one holds its input's history as Legendre polynomials.
    Leading axes stack equal matrices. A matrix that is not square is the corner of
    the larger one that is.

    Law: ``-sqrt((2 i + 1) (2 j + 1))`` in row i and column j below the diagonal,
    ``-(i + 1)`` on it, 0 above.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*, N, N)``, of rank 2 or more.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        The eigenvalues are on the diagonal:

        >>> hippo_leg_s(None, (4, 4)).diagonal().tolist()
        [-1.0, -2.0, -3.0, -4.0]

    References:
        Gu, Dao, Ermon, Rudra and Ré (2020), "HiPPO: recurrent memory with optimal
        polynomial projections", https://arxiv.org/abs/2008.07669
    """

def icnr(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    scale: int,
    order: str,
    axis: int = -1,
) -> jax.Array:
    """Initializer of a convolution before a sub-pixel shuffle, which starts as a resize.

    A shuffle makes each pixel of ``outputs / scale**n`` channels of `scale` pixels in
    each of the kernel's n spatial dimensions. Random kernels give these a checkerboard;
    equal ones give the nearest-neighbour resize of a convolution.

    Law: the kernel that `init` makes for ``outputs / scale**n`` outputs, with the same
    key, of which every output occurs ``scale**n`` times. Copies are neighbours for
    ``"pixel_shuffle"``, and all outputs follow each other, and then all again, for
    ``"depth_to_space"``. With the wrong order the checkerboard is there.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(*spatial, inputs, outputs)``, of rank 3, 4 or 5; with `axis`, the
            outputs are elsewhere.
        dtype: a type that `init` makes; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: an initializer, or whatever names one, without a seed of its own.
        scale: how many times larger the shuffle makes each spatial dimension.
        order: ``"pixel_shuffle"``, where channel ``c * scale**2 + i * scale + j``
            goes to pixel (i, j) of channel c: torch's, and the CRD mode of ONNX; or
            ``"depth_to_space"``, where ``(i * scale + j) * channels + c`` does:
            TensorFlow's, and a plain reshape and transpose of channels last.
        axis: the axis of the outputs; default -1.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call is not 3-D
            to 5-D, or its outputs are no multiple of ``scale**n``; `shape` has a
            negative or unknown dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> options = {"init": "he_normal", "scale": 2, "order": "depth_to_space"}
        >>> kernel = icnr(jax.random.key(0), (3, 3, 8, 12), **options)
        >>> bool((kernel[..., 0:3] == kernel[..., 9:12]).all())
        True

    References:
        Aitken, Ledig, Theis, Caballero, Wang and Shi (2017), "Checkerboard artifact free
        sub-pixel convolution", https://arxiv.org/abs/1707.02937
    """

def identity(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    shift: int = 0,
    convolution: bool = False,
) -> jax.Array:
    """Initializer that generates the identity matrix.

    Only for shapes of two dimensions, as in Keras, unless it is for a `convolution`.
    A matrix that is not square is padded with zeros.

    Law: `gain` on the main diagonal, 0 elsewhere; with a `shift`, the columns are moved
    in a circle, so that input i goes to output ``(i + shift) % outputs``. The kernel of
    a convolution has this matrix at the centre of its spatial axes, and 0 elsewhere. Of
    an even size that is the lower centre, which keeps the input under ``"SAME"``
    padding; `Dirac` has the upper one, as torch does, and groups.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result: two dimensions, or those of a kernel.
        dtype: the type of the result, floating, complex, integer or boolean;
            default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        gain: the factor; default 1. May be traced.
        shift: how many outputs farther an input goes; default 0.
        convolution: whether shapes are ``(*spatial, inputs, outputs)``; default
            `False`.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: `gain` is not finite or not representable in an integer dtype,
            or the shape of a call has not two dimensions, or for a convolution not
            three to five; `shape` has a negative or unknown dimension.

    Example:
        >>> identity(None, (2, 3), gain=2).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
        >>> identity(None, (3, 3), shift=1).tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]

    References:
        Le, Jaitly and Hinton (2015), "A simple way to initialize recurrent
        networks of rectified linear units", https://arxiv.org/abs/1504.00941
    """

def inverse_softplus_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    low: Scalar = 0.001,
    high: Scalar = 0.1,
    floor: Scalar = 0.0001,
) -> jax.Array:
    """Initializer that generates what softplus turns into log-uniform step sizes.

    It is the bias of the step sizes in Mamba, ``dt = softplus(x + bias)``: with x = 0
    every order of magnitude of dt between the bounds is as likely as any other.

    Law: ``s + ln(1 - exp(-s))`` with ``s = max(exp(U), floor)``, where U is uniform
    between ln `low` and ln `high`; so softplus of the values is log-uniform. Mean and
    standard deviation are integrated numerically; at the defaults they are -4.59 and
    1.34.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        low: the least step size, greater than 0; a number or a scalar array;
            default 0.001. May be traced.
        high: the largest one, likewise, at least `low`; default 0.1. May be traced.
        floor: what smaller step sizes are raised to, at least 0; default 0.0001.
            May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> bias = inverse_softplus_uniform(jax.random.key(0), (1000,))
        >>> bool(450 < (jax.nn.softplus(bias) < 0.01).sum() < 550)
        True

    References:
        Gu and Dao (2023), "Mamba: linear-time sequence modeling with selective state
        spaces", https://arxiv.org/abs/2312.00752
    """

def kaiming(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    a: Scalar = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    distribution: Distribution = "untruncated_normal",
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """He initializer for any nonlinearity, as torch's ``kaiming_normal_`` and ``_uniform_``.

    Law: mean 0 and standard deviation ``gain / sqrt(n)``, where n is the number of
    inputs, or of outputs with mode ``"fan_out"``. The gain is that of torch's table
    (`cthulhu.gains.calculate_gain`): ``sqrt(2 / (1 + a**2))`` for ``leaky_relu``; for a
    name that it lacks, as ``"gelu"``, and for a function the exact one
    (`cthulhu.gains.gain`). Not truncated, where `HeNormal` is.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        a: the negative slope of ``leaky_relu``, a number or a scalar array; default
            0, which is the rectifier. May be traced.
        mode: ``"fan_in"`` (default), ``"fan_out"``, ``"fan_avg"`` or
            ``"fan_geo_avg"``.
        nonlinearity: a name, an elementwise function, or the gain itself; default
            ``"leaky_relu"``.
        distribution: ``"untruncated_normal"`` (default), ``"uniform"`` or
            ``"truncated_normal"``.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or no such nonlinearity is known;
            `shape` has a negative or unknown dimension, or `key` is a batch of
            keys.

    Example:
        >>> import jax
        >>> values = kaiming(jax.random.key(0), (400, 100), nonlinearity="linear")
        >>> round(float(values.std()), 2)  # 1 / sqrt(400)
        0.05

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """

def lecun_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """LeCun normal initializer.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(1 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_in"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.lecun_normal())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis; `shape` has a negative or unknown dimension, or `key` is a batch
            of keys.

    Example:
        >>> import jax
        >>> values = lecun_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.05

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

def lecun_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """LeCun uniform initializer.

    Law: uniform within [-limit, limit], with ``limit = sqrt(3 / fan_in)``;
    mean 0 and standard deviation ``sqrt(1 / fan_in)``.
    Here fan_in is the number of input units in the weight tensor.
    This is `VarianceScaling` with scale 1.0, mode ``"fan_in"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.lecun_uniform())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call has no such
            axis; `shape` has a negative or unknown dimension, or `key` is a batch
            of keys.

    Example:
        >>> import jax
        >>> values = lecun_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (3 / 400) ** 0.5).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

def log_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    low: Scalar,
    high: Scalar,
) -> jax.Array:
    """Initializer that generates tensors whose logarithm is uniform.

    Every order of magnitude between the bounds is as likely as any other: so are the
    time scales and the step sizes of state space models chosen.

    Law: exp of a uniform between ln `low` and ln `high`, and within [`low`, `high`].
    With ``w = ln(high / low)`` the density is ``1 / (w x)``, the mean
    ``(high - low) / w``, and the mean square ``(high**2 - low**2) / (2 w)``.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        low: the lower bound, greater than 0; a number or a scalar array. May be
            traced.
        high: the upper bound, likewise, at least `low`. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = log_uniform(jax.random.key(0), (1000,), low=1, high=100)
        >>> bool(450 < (values < 10).sum() < 550)
        True

    References:
        Gu, Goel and Ré (2022), "Efficiently modeling long sequences with structured
        state spaces", https://arxiv.org/abs/2111.00396
    """

def logit_prior(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    probability: Scalar,
) -> jax.Array:
    """Initializer of the bias of a sigmoid, so that it starts at a given probability.

    Law: every element is ``-ln((1 - probability) / probability)``.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        probability: how likely the rare class is before anything is learned,
            greater than 0 and less than 1; a number or a scalar array. RetinaNet's
            is 0.01. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `probability` is no number.
        ValueError: `probability` is out of range; `shape` has a negative or unknown
            dimension.

    Example:
        >>> logit_prior(None, (2,), probability=0.5).tolist()
        [0.0, 0.0]

    References:
        Lin, Goyal, Girshick, He and Dollár (2017), "Focal loss for dense object
        detection", https://arxiv.org/abs/1708.02002
    """

def lora_a(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    distribution: str = "uniform",
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer of the first factor of a low-rank adapter, A (inputs, rank).

    The second factor, B (rank, outputs), is `Zeros`, so that an adapter changes nothing
    at first.

    Law: uniform within [-limit, limit], with ``limit = 1 / sqrt(inputs)``, as loralib and
    PEFT have it: that of `TorchLinear`. Flax's ``nnx.LoRA`` has `HeUniform`, which is
    ``sqrt(6)`` wider. With ``"untruncated_normal"``, normal with standard deviation
    ``1 / rank``, PEFT's ``"gaussian"``; the paper has a normal too, and says of no
    standard deviation. inputs is fan_in and rank is fan_out: a torch weight (rank,
    inputs) has ``layout="torch_linear"``. Adapters of an embedding are the other way
    round there: A is `Zeros`, and B is ``RandomNormal(stddev=1.0)``.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        distribution: ``"uniform"`` (default) or ``"untruncated_normal"``.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the rank; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> a = lora_a(jax.random.key(0), (4000, 10), distribution="untruncated_normal")
        >>> round(float(a.std()), 2)  # 1 / 10
        0.1

    References:
        Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen (2021), "LoRA: low-rank
        adaptation of large language models", https://arxiv.org/abs/2106.09685
    """

def mapped(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    fn: ElementwiseFunction,
) -> jax.Array:
    """Initializer that applies a function to each value of another one.

    The values are drawn and mapped in float32, and then rounded once: a logarithm of
    numbers in bfloat16 would have lost most of its digits.

    Law: that of ``fn(x)``, where x has the law of `init`. The moments in a plan are
    those of a named function of independent elements, to five digits.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: an initializer, or whatever names one, without a seed of its own.
        fn: ``"exp"``, ``"log"``, ``"expm1"``, ``"log1p"``, ``"sqrt"``,
            ``"sigmoid"``, ``"logit"``, ``"softplus"``, ``"inverse_softplus"`` or
            ``"tanh"``; or a function of an array, element by element, which no
            config can hold.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type, or the dtype is not of real
            floating numbers; `key` is no key, or `dtype` is no such type.
        ValueError: `init` or `fn` is unknown, `init` has a seed, or it may have
            values of which there is no logarithm, or the like; or the dtype cannot
            hold the values; `shape` has a negative or unknown dimension, or `key`
            is a batch of keys.

    Example:
        Rates from 1 to e, even on a logarithmic scale:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu.initializers import RandomUniform
        >>> rates = mapped(jax.random.key(0), (1000,), init=RandomUniform(0, 1), fn="exp")
        >>> bool(((rates >= 1) & (rates <= 2.7183)).all()), round(float(jnp.log(rates).mean()), 1)
        (True, 0.5)
    """

def martens_sparse(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    connections: int = 15,
    stddev: Scalar = 1.0,
) -> jax.Array:
    """Initializer that connects each unit to a few inputs, however many there are.

    The size of a unit's sum is then that of its few inputs, and does not grow with the
    layer before it. Martens sets biases to 0, or to 0.5 where the units are tanh.

    Law: in a kernel (inputs, outputs), `connections` elements of each column are
    normal with mean 0 and standard deviation `stddev`, every choice of inputs being as
    likely as any other, independently of the other columns; the rest are 0. With no
    more inputs than `connections`, all are normal. An element has standard deviation
    ``stddev * sqrt(connections / inputs)``. It is `Sparse` with a number of elements
    in place of a share. Rounding to a narrow dtype may add zeros.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(inputs, outputs)``.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        connections: how many inputs of each unit have weights that are not 0;
            default 15, as in the paper.
        stddev: the standard deviation of these, at least 0; a number or a scalar
            array; default 1, the paper's unit Gaussian. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call is not 2-D;
            `shape` has a negative or unknown dimension, or `key` is a batch of
            keys.

    Example:
        >>> import jax
        >>> values = martens_sparse(jax.random.key(0), (100, 4), connections=3)
        >>> (values != 0).sum(axis=0).tolist()
        [3, 3, 3, 3]

    References:
        Martens (2010), "Deep learning via Hessian-free optimization",
        https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf
    """

def masked(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    mask: MaskLike,
) -> jax.Array:
    """Initializer that keeps the values of another one where a mask is true.

    Law: that of `init` where the mask is true, for the whole shape and with the same
    key; 0 elsewhere. What is masked is not made up for by a larger scale: see `Scaled`.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a type that `init` makes; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: an initializer, or whatever names one, without a seed of its own.
        mask: an array of booleans that broadcasts to the weights; ``"tril"`` or
            ``"triu"``, the lower or upper triangle of the last two axes with the
            diagonal; or a function that makes such an array of a shape, which no
            config can hold.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type, or `mask` is traced; `key` is
            no key, or `dtype` is no such type.
        ValueError: `init` or `mask` is unknown, `init` has a seed, or the mask does
            not broadcast to the shape of a call; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> masked(jax.random.key(0), (3, 2), init="ones", mask=[True, False]).tolist()
        [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]

    References:
        Germain, Gregor, Murray and Larochelle (2015), "MADE: masked autoencoder for
        distribution estimation", https://arxiv.org/abs/1502.03509
    """

def ones(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Initializer that generates tensors initialized to 1.

    Law: every element is 1.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result.
        dtype: the type of the result, floating, complex, integer or boolean;
            default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        >>> ones(None, (2, 2)).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

def orthogonal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    axis: int = -1,
    batch_axis: Axes = (),
) -> jax.Array:
    """Initializer that generates a random orthogonal matrix.

    A shape of more than two dimensions is seen as a matrix whose columns run
    along `axis`, the last by default, and whose rows run along all others; the
    smaller side is orthonormal.

    Law: `gain` times a matrix from the Haar (uniform) distribution over the
    (semi-)orthogonal matrices, or unitary ones for a complex dtype. Each element
    has mean 0 and standard deviation ``gain / sqrt(max(rows, columns))``. float32
    values equal ``jax.jit(jax.nn.initializers.orthogonal(gain, axis))`` bit for
    bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result, of rank 2 or more.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value. Every device
            computes whole matrices before it keeps its part.
        gain: the factor; a number or a scalar array; default 1. May be traced.
        axis: the axis of the columns; default -1.
        batch_axis: axes that stack independent matrices, made by one batched
            decomposition; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, an axis is named twice, or the
            shape of a call has less than two dimensions beside the batch axes;
            `shape` has a negative or unknown dimension, or `key` is a batch of
            keys.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> q = orthogonal(jax.random.key(0), (64, 16))
        >>> bool(jnp.allclose(q.T @ q, jnp.eye(16), atol=1e-5))
        True

    References:
        Saxe, McClelland and Ganguli (2014), "Exact solutions to the nonlinear
        dynamics of learning in deep linear neural networks",
        https://arxiv.org/abs/1312.6120. Mezzadri (2007), "How to generate random
        matrices from the classical compact groups",
        https://arxiv.org/abs/math-ph/0609050.
    """

def orthogonal_pair(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    part: str,
    gain: Scalar = 0.1,
    axis: int | None = None,
) -> jax.Array:
    """Initializer of the two factors of an adapter, whose product is 0 while neither is.

    A (inputs, rank) and B (rank, outputs) of one key belong together: ``A @ B`` is 0 but
    for rounding, so that the adapter changes nothing at first, and both factors learn
    from the first step on. One key is one `seed`, or one key of two calls. A framework
    that gives every parameter a key of its own, as Flax does, needs instances with a
    seed, called without a key: ``lambda _, *shape_and_dtype: init(*shape_and_dtype)``. In
    `cthulhu.params.Rules`, B is `cthulhu.params.OrthogonalTo` A.

    Law: with Q a random orthogonal matrix (rank, rank) of the key, A is `gain` times
    G Q[0::2], and B is `gain` times the transpose of H Q[1::2], where G (inputs,
    rank / 2) and H (outputs, rank / 2) are standard normal. So each has half the rank;
    an element has mean 0 and standard deviation ``gain / sqrt(2)``. PEFT's
    ``init_lora_weights="orthogonal"`` has this law.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(inputs, rank)`` of A, ``(rank, outputs)`` of B; with `axis`, the
            other way round. The rank is even.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        part: ``"A"`` or ``"B"``.
        gain: the factor; a number or a scalar array; default 0.1, as in PEFT. May
            be traced.
        axis: the axis of the rank; default the last one of A, and the first one of
            B.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call is not 2-D,
            or its rank is odd; `shape` has a negative or unknown dimension, or
            `key` is a batch of keys.

    Example:
        >>> import jax
        >>> key = jax.random.key(0)
        >>> a = orthogonal_pair(key, (64, 8), part="A")
        >>> b = orthogonal_pair(key, (8, 32), part="B")
        >>> bool((abs(a @ b) < 1e-6).all())
        True

    References:
        Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang and Chen (2021), "LoRA: low-rank
        adaptation of large language models", https://arxiv.org/abs/2106.09685. Datta
        (2024), "Rethinking LoRA initialisation",
        https://datta0.github.io/posts/rethink-lora-init
    """

def random_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    mean: Scalar = 0.0,
    stddev: Scalar = 0.05,
) -> jax.Array:
    """Initializer that generates tensors with a normal distribution.

    Law: normal with mean `mean` and standard deviation `stddev`. In float32 the
    support is `mean` ± 5.42 `stddev`, the range of inversion with 23 bits; a
    complex dtype gives real and imaginary parts of standard deviation
    ``stddev / sqrt(2)`` each. float32 values with mean 0 equal
    ``jax.jit(jax.nn.initializers.normal(stddev))`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        mean: the mean; a number or a scalar array; default 0. May be traced.
        stddev: the standard deviation, likewise, at least 0; default 0.05. May be
            traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        The leading rows of a larger draw are the smaller draw:

        >>> import jax, numpy as np
        >>> key = jax.random.key(0)
        >>> rows = random_normal(key, (2, 64))
        >>> bool(np.array_equal(random_normal(key, (5, 64))[:2], rows))
        True
    """

def random_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    minval: Scalar = -0.05,
    maxval: Scalar = 0.05,
) -> jax.Array:
    """Initializer that generates tensors with a uniform distribution.

    Law: uniform on [`minval`, `maxval`), with mean ``(minval + maxval) / 2`` and
    standard deviation ``(maxval - minval) / sqrt(12)``; rounding may reach
    `maxval`. float32 values equal ``jax.jit`` of `jax.random.uniform`, and with
    ``minval=0`` of ``jax.nn.initializers.uniform(maxval)``, bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        minval: the lower bound; a number or a scalar array; default -0.05. May be
            traced.
        maxval: the upper bound, likewise, at least `minval`; default 0.05. May be
            traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = random_uniform(jax.random.key(0), (1000,), minval=2, maxval=3)
        >>> bool((values >= 2).all() and (values < 3).all())
        True
    """

def recurrent_gate(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    low: Scalar = 0.9,
    high: Scalar = 0.999,
) -> jax.Array:
    """Initializer that generates the recurrence parameters of Griffin and RecurrentGemma.

    They are the ``a_param`` of a real-gated linear recurrent unit, which decays by
    ``a = exp(-softplus(a_param))`` before its gate.

    Law: ``ln(1 / sqrt(U) - 1)``, where U is uniform between ``low**2`` and ``high**2``,
    and at least 2**-24 away from 0 and from 1; so a is on the ring of `RingUniform`.
    Mean and standard deviation are integrated numerically; at the defaults they are
    -3.23 and 0.92.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        low: the least decay factor, from 0 to 1; a number or a scalar array;
            default 0.9. May be traced.
        high: the largest, likewise, at least `low`; default 0.999. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> values = recurrent_gate(jax.random.key(0), (1000,), low=0.5)
        >>> bool(0.49 < jnp.exp(-jax.nn.softplus(values)).min() < 0.52)
        True

    References:
        De et al. (2024), "Griffin: mixing gated linear recurrences with local
        attention for efficient language models", https://arxiv.org/abs/2402.19427
    """

def ring_phase(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    largest: Scalar = 6.28,
) -> jax.Array:
    """Initializer that generates the phases of linear recurrent units: θ of the angle.

    Law: ``θ = ln(largest U)``, where U is uniform between 0 and 1, and at least 2**-24;
    so the angle exp(θ) is uniform between 0 and `largest`. The mean is
    ``ln(largest) - 1`` and the standard deviation 1.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        largest: the largest angle, greater than 0; a number or a scalar array;
            default 6.28, as in the authors' code. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> theta = ring_phase(jax.random.key(0), (1000,), largest=1)
        >>> bool(450 < (jnp.exp(theta) < 0.5).sum() < 550)
        True

    References:
        Orvieto et al. (2023), "Resurrecting recurrent neural networks for long
        sequences", https://arxiv.org/abs/2303.06349
    """

def ring_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    low: Scalar,
    high: Scalar,
) -> jax.Array:
    """Initializer that generates the decays of linear recurrent units: ν of the modulus.

    The eigenvalue of a unit is ``r exp(i exp(θ))`` with ``r = exp(-exp(ν))``. With ν of
    this class and θ of `RingPhase` it is uniform on a ring, by area.

    Law: ``ν = ln(-ln(sqrt(U)))``, where U is uniform between ``low**2`` and
    ``high**2``, and at least 2**-24 away from 0 and from 1. Mean and standard deviation
    are integrated numerically.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        low: the inner radius, from 0 to 1; a number or a scalar array. May be
            traced.
        high: the outer radius, likewise, at least `low`. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        A quarter of the unit disk's area is within half of its radius:

        >>> import jax, jax.numpy as jnp
        >>> nu = ring_uniform(jax.random.key(0), (10_000,), low=0, high=1)
        >>> bool(2400 < (jnp.exp(-jnp.exp(nu)) < 0.5).sum() < 2600)
        True

    References:
        Orvieto et al. (2023), "Resurrecting recurrent neural networks for long
        sequences", https://arxiv.org/abs/2303.06349
    """

def s4d_inv(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Initializer that generates diagonal state matrices with the frequencies of HiPPO-LegS.

    The last axis holds one of each pair of conjugates: N / 2 numbers for N states.
    In a real dtype the result is their imaginary parts alone, as S4D keeps them
    beside the logarithms of the real parts, which are ln(1/2) everywhere.

    Law: ``-1/2 + i (N / π) (N / (2 n + 1) - 1)`` for n = 0, 1, … along the last axis,
    the same for all others.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*, N / 2)``, of rank 1 or more.
        dtype: a complex type for the whole numbers, a floating one for their
            imaginary parts; default: JAX's default float. Types below 32 bits hold
            the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        The frequencies fall, down to nearly 0:

        >>> values = s4d_inv(None, (32,))
        >>> bool((values[:-1] > values[1:]).all())
        True

    References:
        Gu, Gupta, Goel and Ré (2022), "On the parameterization and initialization
        of diagonal state space models", https://arxiv.org/abs/2206.11893
    """

def s4d_lin(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Initializer that generates diagonal state matrices with evenly spaced frequencies.

    The last axis holds one of each pair of conjugates: N / 2 numbers for N states.
    In a real dtype the result is their imaginary parts alone, as S4D keeps them
    beside the logarithms of the real parts, which are ln(1/2) everywhere.

    Law: ``-1/2 + i π n`` for n = 0, 1, … along the last axis, the same for all others.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*, N / 2)``, of rank 1 or more.
        dtype: a complex type for the whole numbers, a floating one for their
            imaginary parts; default: JAX's default float. Types below 32 bits hold
            the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        >>> (s4d_lin(None, (4,)) / 3.1415927).tolist()
        [0.0, 1.0, 2.0, 3.0]

    References:
        Gu, Gupta, Goel and Ré (2022), "On the parameterization and initialization
        of diagonal state space models", https://arxiv.org/abs/2206.11893
    """

def s4d_real(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    log: bool = False,
) -> jax.Array:
    """Initializer that generates the real diagonal state matrices of S4D and Mamba.

    Law: ``-(n + 1)`` for n = 0, 1, … along the last axis, the same for all others.
    With `log` it is ``ln(n + 1)``: Mamba's ``A_log``, of which ``A = -exp(A_log)``.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*, N)``, of rank 1 or more.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        log: whether to give the logarithm of the magnitude; default `False`.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `log` is no boolean.
        ValueError: the shape of a call has no dimension; `shape` has a negative or
            unknown dimension.

    Example:
        >>> import jax.numpy as jnp
        >>> jnp.exp(s4d_real(None, (4,), log=True)).round(4).tolist()
        [1.0, 2.0, 3.0, 4.0]

    References:
        Gu, Gupta, Goel and Ré (2022), "On the parameterization and initialization
        of diagonal state space models", https://arxiv.org/abs/2206.11893
    """

def scaled(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    factor: Scalar,
) -> jax.Array:
    """Initializer that multiplies the values of another one by a number.

    Where the law of `init` has a scale, as a normal, a uniform or an orthogonal one
    has, its scale is multiplied: there is one rounding fewer, and the program is that
    of `init`.

    Law: that of `init`, times `factor`: both the mean and the standard deviation.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: an initializer, or whatever names one, without a seed of its own.
        factor: the number, of either sign; a number or a scalar array. May be
            traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type, or the dtype is of integers;
            `key` is no key, or `dtype` is no such type.
        ValueError: `init` is unknown or has a seed, `factor` is not finite, or the
            dtype cannot hold the values; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        The last layer of a residual branch, scaled down by the square root of twice the
        depth, as in GPT-2:

        >>> import jax
        >>> values = scaled(jax.random.key(0), (512, 512), init="glorot_normal", factor=24**-0.5)
        >>> round(float(values.std()) * 24**0.5 * 512**0.5, 2)
        1.0
    """

def scaled_orthogonal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer that generates orthogonal matrices by which Muon's updates are measured.

    A vector of inputs whose elements have the root mean square 1 becomes at most `gain`
    times such a vector of outputs: the norm of the matrix from one root mean square to
    the other is `gain`. The matrix of a tensor has a column for each output, and a row
    for each of the rest: of a convolution, each input at each tap, fan_in of them. To
    make each tap a matrix of its own, name the spatial axes as `batch_axis`.

    Law: ``gain * sqrt(outputs / fan_in)`` times a matrix from the Haar distribution, as
    `Orthogonal` makes it, bit for bit. Each element has mean 0 and standard deviation
    ``gain * sqrt(outputs / fan_in / max(outputs, fan_in))``. A complex dtype gives
    unitary matrices.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        gain: the factor; a number or a scalar array; default 1. May be traced.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, the shape of a call has less than
            two dimensions beside the batch axes, or its layout is no matrix's;
            `shape` has a negative or unknown dimension, or `key` is a batch of
            keys.

    Example:
        Taps of which each is orthogonal, and whose convolution multiplies no norm by more
        than `sqrt(outputs / inputs)`:

        >>> import jax, jax.numpy as jnp
        >>> taps = {"gain": 1 / 9, "batch_axis": (0, 1)}
        >>> kernel = scaled_orthogonal(jax.random.key(0), (3, 3, 8, 8), **taps)
        >>> tap = 9 * kernel[1, 2]
        >>> bool(jnp.allclose(tap @ tap.T, jnp.eye(8), atol=1e-5))
        True

    References:
        Large, Liu, Huh, Bahng, Isola and Bernstein (2024), "Scalable optimization in the
        modular norm", https://arxiv.org/abs/2405.14813
    """

def sin_cos(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    grid: tuple[int, int] | None = None,
    base: float = 10000.0,
) -> jax.Array:
    """Initializer that generates tables of positions: sines and cosines of many frequencies.

    Law: of c channels, the first c / 2 are ``sin(f[j] * p)``, and the others
    ``cos(f[j] * p)``, of the position p along the axis before them, with
    ``f[j] = base ** (-j / (c / 2 - 1))``, as in Tensor2Tensor and Whisper. In a grid,
    ``sin(f[j] * x)``, ``cos(f[j] * x)``, ``sin(f[j] * y)`` and ``cos(f[j] * y)`` have a
    quarter each, with ``f[j] = base ** (-j / (c / 4 - 1))``, as in Big Vision. Further
    leading axes repeat the table. Angles lose nothing far from the origin: float32 values
    of 4096 positions are within 3e-6 of those in exact arithmetic.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*leading, positions, channels)``, or that of a grid.
        dtype: a floating or complex type; default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        grid: `None` (default) for positions in a line, shapes ``(positions,
            channels)``; ``(height, width)`` for those in a grid, shapes ``(height *
            width, channels)``, row after row, or ``(height, width, channels)``.
        base: the ratio of the highest frequency, which is 1, to the lowest; greater
            than 0; default 10000.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is out of range, or the shape of a call does not fit
            `grid`, or its channels are not even; in a grid, not a multiple of 4;
            `shape` has a negative or unknown dimension.

    Example:
        The inner product of two positions is that of any two as far apart:

        >>> table = sin_cos(None, (100, 64))
        >>> bool(abs(table[3] @ table[8] - table[90] @ table[95]) < 1e-4)
        True

    References:
        Vaswani et al. (2017), "Attention is all you need",
        https://arxiv.org/abs/1706.03762. Chen, Xie and He (2021), "An empirical study
        of training self-supervised vision transformers", https://arxiv.org/abs/2104.02057
    """

def siren(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    w0: Scalar = 30.0,
    first: bool = False,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer of the kernels of a network of sines, ``sin(w0 * (x @ kernel + bias))``.

    Law: uniform within [-limit, limit], with ``limit = sqrt(6 / fan_in) / w0``; in the
    first layer, which reads coordinates, ``limit = 1 / fan_in``. The authors' code draws
    biases as torch does, within ``1 / sqrt(fan_in)`` of their kernels' fan_in.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        w0: the frequency that a layer multiplies its sum by, greater than 0; a
            number or a scalar array; default 30. It does not scale a first layer.
            May be traced.
        first: whether the layer is the first; default `False`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = siren(jax.random.key(0), (2, 256), first=True)
        >>> bool(0.49 < abs(values).max() <= 0.5)
        True

    References:
        Sitzmann, Martel, Bergman, Lindell and Wetzstein (2020), "Implicit neural
        representations with periodic activation functions",
        https://arxiv.org/abs/2006.09661
    """

def small_init(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer of a transformer's weights, as GPT-NeoX's ``small_init``.

    Law: normal with mean 0 and standard deviation ``sqrt(2 / (5 * d))``, where d is
    fan_in. The law's d is the model's width: fan_in of every kernel that reads the
    residual stream. A table of embeddings (vocabulary, d) has it with ``in_axis=-1``
    and ``out_axis=-2``.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = small_init(jax.random.key(0), (1000, 100))
        >>> round(float(values.std()), 2)
        0.02

    References:
        Nguyen and Salazar (2019), "Transformers without tears: improving the
        normalization of self-attention", https://arxiv.org/abs/1910.05895
    """

def sparse(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    sparsity: float,
    stddev: Scalar = 0.01,
) -> jax.Array:
    """Initializer that generates normal matrices with a share of zeros in each column.

    The columns are those of the array: zeros are counted along its first axis.
    In a kernel (inputs, outputs), as JAX's are, each output unit loses
    ``ceil(sparsity * inputs)`` of its incoming weights, as Martens describes. In
    torch's weights (outputs, inputs) it is each input unit that loses
    ``ceil(sparsity * outputs)`` of its outgoing ones.

    Law: in each column of a matrix of r rows, ``z = ceil(sparsity * r)`` elements
    are 0, every choice of z rows being as likely as any other, independently of the
    other columns. The rest are normal with mean 0 and standard deviation `stddev`;
    in float32 their support is ± 5.42 `stddev`. So an element has mean 0 and
    standard deviation ``stddev * sqrt(1 - z / r)``. The product is that of Python's
    floats, as in torch: ``0.07 * 100`` is just above 7, and z is 8. Rounding to a
    narrow dtype may add zeros.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(rows, columns)``, as ``(inputs, outputs)``.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        sparsity: the share of zeros in each column, from 0 to 1.
        stddev: the standard deviation of the other elements, at least 0; a number
            or a scalar array; default 0.01. May be traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call is not 2-D;
            `shape` has a negative or unknown dimension, or `key` is a batch of
            keys.

    Example:
        Each of 4 outputs keeps 15 of its 100 inputs:

        >>> import jax
        >>> values = sparse(jax.random.key(0), (100, 4), sparsity=0.85)
        >>> (values != 0).sum(axis=0).tolist()
        [15, 15, 15, 15]

    References:
        Martens (2010), "Deep learning via Hessian-free optimization",
        https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf
    """

def spectral(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    exact: bool = True,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer that generates normal matrices of the spectral norm that features need.

    Features learn at the same rate in every width if the largest singular value of each
    matrix is in proportion to ``sqrt(outputs / fan_in)``. The matrix of a tensor has a
    column for each output, and a row for each of the rest: of a convolution, each input
    at each tap, fan_in of them.

    Law: normal, divided by its largest singular value, times ``gain * sqrt(outputs /
    fan_in)``: no other value is the matrix's norm, and no element is larger. Each element
    has mean 0. With ``exact=False`` there is no decomposition: independent and normal, of
    standard deviation ``gain * sqrt(outputs / fan_in) / (sqrt(fan_in) + sqrt(outputs))``,
    for the norm of a standard normal matrix is nearly the sum of these roots; float32
    values equal those of ``jax.jit(jax.nn.initializers.normal(stddev))`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        gain: the factor, at least 0; a number or a scalar array; default 1. May be
            traced.
        exact: whether to measure the norm, by a decomposition of singular values,
            rather than to expect it; default `True`.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, the shape of a call has less than
            two dimensions beside the batch axes, or its layout is no matrix's;
            `shape` has a negative or unknown dimension, or `key` is a batch of
            keys.

    Example:
        Without a decomposition the norm is nearly that:

        >>> import jax, jax.numpy as jnp
        >>> matrix = spectral(jax.random.key(0), (256, 1024), exact=False)
        >>> round(float(jnp.linalg.norm(matrix, ord=2)), 1)
        2.0

    References:
        Yang, Simon and Bernstein (2023), "A spectral condition for feature learning",
        https://arxiv.org/abs/2310.17813
    """

def stacked(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    axis: int = 0,
) -> jax.Array:
    """Initializer of layers that are stacked along an axis, each as if it stood alone.

    It is what ``init_params(…, stacked=axis)`` does, for weights that are made without
    rules.

    Law: layer i is what ``init(jax.random.fold_in(key, i), shape_of_layer)`` makes, bit
    for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a type that `init` makes; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: the initializer of a layer, or whatever names one, without a seed of
            its own.
        axis: the axis along which the layers are stacked; default 0.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: `init` is unknown or has a seed, or the shape of a call has no
            such axis; `shape` has a negative or unknown dimension, or `key` is a
            batch of keys.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.functional import orthogonal
        >>> key = jax.random.key(0)
        >>> stack = stacked(key, (2, 4, 4), init="orthogonal")
        >>> bool(np.array_equal(stack[1], orthogonal(jax.random.fold_in(key, 1), (4, 4))))
        True
    """

def stft(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    side: str = "real",
    window: str | tuple[float, ...] | None = "hann",
    scaling: str | None = "density",
    periodic: bool = False,
) -> jax.Array:
    """Initializer of convolutions that make the short-time Fourier transform of a signal.

    Law: at time t and band f, ``cos(2 * pi * t * f / n)`` for the real side, or
    ``-sin(2 * pi * t * f / n)`` for the imaginary one, with ``n = 2 * (bands - 1)``,
    times the window at t. It is the same for all input channels, of which Keras's layer
    has one.

    Args:
        key: ignored, and may be `None`.
        shape: ``(length, inputs, bands)``, with one more band than half of a
            transform.
        dtype: a floating or complex type; default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        side: ``"real"`` (default) or ``"imag"``.
        window: the name of a window of `scipy.signal.windows` that needs no
            parameters, its values, or `None` for none; default ``"hann"``.
        scaling: what the window is divided by: with ``"density"`` (default) the
            root of the sum of its squares, with ``"spectrum"`` the sum of its
            absolute values, with `None` nothing. Without a window, it is nothing
            too.
        periodic: whether a window by name is periodic, and not symmetric; default
            `False`.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is not one of its choices, or the shape of a call is
            not 3-D, or its length is not that of the window; `shape` has a negative
            or unknown dimension.

    Example:
        It is the transform of NumPy, of each window of a signal:

        >>> import jax, numpy as np
        >>> x = jax.random.normal(jax.random.key(0), (8,))
        >>> kernel = stft(None, (8, 1, 5), window="hamming", scaling=None)
        >>> ours = (x[:, None, None] * kernel).sum(axis=0)[0]
        >>> bool(abs(ours - np.fft.rfft(x * np.hamming(8)).real).max() < 1e-5)
        True

    References:
        Allen (1977), "Short term spectral analysis, synthesis, and modification by
        discrete Fourier transform", https://doi.org/10.1109/TASSP.1977.1162950
    """

def torch_bias(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    fan_in: int | None = None,
    kernel: str = "kernel",
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer that draws the biases of torch's ``Linear`` and ``Conv`` layers.

    A bias does not tell how many inputs its kernel has. `fan_in` says it; in
    `cthulhu.params.Rules` the kernel beside it does.

    Law: uniform within [-limit, limit], with ``limit = 1 / sqrt(fan_in)``; 0 where
    there are no inputs.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        fan_in: the number of inputs of the kernel; default: that of the parameter
            `kernel`, which only rules can see.
        kernel: in rules, the path of the kernel, from where the bias is, as
            ``"kernel"`` (default) or ``"../dense/kernel"``; from the root with a
            slash before it.
        layout: the layout of the kernel, as ``"torch_conv"``, or a
            `cthulhu.fans.Layout`; default: the axes of the kernel's own
            initializer, or (…, inputs, outputs).

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or `fan_in` is not known; `shape`
            has a negative or unknown dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> bool((abs(torch_bias(jax.random.key(0), (50,), fan_in=16)) <= 0.25).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

def torch_linear(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer that draws the kernels of torch's ``Linear`` and ``Conv`` layers.

    Law: uniform within [-limit, limit], with ``limit = 1 / sqrt(fan_in)``: what
    ``kaiming_uniform_(a=sqrt(5))`` is. torch draws biases within the same limit, of
    their kernel's fan_in.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = torch_linear(jax.random.key(0), (16, 100))
        >>> bool((abs(values) <= 0.25).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """

def truncated_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    mean: Scalar = 0.0,
    stddev: Scalar = 0.05,
    lower: Scalar = -2.0,
    upper: Scalar = 2.0,
    absolute: bool = False,
    corrected: bool = False,
) -> jax.Array:
    """Initializer that generates a truncated normal distribution.

    These values are similar to values from a `RandomNormal`, except that those
    more than two standard deviations from the mean do not occur.

    Law: normal with mean `mean` and standard deviation `stddev`, conditioned on
    (`mean` + `lower` · `stddev`, `mean` + `upper` · `stddev`), or on (`lower`,
    `upper`) with `absolute`. Both are those of the normal before the cut: with the
    default bounds the values have standard deviation 0.8796 · `stddev`. With
    `corrected` the normal is so wide that `stddev` is that of the values, whatever
    the bounds; they count in standard deviations of that normal, and `mean` stays
    its mean. Rounding to a narrow dtype may reach the bounds themselves. float32
    values with mean 0 and plain bounds within 4 standard deviations equal
    ``jax.jit(jax.nn.initializers.truncated_normal(stddev))`` bit for bit. Beyond 4
    on one side (7.5 in float64), where JAX has a thousand values left or none, the
    tail is inverted; traced bounds are not looked at.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        mean: the mean before the cut; a number or a scalar array; default 0. May be
            traced.
        stddev: the standard deviation before the cut, likewise, at least 0; default
            0.05. May be traced.
        lower: the lower bound, in standard deviations from the mean, perhaps
            ``-inf``; default -2. May be traced.
        upper: the upper bound, likewise, greater than `lower`; default 2. May be
            traced.
        absolute: whether the bounds are values, as torch's `a` and `b`; default
            `False`.
        corrected: whether `stddev` is that of the values; default `False`.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type, or traced with `corrected`;
            `key` is no key, or `dtype` is no such type.
        ValueError: an argument is out of range, or no values lie between the
            bounds; `shape` has a negative or unknown dimension, or `key` is a batch
            of keys.

    Example:
        >>> import jax
        >>> values = truncated_normal(jax.random.key(0), (1000,), stddev=1.0)
        >>> bool((abs(values) < 2).all())
        True
    """

def uniform_gate(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Initializer that generates biases of gates which are uniformly open.

    With no input a sigmoid gate of these biases is open by U, and the time scales
    ``1 / (1 - U)`` of its units spread from 1 to n.

    Law: ``-ln(1 / U - 1)``, where U is uniform between 1 / n and 1 - 1 / n, and n is
    the size of the last axis; 0 where that is less than 3. The mean is 0, and the
    standard deviation, integrated numerically, below π / √3, its limit for large n.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(*, n)``, of rank 1 or more.
        dtype: a real floating type; default: JAX's default float. Types below 32
            bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range, or the shape of a call has no
            dimension; `shape` has a negative or unknown dimension, or `key` is a
            batch of keys.

    Example:
        >>> import jax
        >>> gates = jax.nn.sigmoid(uniform_gate(jax.random.key(0), (100,)))
        >>> bool(((0.0099 < gates) & (gates < 0.9901)).all())
        True

    References:
        Gu, Gulcehre, Paine, Hoffman and Pascanu (2020), "Improving the gating mechanism
        of recurrent neural networks", https://arxiv.org/abs/1910.09890
    """

def unit_forget_gate(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    order: str,
) -> jax.Array:
    """Initializer of the biases of an LSTM, which starts by keeping what it holds.

    Law: 1 for the forget gate, 0 for the others, of biases whose last axis is the four
    gates, one after the other. torch adds two biases: one of them is `Zeros`.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*leading, 4 * units)``.
        dtype: the type of the result, floating, complex, integer or boolean;
            default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        order: the order of the gates, a string of ``i``, ``f``, ``o``, and ``g`` or
            ``c`` for the candidate: ``"ifgo"`` for torch and Equinox, ``"ifco"``
            for Keras, ``"igfo"`` for Haiku, which adds a 1 of its own.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `order` is no string.
        ValueError: `order` has not each gate once, or the last dimension of the
            shape of a call is no multiple of 4; `shape` has a negative or unknown
            dimension.

    Example:
        >>> unit_forget_gate(None, (2, 4), order="igfo").tolist()
        [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]]

    References:
        Jozefowicz, Zaremba and Sutskever (2015), "An empirical exploration of recurrent
        network architectures", https://proceedings.mlr.press/v37/jozefowicz15.html
    """

def variance_scaling(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    scale: Scalar = 1.0,
    mode: Mode = "fan_in",
    distribution: Distribution = "truncated_normal",
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer capable of adapting its scale to the shape of weights.

    Law: mean 0 and standard deviation ``sqrt(scale / n)``, where n is, at least 1,

    - the number of input units in the weight tensor, if mode = ``"fan_in"``
    - the number of output units, if mode = ``"fan_out"``
    - the average of both, if mode = ``"fan_avg"``
    - the geometric average of both, if mode = ``"fan_geo_avg"``

    The distribution is

    - ``"truncated_normal"``, or its synonym ``"normal"``: normal, cut at two
      standard deviations of the normal before the cut, and widened by 1 / 0.8796
      so that the standard deviation after the cut is the one above. (In
      `jax.nn.initializers`, ``"normal"`` is the untruncated one.)
    - ``"untruncated_normal"``: normal.
    - ``"uniform"``: uniform within [-limit, limit], with
      ``limit = sqrt(3 * scale / n)``.

    A complex dtype gives a normal cut at a modulus, a normal, or a disk.
    float32 values equal ``jax.jit(jax.nn.initializers.variance_scaling(…))``
    bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        scale: the factor, greater than 0; a number or a scalar array; default 1.
            May be traced.
        mode: ``"fan_in"`` (default), ``"fan_out"``, ``"fan_avg"`` or
            ``"fan_geo_avg"``.
        distribution: ``"truncated_normal"`` (default) or its synonym ``"normal"``,
            ``"untruncated_normal"`` or ``"uniform"``.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an invalid value for `scale`, `mode` or `distribution`, or an
            axis that the shape of a call does not have; `shape` has a negative or
            unknown dimension, or `key` is a batch of keys.

    Example:
        A stack of twelve layers, each scaled as if it stood alone:

        >>> import jax
        >>> stack = variance_scaling(jax.random.key(0), (12, 100, 100), batch_axis=0)
        >>> round(float(stack.std()), 2)
        0.1

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852. Glorot and Bengio (2010),
        "Understanding the difficulty of training deep feedforward neural
        networks", https://proceedings.mlr.press/v9/glorot10a.html
    """

def wang_init(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    layers: int,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Initializer of the projections that end a residual branch, as GPT-NeoX's ``wang_init``.

    Law: normal with mean 0 and standard deviation ``2 / (layers * sqrt(d))``, where d
    is fan_out. The law's d is the model's width: fan_out of every kernel that writes
    to the residual stream, whatever it reads.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        layers: the number of layers of the model, each of an attention and a
            feed-forward block.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = wang_init(jax.random.key(0), (400, 100), layers=10)
        >>> round(float(values.std()), 3)  # 2 / 10 / sqrt(100)
        0.02

    References:
        Wang and Komatsuzaki (2021), "Mesh Transformer JAX",
        https://github.com/kingoflolz/mesh-transformer-jax
    """

def xavier(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    distribution: Distribution = "untruncated_normal",
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    layout: LayoutLike = None,
) -> jax.Array:
    """Glorot initializer with a gain, as torch's ``xavier_normal_`` and ``xavier_uniform_``.

    Law: mean 0 and standard deviation ``gain * sqrt(2 / (fan_in + fan_out))``. Not
    truncated, where `GlorotNormal` is.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        gain: the factor, greater than 0; a number or a scalar array; default 1.
            `cthulhu.gains` has those of activations. May be traced.
        distribution: ``"untruncated_normal"`` (default), ``"uniform"`` or
            ``"truncated_normal"``.
        in_axis: the axis, or axes, of the inputs; default -2.
        out_axis: the axis, or axes, of the outputs; default -1.
        batch_axis: axes that stack independent tensors and count in no fan; default
            none; ``"rest"`` is all that are neither inputs nor outputs.
        layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
            `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: an argument is out of range; `shape` has a negative or unknown
            dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = xavier(jax.random.key(0), (300, 100), gain=2.0)
        >>> round(float(values.std()), 2)  # 2 * sqrt(2 / 400)
        0.14

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks", https://proceedings.mlr.press/v9/glorot10a.html
    """

def zer_o(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Initializer that generates identities, and Hadamard matrices where a layer widens.

    Only for shapes of two to five dimensions.

    Law: with no more outputs than inputs, 1 from input i to output i, and 0 elsewhere.
    With more outputs, from input i to output j ``2 ** (-c / 2)`` times the element (i, j)
    of Sylvester's Hadamard matrix of the size ``2 ** c``, the smallest that holds the
    outputs. A kernel of a convolution has this at the centre of its spatial axes (the
    upper one if a size is even), and 0 elsewhere. The last layers of residual branches
    are `Zeros`, as the paper has them.

    Args:
        key: ignored, and may be `None`.
        shape: ``(*spatial, inputs, outputs)``, of rank 2 to 5.
        dtype: a floating or complex type; default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        Whatever comes in is as long when it leaves a layer whose width is a power of two:

        >>> import jax, jax.numpy as jnp
        >>> x = jax.random.normal(jax.random.key(0), (5, 48))
        >>> y = x @ zer_o(None, (48, 64))
        >>> bool(jnp.allclose((x**2).sum(axis=1), (y**2).sum(axis=1), rtol=1e-5))
        True

    References:
        Zhao, Schäfer and Anandkumar (2022), "ZerO initialization: initializing neural
        networks with only zeros and ones", https://arxiv.org/abs/2110.12661
    """

def zero_first(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    count: int = 1,
    axis: int = 0,
) -> jax.Array:
    """Initializer that sets the first entries along an axis to 0.

    So begins the table of an embedding whose token 0 is padding.

    Law: that of `init`, for the whole shape and with the same key; 0 in the first
    `count` entries along `axis`.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a type that `init` makes; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: an initializer, or whatever names one, without a seed of its own.
        count: how many entries are 0, at least 1; default 1.
        axis: the axis along which they are counted; default 0.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: `init` is unknown or has a seed, `count` is out of range, or the
            shape of a call has no such axis, or fewer entries; `shape` has a
            negative or unknown dimension, or `key` is a batch of keys.

    Example:
        The row of the padding token of torch's embeddings:

        >>> import jax
        >>> table = zero_first(jax.random.key(0), (8, 2), init="random_normal")
        >>> table[0].tolist(), bool((table[1:] != 0).all())
        ([0.0, 0.0], True)
    """

def zero_last(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    init: InitializerLike,
    count: int = 1,
    axis: int = 0,
) -> jax.Array:
    """Initializer that sets the last entries along an axis to 0.

    So begin layers that have outputs of their own to learn later, as the logits of
    tokens that a vocabulary keeps in reserve.

    Law: that of `init`, for the whole shape and with the same key; 0 in the last
    `count` entries along `axis`.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a type that `init` makes; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        init: an initializer, or whatever names one, without a seed of its own.
        count: how many entries are 0, at least 1; default 1.
        axis: the axis along which they are counted; default 0.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: an argument is of the wrong type; `key` is no key, or `dtype` is
            no such type.
        ValueError: `init` is unknown or has a seed, `count` is out of range, or the
            shape of a call has no such axis, or fewer entries; `shape` has a
            negative or unknown dimension, or `key` is a batch of keys.

    Example:
        The last of twelve stacked layers, whose branch adds nothing at first:

        >>> import jax
        >>> stack = zero_last(jax.random.key(0), (12, 4, 4), init="ones")
        >>> stack.sum((1, 2)).tolist()[-3:]
        [16.0, 16.0, 0.0]
    """

def zeros(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Initializer that generates tensors initialized to 0.

    Law: every element is 0.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result.
        dtype: the type of the result, floating, complex, integer or boolean;
            default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        >>> zeros(None, (2, 2)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """

kaiming_normal = he_normal
kaiming_uniform = he_uniform
normal = random_normal
uniform = random_uniform
xavier_normal = glorot_normal
xavier_uniform = glorot_uniform

__all__ = [
    "blocked",
    "by_depth",
    "chrono",
    "constant",
    "convolution_orthogonal",
    "delta_orthogonal",
    "dirac",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "hippo_leg_s",
    "icnr",
    "identity",
    "inverse_softplus_uniform",
    "kaiming",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "log_uniform",
    "logit_prior",
    "lora_a",
    "mapped",
    "martens_sparse",
    "masked",
    "normal",
    "ones",
    "orthogonal",
    "orthogonal_pair",
    "random_normal",
    "random_uniform",
    "recurrent_gate",
    "ring_phase",
    "ring_uniform",
    "s4d_inv",
    "s4d_lin",
    "s4d_real",
    "scaled",
    "scaled_orthogonal",
    "sin_cos",
    "siren",
    "small_init",
    "sparse",
    "spectral",
    "stacked",
    "stft",
    "torch_bias",
    "torch_linear",
    "truncated_normal",
    "uniform",
    "uniform_gate",
    "unit_forget_gate",
    "variance_scaling",
    "wang_init",
    "xavier",
    "xavier_normal",
    "xavier_uniform",
    "zer_o",
    "zero_first",
    "zero_last",
    "zeros",
]
