"""Adapters, whose second factor sees the first."""

from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu.initializers import RandomNormal
from cthulhu.initializers._torch import path_of
from cthulhu.params._siblings import OfSiblings


class OrthogonalTo(OfSiblings):
    """In `Rules`, the second factor B of a low-rank adapter, whose product with A is 0.

    A is `cthulhu.initializers.OrthogonalPair`, which makes B as well where both have one
    key. In rules each has its own, so that B has to see A.

    Law: `gain` times N H, where N (rank, rank / 2) is an orthonormal basis of the half of
    the rank that A (inputs, rank) uses least, and H (rank / 2, outputs) is standard normal.
    An A of half the rank, as `OrthogonalPair` makes it, does not use that half at all.

    Args:
        a: the path of A, as for `FromSiblings`; default ``"lora_a"``.
        gain: the factor; default 0.1.
        axis: the axis of the rank in B: 0 (default) with A (inputs, rank) and B (rank,
            outputs), 1 with A (rank, inputs) and B (outputs, rank).

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: as `FromSiblings`; or `axis` is another, the shapes do not fit, or the
            rank is odd.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.initializers import OrthogonalPair
        >>> from cthulhu.params import init_params
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> rules = {"lora_a": OrthogonalPair("A"), "lora_b": OrthogonalTo()}
        >>> made = init_params(0, {"lora_a": spec(64, 8), "lora_b": spec(8, 32)}, rules)
        >>> bool((abs(made["lora_a"] @ made["lora_b"]) < 1e-5).all())
        True

    References:
        Datta (2024), "Rethinking LoRA initialisation",
        https://datta0.github.io/posts/rethink-lora-init
    """

    def __init__(self, a: str = "lora_a", gain: float = 0.1, axis: int = 0) -> None:
        self.a = path_of("OrthogonalTo", "a", a)
        self.gain = float(checks.finite("OrthogonalTo", "gain", gain))
        if axis not in (0, 1):
            raise ValueError(f"OrthogonalTo: axis must be 0 or 1; got {axis!r}")
        self.axis = axis

    @property
    def siblings(self) -> dict[str, str]:
        """The first factor."""
        return {"a": self.a}

    def of_siblings(
        self, key: jax.Array, shape: tuple[int, ...], dtype: Any, **siblings: jax.Array
    ) -> jax.Array:
        """Normal combinations of the directions that A uses least."""
        a = siblings["a"].astype(dtype)
        rank = shape[self.axis] if len(shape) == 2 else 0
        if rank % 2 or a.ndim != 2 or a.shape[1 - self.axis] != rank or not rank:
            raise ValueError(
                f"OrthogonalTo: A is {self.a!r} of shape {a.shape!r}, and B must be a matrix of "
                f"the same rank, which is even, along axis {self.axis}; got {shape!r}"
            )
        a = a.T if self.axis else a
        highest = jax.lax.Precision.HIGHEST
        _, directions = jnp.linalg.eigh(jnp.matmul(jnp.conj(a.T), a, precision=highest))
        outputs = shape[1 - self.axis]
        normal = RandomNormal(stddev=1.0)(key, (rank // 2, outputs), dtype)
        unused = directions[:, : rank // 2]  # In the order of use.
        values = self.gain * jnp.matmul(unused, normal, precision=highest)
        return values.T if self.axis else values

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"a": self.a, "gain": self.gain, "axis": self.axis}
