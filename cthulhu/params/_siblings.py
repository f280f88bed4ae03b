"""Laws that see other parameters of the same model."""

from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu.initializers import Initializer
from cthulhu.initializers._torch import path_of
from cthulhu.typing import Axes, DTypeLike, OutSharding, Shape

RESERVED = frozenset({"key", "shape", "dtype"})


class OfSiblings(Initializer):
    """What `FromSiblings` and the laws made of it share."""

    @property
    def siblings(self) -> dict[str, str]:
        """For each argument of `of_siblings`, the path of a parameter."""
        raise NotImplementedError

    def of_siblings(
        self, key: jax.Array, shape: tuple[int, ...], dtype: Any, **siblings: jax.Array
    ) -> jax.Array:
        """The values, of the key of this parameter and the values of its siblings."""
        raise NotImplementedError

    def _draw(
        self,
        key: jax.Array | None,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        raise ValueError(
            f"{self!r} sees other parameters ({', '.join(map(repr, self.siblings.values()))}), and "
            "alone there are none; use it in Rules"
        )


class FromSiblings(OfSiblings):
    """In `Rules`, what is made of the values of other parameters.

    The other parameters are named by their paths, from where this one is: ``"v"`` is
    beside it, ``"../dense/kernel"`` one node up and down again, ``"/embed/table"``
    starts at the root. They may stand before or after this one, be kept, or be made of
    siblings themselves.

    Law: what `function` returns, rounded once. It is given arrays of at least float32
    that hold what the siblings hold; of stacked layers, those of its own layer.

    Args:
        function: ``(key, shape, dtype, **siblings) -> Array``.
        **siblings: for each argument of the function, the path of a parameter.

    Raises:
        TypeError: a path is no string.
        ValueError: it is called without rules; or in rules, there is no such parameter,
            or parameters are made of each other in a circle.

    Example:
        >>> import jax, jax.numpy as jnp, numpy as np
        >>> from cthulhu.params import init_params
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> tree = {"largest": spec(), "weight": spec(100)}
        >>> largest = FromSiblings(lambda key, shape, dtype, w: jnp.abs(w).max(), w="weight")
        >>> params = init_params(0, tree, {"largest": largest, "weight": "random_normal"})
        >>> bool(params["largest"] == jnp.abs(params["weight"]).max())
        True
    """

    def __init__(self, function: Callable[..., Any], **siblings: str) -> None:
        if not callable(function):
            raise TypeError(
                "FromSiblings: function must be a function (key, shape, dtype, **siblings); got "
                f"{function!r}"
            )
        for name in RESERVED.intersection(siblings):
            raise TypeError(
                f"FromSiblings: {name} is an argument that the function has anyway; call the "
                "sibling otherwise"
            )
        self.function = function
        self._siblings = {
            name: path_of("FromSiblings", name, path) for name, path in siblings.items()
        }

    @property
    def siblings(self) -> dict[str, str]:
        """For each argument of the function, the path of a parameter."""
        return dict(self._siblings)

    def of_siblings(
        self, key: jax.Array, shape: tuple[int, ...], dtype: Any, **siblings: jax.Array
    ) -> jax.Array:
        """What the function returns."""
        return jnp.asarray(self.function(key, shape, dtype, **siblings), dtype)

    def _compared(self) -> Hashable:
        return self.function, tuple(self._siblings.items())

    def get_config(self) -> dict[str, Any]:
        """Raise: a config holds no code."""
        raise TypeError(
            f"serialize: {self!r} cannot be saved: a bare function has no config. Subclass it, "
            "with a get_config, or use Tied, WeightNormScale or RingNormalizer"
        )

    def __repr__(self) -> str:
        """The constructor call."""
        given = [f"{name}={path!r}" for name, path in self._siblings.items()]
        called = getattr(self.function, "__name__", repr(self.function))
        return f"{type(self).__name__}({', '.join([called, *given])})"


class Tied(OfSiblings):
    """In `Rules`, what starts with the values of another parameter.

    So begin a readout and the table of embeddings that are two parameters.

    Law: the values of `to`, bit for bit, or their transpose; converted, if the types
    differ.

    Args:
        to: the path of the other parameter, as for `FromSiblings`.
        transpose: whether to reverse its axes; default `False`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: as `FromSiblings`; or the shapes differ.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import init_params
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> tree = {"embed": spec(50, 8), "readout": {"kernel": spec(8, 50)}}
        >>> rules = {"embed": "random_normal", "readout/kernel": Tied("/embed", transpose=True)}
        >>> params = init_params(0, tree, rules)
        >>> bool(np.array_equal(params["readout"]["kernel"], params["embed"].T))
        True
    """

    def __init__(self, to: str, transpose: bool = False) -> None:
        self.to = path_of("Tied", "to", to)
        self.transpose = checks.flag("Tied", "transpose", transpose)

    @property
    def siblings(self) -> dict[str, str]:
        """The other parameter."""
        return {"to": self.to}

    def of_siblings(
        self, key: jax.Array, shape: tuple[int, ...], dtype: Any, **siblings: jax.Array
    ) -> jax.Array:
        """The values of the other parameter."""
        values = siblings["to"].T if self.transpose else siblings["to"]
        if values.shape != shape:
            transposed = " transposed" if self.transpose else ""
            raise ValueError(
                f"Tied: the parameter {self.to!r}{transposed} has shape {values.shape!r}, and "
                f"{shape!r} was asked for"
            )
        return values.astype(dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"to": self.to, "transpose": self.transpose}


class WeightNormScale(OfSiblings):
    """In `Rules`, the lengths g of weight normalization, with which ``w = g v / |v|`` is v.

    Law: the Euclidean norm of `v` over all axes but those of the outputs.

    Args:
        v: the path of the direction, as for `FromSiblings`; default ``"v"``.
        out_axis: the axis, or axes, of v that hold the outputs, which are the axes of
            g; default -1. What g has with one entry in place of the others is kept.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: as `FromSiblings`; or g has neither the outputs' shape nor that of v
            with ones.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import init_params
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> rules = {"v": "he_normal", "g": WeightNormScale()}
        >>> params = init_params(0, {"g": spec(8), "v": spec(16, 8)}, rules)
        >>> bool(np.allclose(params["g"], np.linalg.norm(params["v"], axis=0)))
        True

    References:
        Salimans and Kingma (2016), "Weight normalization",
        https://arxiv.org/abs/1602.07868
    """

    def __init__(self, v: str = "v", out_axis: Axes = -1) -> None:
        self.v = path_of("WeightNormScale", "v", v)
        self.out_axis = checks.axis_tuple("WeightNormScale", "out_axis", out_axis)

    @property
    def siblings(self) -> dict[str, str]:
        """The direction."""
        return {"v": self.v}

    def of_siblings(
        self, key: jax.Array, shape: tuple[int, ...], dtype: Any, **siblings: jax.Array
    ) -> jax.Array:
        """The norms."""
        v = siblings["v"]
        kept = checks.axes("WeightNormScale", "out_axis", self.out_axis, v.ndim)
        rest = tuple(axis for axis in range(v.ndim) if axis not in kept)
        norms = jnp.sqrt(jnp.sum(jnp.square(jnp.abs(v)), rest, keepdims=True)).astype(dtype)
        bare = tuple(v.shape[axis] for axis in sorted(kept))
        if shape not in (bare, norms.shape):
            raise ValueError(
                f"WeightNormScale: of {self.v!r} of shape {v.shape!r} with out_axis="
                f"{self.out_axis} there are norms of shape {bare!r} or {norms.shape!r}; "
                f"{shape!r} was asked for"
            )
        return norms.reshape(shape)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"v": self.v, "out_axis": list(self.out_axis)}


class RingNormalizer(OfSiblings):
    """In `Rules`, the logarithm of the input's scale in linear recurrent units.

    Law: γ with ``exp(γ) = sqrt(1 - r**2)``, for the modulus ``r = exp(-exp(ν))`` of the
    eigenvalue; the angle plays no part.

    Args:
        nu: the path of ν, as for `FromSiblings`; default ``"nu"``. See
            `cthulhu.initializers.RingUniform`.

    Raises:
        TypeError: `nu` is no string.
        ValueError: as `FromSiblings`; or the shapes differ.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.initializers import RingUniform
        >>> from cthulhu.params import init_params
        >>> spec = jax.ShapeDtypeStruct((8,), np.float32)
        >>> rules = {"nu": RingUniform(0.9, 0.999), "gamma": RingNormalizer()}
        >>> params = init_params(0, {"nu": spec, "gamma": spec}, rules)
        >>> modulus = np.exp(-np.exp(params["nu"]))
        >>> bool(np.allclose(np.exp(params["gamma"]), np.sqrt(1 - modulus**2), rtol=1e-4))
        True

    References:
        Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu and De (2023), "Resurrecting
        recurrent neural networks for long sequences", https://arxiv.org/abs/2303.06349
    """

    def __init__(self, nu: str = "nu") -> None:
        self.nu = path_of("RingNormalizer", "nu", nu)

    @property
    def siblings(self) -> dict[str, str]:
        """ν."""
        return {"nu": self.nu}

    def of_siblings(
        self, key: jax.Array, shape: tuple[int, ...], dtype: Any, **siblings: jax.Array
    ) -> jax.Array:
        """The logarithms."""
        nu = siblings["nu"].astype(dtype)
        if nu.shape != shape:
            raise ValueError(
                f"RingNormalizer: the parameter {self.nu!r} has shape {nu.shape!r}, and {shape!r} "
                "was asked for"
            )
        # 1 - r**2 by expm1: r is close to 1.
        return jnp.log(-jnp.expm1(-2 * jnp.exp(nu))) / 2

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"nu": self.nu}
