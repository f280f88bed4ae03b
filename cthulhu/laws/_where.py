"""Laws of which some values are 0."""

import dataclasses
import hashlib
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, HostArray, Number
from cthulhu.laws._base import Elementwise, Law, Moments, OfLaw, Section, values_alone
from cthulhu.laws._composed import Shape, hull, pooled, resized
from cthulhu.laws._fixed import Fill

SHOWN = 256  # Elements of a mask that are shown.
RUNS = 3  # Runs of a mask that are parts: zeros between others.
NOTHING = (np.float32(0),)


class Mask:
    """An array of booleans as a value, which can be compared and hashed."""

    def __init__(self, array: HostArray) -> None:
        self.shape: Shape = array.shape
        self.packed = np.packbits(array.astype(bool)).tobytes()
        self._hash = hash((self.shape, self.packed))

    def __reduce__(self) -> tuple[Any, ...]:
        """Made anew elsewhere: another process hashes otherwise."""
        return Mask, (self.array(),)

    def array(self) -> HostArray:
        """The booleans."""
        bits = np.unpackbits(np.frombuffer(self.packed, np.uint8), count=math.prod(self.shape))
        return bits.reshape(self.shape).astype(bool)

    def tolist(self) -> Any:
        """Ones and zeros in lists."""
        return self.array().astype(int).tolist()

    def __eq__(self, other: object) -> bool:
        """Whether all elements are equal."""
        if not isinstance(other, Mask):
            return NotImplemented
        return (self.shape, self.packed) == (other.shape, other.packed)

    def __hash__(self) -> int:
        """Of the elements."""
        return self._hash

    def __repr__(self) -> str:
        """The lists, from which an equal mask is made; of a large one, what tells it apart."""
        if math.prod(self.shape) <= SHOWN:
            return repr(self.tolist())
        digest = hashlib.blake2b(self.packed, digest_size=8).hexdigest()
        return f"<mask of shape {self.shape}, {digest}>"


@dataclasses.dataclass(frozen=True)
class Where(OfLaw):
    """The values of a law where a mask is true, 0 elsewhere.

    Args:
        law: the law, of the whole array.
        mask: which elements stay, broadcast to the shape; ``"tril"`` or ``"triu"``, a
            triangle of the last two axes with the diagonal.

    Example:
        >>> from cthulhu.laws import Fill
        >>> law = Where(Fill(), Mask(np.array([True, False])))
        >>> law.moments((3, 2), 4.0)
        Moments(mean=2.0, stddev=2.0)
    """

    mask: Mask | str

    prefix = "masked"

    def values(
        self, key: jax.Array | None, shape: Shape, dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        values = values_alone(self.law, key, shape, dtype, *scalars)  # type: ignore[arg-type]
        return jnp.where(self.kept(shape), values, values.dtype.type(0))

    def kept(self, shape: Shape) -> HostArray | jax.Array:
        """The mask of an array of this shape."""
        if isinstance(self.mask, Mask):
            return self.mask.array()
        row, column = (lax.broadcasted_iota(np.int32, shape[-2:], axis) for axis in (0, 1))
        return row >= column if self.mask == "tril" else row <= column

    def share(self, shape: Shape) -> float:
        """The share of the elements that stay, of an array that is not empty."""
        if isinstance(self.mask, Mask):
            return float(self.mask.array().mean())
        rows, columns = shape[-2:]
        if self.mask == "triu":
            rows, columns = columns, rows
        return float(np.minimum(np.arange(1, rows + 1), columns).sum()) / (rows * columns)

    def sections(self, shape: Shape, *scalars: Any) -> list[Section]:
        """The runs of zeros and of the rest, where they are few and lie along one axis."""
        ends = self.runs(shape) if isinstance(self.law, Elementwise) else None
        if ends is None:
            return super().sections(shape, *scalars)
        axis, found = ends[0], []
        for start, end, kept in ends[1]:
            place = [slice(None)] * len(shape)
            place[axis] = slice(start, end)
            law: tuple[Law, tuple[Any, ...]] = (self.law, scalars) if kept else (Fill(), NOTHING)
            found.append(Section(tuple(place), law[0], resized(shape, axis, end - start), law[1]))
        return found

    def runs(self, shape: Shape) -> tuple[int, list[tuple[int, int, bool]]] | None:
        """An axis, and the runs along it that are kept or not; `None` where it takes more."""
        if not isinstance(self.mask, Mask):
            return None
        axes = [at for at, size in enumerate(self.mask.shape, -len(self.mask.shape)) if size > 1]
        if len(axes) != 1 or self.mask.shape[axes[0]] != shape[axes[0]]:
            return None
        kept = self.mask.array().reshape(-1)
        edges = [0, *(np.flatnonzero(kept[1:] != kept[:-1]) + 1).tolist(), kept.size]
        if len(edges) > RUNS + 1:
            return None
        pairs = itertools.pairwise(edges)
        return axes[0] % len(shape), [(start, end, bool(kept[start])) for start, end in pairs]

    def moments(self, shape: Shape, *scalars: ArrayLike) -> Moments | None:
        """Those of the law, zeros included."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        if self.law.identical:
            kept, known = self.share(shape), self.law.moments(shape, *scalars)
            return pooled([(kept, known), (1 - kept, Moments(0.0, 0.0))])
        if self.law.uses_key:
            return None
        with jax.ensure_compile_time_eval():
            exact = np.asarray(self.values(None, shape, np.dtype(np.float32), *scalars))  # type: ignore[arg-type]
        return Moments(float(exact.mean()), float(exact.std()))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """That of the law, and 0."""
        return hull([self.law.support(*scalars), (0.0, 0.0)])
