"""Convolutions that transform a signal into its spectrum, window by window."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import DType, HostArray, Number
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import Law, Moments
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike

Window = str | tuple[float, ...] | None


def side_of(owner: str, argument: str, value: Any) -> str:
    """The real or the imaginary part."""
    return checks.choice(owner, argument, value, ("real", "imag"))


def scaling_of(owner: str, argument: str, value: Any) -> str | None:
    """What a window is divided by, or nothing."""
    return None if value is None else checks.choice(owner, argument, value, ("density", "spectrum"))


def window_of(owner: str, argument: str, value: Any) -> Window:
    """A window that SciPy makes of its name alone, the values of one, or none."""
    if value is None:
        return None
    if isinstance(value, str):
        from scipy import signal

        try:
            signal.get_window(value, 1)
        except ValueError:
            raise ValueError(
                f"{owner}: {argument} must be None, the values of a window, or the name of one of "
                f"scipy.signal.windows that needs no parameters, as 'hann'; got {value!r}"
            ) from None
        return value
    if checks.is_traced(value) or np.ndim(value) != 1 or not np.size(value):
        raise TypeError(
            f"{owner}: {argument} must be None, the name of a window, or its values, a sequence "
            f"of numbers; got {value!r}"
        )
    return tuple(float(checks.finite(owner, argument, one)) for one in value)


@dataclasses.dataclass(frozen=True)
class Spectrum(Law):
    """The cosines, or the negative sines, of ``2 * pi * t * f / n``, times a window of t.

    Args:
        side: ``"real"`` or ``"imag"``.
        window: a name, values or `None`.
        scaling: ``"density"``, ``"spectrum"`` or `None`.
        periodic: whether the window is.

    Example:
        >>> Spectrum("imag", None, None, False).moments((1, 1, 3))
        Moments(mean=0.0, stddev=0.0)
    """

    side: str
    window: Window
    scaling: str | None
    periodic: bool

    uses_key = False

    def weights(self, length: int) -> HostArray:
        """The window, divided by its norm; one that is 0 everywhere stays so."""
        if self.window is None or not length:
            return np.ones(length)
        if isinstance(self.window, str):
            from scipy import signal

            found = np.asarray(signal.get_window(self.window, length, self.periodic), np.float64)
        else:
            found = np.array(self.window)
        norms = {"density": math.sqrt((found**2).sum()), "spectrum": np.abs(found).sum()}
        return found / (norms.get(self.scaling or "", 1.0) or 1.0)

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The kernel, for any key."""
        real = np.zeros((), dtype).real.dtype
        size = max(1, 2 * (shape[2] - 1))
        time, band = (lax.broadcasted_iota(np.uint32, shape, axis) for axis in (0, 2))
        # Whole turns are dropped while they are whole.
        turns = (time * band % np.uint32(size)).astype(real) / real.type(size)
        wave = jnp.cos if self.side == "real" else jnp.sin
        sign = 1 if self.side == "real" else -1
        weights = (sign * self.weights(shape[0])).astype(real).reshape(-1, 1, 1)
        return (wave(turns * real.type(2 * np.pi)) * weights).astype(dtype)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """By the sums of geometric series, one for each time."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        length, _, bands = shape
        size = max(1, 2 * (bands - 1))

        def summed(times: int) -> HostArray:
            steps = times * np.arange(length) % size
            phase = -2j * np.pi * np.where(steps, steps, 0.5) / size
            return np.where(steps, np.expm1(bands * phase) / np.expm1(phase), bands)

        weights, even = self.weights(length), self.side == "real"
        one, two = summed(1), summed(2).real
        mean = float((weights * (one.real if even else one.imag)).mean()) / bands
        squares = (bands + two if even else bands - two) / 2
        square = float((weights**2 * squares).mean()) / bands
        return Moments(mean, math.sqrt(max(0.0, square - mean**2)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """As far as a window may reach."""
        given = isinstance(self.window, tuple) and self.scaling is None
        reach = max(map(abs, self.window or ())) if given else 1.0  # type: ignore[arg-type]
        return -reach, reach


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class STFT(BuiltIn):
    """Initializer of convolutions that make the short-time Fourier transform of a signal.

    Law: at time t and band f, ``cos(2 * pi * t * f / n)`` for the real side, or
    ``-sin(2 * pi * t * f / n)`` for the imaginary one, with ``n = 2 * (bands - 1)``,
    times the window at t. It is the same for all input channels, of which Keras's layer
    has one.

    Args:
        side: ``"real"`` (default) or ``"imag"``.
        window: the name of a window of `scipy.signal.windows` that needs no parameters,
            its values, or `None` for none; default ``"hann"``.
        scaling: what the window is divided by: with ``"density"`` (default) the root of
            the sum of its squares, with ``"spectrum"`` the sum of its absolute values,
            with `None` nothing. Without a window, it is nothing too.
        periodic: whether a window by name is periodic, and not symmetric; default `False`.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument is not one of its choices, or the shape of a call is not
            3-D, or its length is not that of the window.

    Example:
        >>> STFT(window=None)((4, 1, 3)).reshape(4, 3).round(4).tolist()[1:3]
        [[1.0, -0.0, -1.0], [1.0, -1.0, 1.0]]

    References:
        Allen (1977), "Short term spectral analysis, synthesis, and modification by
        discrete Fourier transform", https://doi.org/10.1109/TASSP.1977.1162950
    """

    side: str = options.option("real", side_of)
    window: str | tuple[float, ...] | None = options.option("hann", window_of)
    scaling: str | None = options.option("density", scaling_of)
    periodic: bool = options.option(False, checks.flag)

    draws = False
    in_keras = True
    legacy = ("STFTInitializer",)
    arguments: ClassVar = {
        "shape": "``(length, inputs, bands)``, with one more band than half of a transform.",
        "dtype": "a floating or complex type; default: JAX's default float.",
    }
    example = """
        It is the transform of NumPy, of each window of a signal:

        >>> import jax, numpy as np
        >>> x = jax.random.normal(jax.random.key(0), (8,))
        >>> kernel = stft(None, (8, 1, 5), window="hamming", scaling=None)
        >>> ours = (x[:, None, None] * kernel).sum(axis=0)[0]
        >>> bool(abs(ours - np.fft.rfft(x * np.hamming(8)).real).max() < 1e-5)
        True
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        side: str,
        window: Window,
        scaling: str | None,
        periodic: bool,
    ) -> Draw:
        """Check the kernel's shape and name the program."""
        target = checks.inexact_dtype(cls.name, dtype)
        checks.rank(cls.name, shape, 3, 3, why=" (length, inputs and bands)")
        if isinstance(window, tuple) and len(window) != shape[0]:
            raise ValueError(
                f"{cls.name}: the first dimension (length) must be that of the window, "
                f"{len(window)}; got {shape!r}"
            )
        return bind(Spectrum(side, window, scaling, periodic), (), shape, target, sharding)
