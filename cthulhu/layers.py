"""`Daoloth`: the documented densely connected layer, a `flax.linen` module."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype
from jax import lax

from cthulhu import checks, initializers, random
from cthulhu.typing import DTypeLike, Initializer, InitializerLike

__all__ = ["Daoloth", "get_activation"]

Activation = Callable[[jax.Array], jax.Array]

# What `jax.nn` holds besides activations of one array.
NOT_ACTIVATIONS = frozenset(
    {
        "dot_product_attention",
        "get_scaled_dot_general_config",
        "initializers",
        "logmeanexp",
        "logsumexp",
        "one_hot",
        "scaled_dot_general",
        "scaled_matmul",
    }
)


def activation_names() -> list[str]:
    """The names of the activations of `jax.nn`, and Keras's name for none."""
    found = [
        name
        for name in dir(jax.nn)
        if not name.startswith("_")
        and name not in NOT_ACTIVATIONS
        and callable(getattr(jax.nn, name))
    ]
    return [*found, "linear"]


def get_activation(identifier: str | Activation | None) -> Activation:
    """Find an activation.

    Args:
        identifier: the name of a function of `jax.nn`, as ``"relu"``; a
            callable; or `None` or ``"linear"``, for the identity.

    Returns:
        A function from an array to an array of the same shape.

    Raises:
        ValueError: the name is unknown.
        TypeError: `identifier` is neither name, callable nor `None`.

    Example:
        >>> import jax
        >>> get_activation("relu") is jax.nn.relu
        True
    """
    if identifier is None or identifier == "linear":
        return _linear
    if isinstance(identifier, str):
        name = checks.choice("Daoloth", "activation", identifier, activation_names())
        function: Activation = getattr(jax.nn, name)
        return function
    if callable(identifier):
        return identifier
    raise TypeError(
        "Daoloth: activation must be a name of a function in jax.nn, a callable or None; "
        f"got {identifier!r} of type {type(identifier).__name__}"
    )


def _linear(x: jax.Array) -> jax.Array:
    return x


class Daoloth(nn.Module):
    """A densely connected layer: ``activation(inputs @ kernel + bias)``.

    A layer's weights follow from the model's key and the path of the layer, so
    two layers never share weights, not even if their initializers carry the same
    seed: then the seed pins the values, and the path keeps them apart.

    Args:
        units: the size of the last axis of the output.
        activation: a name of a function in `jax.nn`, a callable, or `None`.
        use_bias: whether to add a bias.
        kernel_initializer: whatever `cthulhu.initializers.get` takes; the kernel
            has shape ``(inputs, units)``.
        bias_initializer: likewise; the bias has shape ``(units,)``.
        dtype: the type to compute in; `None` is that of inputs and parameters.
        param_dtype: the type of the parameters.

    Returns:
        From a call: an array of the shape of the inputs, with `units` as the
        last dimension.

    Raises:
        ValueError: `units` is less than 1, or a name is unknown.
        TypeError: `units` is not an integer, or an initializer is of no known kind.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> layer = Daoloth(64, kernel_initializer="random_uniform", bias_initializer="zeros")
        >>> variables = layer.init(jax.random.key(0), jnp.ones((1, 3)))
        >>> variables["params"]["kernel"].shape
        (3, 64)
    """

    units: int
    activation: str | Activation | None = None
    use_bias: bool = True
    kernel_initializer: InitializerLike = "glorot_uniform"
    bias_initializer: InitializerLike = "zeros"
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    def __post_init__(self) -> None:
        """Check what is known at construction."""
        if isinstance(self.units, bool) or not isinstance(self.units, int | np.integer):
            raise TypeError(
                f"Daoloth: units must be an integer; got {self.units!r} "
                f"of type {type(self.units).__name__}"
            )
        object.__setattr__(self, "units", int(self.units))
        if self.units < 1:
            raise ValueError(f"Daoloth: units must be at least 1; got {self.units}")
        get_activation(self.activation)
        for argument in ("kernel_initializer", "bias_initializer"):
            if initializers.get(getattr(self, argument)) is None:
                raise TypeError(f"Daoloth: {argument} must name an initializer; got None")
        super().__post_init__()

    @nn.compact
    def __call__(self, inputs: Any) -> jax.Array:
        """Apply the layer to inputs of shape ``(..., inputs)``."""
        inputs = jnp.asarray(inputs)
        if inputs.ndim < 1:
            raise ValueError("Daoloth: inputs must have at least one dimension; got a scalar")
        shape = (inputs.shape[-1], self.units)
        kernel = self._parameter("kernel", self.kernel_initializer, shape)
        bias = (
            self._parameter("bias", self.bias_initializer, (self.units,)) if self.use_bias else None
        )
        inputs, kernel, bias = promote_dtype(inputs, kernel, bias, dtype=self.dtype)
        outputs = lax.dot_general(inputs, kernel, (((inputs.ndim - 1,), (0,)), ((), ())))
        if bias is not None:
            outputs = outputs + jnp.reshape(bias, (1,) * (outputs.ndim - 1) + (-1,))
        return get_activation(self.activation)(outputs)

    def _parameter(self, name: str, identifier: Any, shape: tuple[int, ...]) -> Any:
        """A parameter, whose key follows from its path, and from the seed if there is one."""
        initializer: Initializer = initializers.get(identifier)
        path = (*self.path, name)

        def init(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
            seed = getattr(initializer, "seed", None)
            if seed is not None:
                # Flax's key already follows from the path; a seed's does not yet.
                key = random.fold_path(random.from_seed(seed), path)
            return initializer(key, shape, dtype)

        return self.param(name, init, shape, self.param_dtype)
