"""The inverse error function: the bits of `lax.erf_inv`, in fewer operations.

`lax.erf_inv` is Giles' pair of polynomials in `w = -log1p(-u * u)`, and XLA:CPU
computes `log1p` as one of two approximations: a rational one near 0, Cephes'
logarithm elsewhere. For arguments in (-1, 1) much of that is idle: tests for
NaN, infinities and denormals, negations, terms times zero. What remains is
written out here, each rounding where XLA has it. As plain operations it is also
vectorized at any width, which the call of a logarithm is not.

XLA:CPU contracts a product and the sum that it feeds into one fused operation,
rounded once, and the values depend on it. Where a sum has two products, only
one is fused: `lax.abs` around the other says which, in every loop that the
compiler may make of it. The products with 0.5 and with `LN2_HIGH` are exact, so
fusing them changes nothing.

From JAX 0.11 on `lax.erf_inv` stays: there XLA vectorizes its logarithm itself,
so that little is left to gain, and LLVM needs minutes to compile such a chain of
plain operations where a test for NaN follows it (a maximum, a conversion to
bfloat16).

Sources: Giles (2012), "Approximating the erfinv function", in GPU Computing
Gems, Jade Edition; Moshier, Cephes mathematical library, `logf` and `log1p`,
https://www.netlib.org/cephes/.
"""

from collections.abc import Sequence

import jax
import numpy as np
from jax import lax

from cthulhu import compat
from cthulhu._types import Number


def floats(*bits: int) -> tuple[np.float32, ...]:
    """The float32 numbers with these bits: the last one of a constant matters."""
    return tuple(np.array(bits, np.uint32).view(np.float32))


ONE, HALF = np.float32(1), np.float32(0.5)

# log1p(-s) = -(s + s**2 / 2 + s**3 * numerator / denominator), in powers of s:
# Cephes' coefficients, given for -s, with the signs of the odd powers turned.
NUMERATOR = floats(
    0x383DE04B, 0xBEFF40C5, 0x40D284FA, 0xC1EF4B9C, 0x4273CC76, 0xC26473AD, 0x41A05101
)
DENOMINATOR = floats(
    0x3F800000, 0xC17101AD, 0x42A6185B, 0xC35DC32D, 0x439A8CA3, 0xC3586D8A, 0x42707982
)
RATIONAL_BELOW = floats(0x3ED413CD)[0]  # sqrt(2) - 1

# -log(1 + z) = z**2 / 2 - z - z**3 * polynomial: three cubics in z, joined by z**3.
LOGARITHM = (
    floats(0xBD9021BB, 0x3DEBD1B8, 0xBDEF251A),
    floats(0x3DFE5D4F, 0xBE11E9BF, 0x3E2AAE50),
    floats(0xBE4CCEAC, 0x3E7FFFFC, 0xBEAAAAAA),
)
LN2_LOW, LN2_HIGH = floats(0xB95E8083, 0x3F318000)  # log(2) in two parts
ROOT_HALF = np.int32(0x3F3504F3)  # the bits of sqrt(1/2)
MANTISSA_BITS, MANTISSA = np.int32(23), np.int32(0x007FFFFF)

# erf_inv(u) = u * polynomial(w - 2.5) if w < 5, else u * polynomial(sqrt(w) - 3).
CENTRE = floats(
    0x32F16588, 0x34B84B36, 0xB66C7357, 0xB6935AC1, 0x396532DB,
    0xBAA45408, 0xBB88E4EF, 0x3E7C8F63, 0x3FC02E2F,
)  # fmt: skip
TAIL = floats(
    0xB951F09B, 0x38D3B56B, 0x3AB0DC72, 0xBB70BDE7, 0x3BBC127B,
    0xBBF9C5D7, 0x3C1AA57E, 0x3F8036DB, 0x40354F7E,
)  # fmt: skip
TAIL_FROM = np.float32(5)


def horner(coefficients: Sequence[np.float32], variable: jax.Array) -> jax.Array:
    """A polynomial, its highest coefficient first."""
    first, second, *rest = coefficients
    value = variable if first == ONE else lax.mul(variable, first)
    value = lax.add(value, second)
    for coefficient in rest:
        value = lax.add(lax.mul(value, variable), coefficient)
    return value


def rational(square: jax.Array) -> jax.Array:
    """-log1p(-square) near 0."""
    fourth = lax.mul(square, square)
    ratio = lax.div(horner(NUMERATOR, square), horner(DENOMINATOR, square))
    remainder = lax.abs(lax.mul(lax.mul(fourth, square), ratio))
    return lax.add(square, lax.add(lax.mul(fourth, HALF), remainder))


def logarithm(square: jax.Array) -> jax.Array:
    """-log1p(-square) away from 0: -log(2**exponent * (1 + z)), 1 + z in [0.7, 1.4)."""
    rest = lax.sub(ONE, square)
    bits = lax.sub(lax.bitcast_convert_type(rest, np.int32), ROOT_HALF)
    exponent = lax.convert_element_type(lax.shift_right_arithmetic(bits, MANTISSA_BITS), np.float32)
    scaled = lax.add(lax.bitwise_and(bits, MANTISSA), ROOT_HALF)
    z = lax.sub(lax.bitcast_convert_type(scaled, np.float32), ONE)
    z_squared = lax.mul(z, z)
    z_cubed = lax.mul(z_squared, z)
    high, middle, low = (horner(cubic, z) for cubic in LOGARITHM)
    value = lax.add(middle, lax.mul(high, z_cubed))
    value = lax.add(low, lax.mul(value, z_cubed))
    value = lax.sub(lax.mul(value, z_cubed), lax.abs(lax.mul(exponent, LN2_LOW)))
    value = lax.add(lax.sub(lax.mul(z_squared, HALF), z), value)
    return lax.sub(value, lax.mul(exponent, LN2_HIGH))


def explicit(u: jax.Array, *, ends: bool) -> jax.Array:
    """`lax.erf_inv` as XLA:CPU computes it, in plain operations."""
    square = lax.mul(u, u)
    w = lax.select(lax.lt(square, RATIONAL_BELOW), rational(square), logarithm(square))
    # Both polynomials, then one choice: choosing each coefficient costs more.
    centre = horner(CENTRE, lax.sub(w, np.float32(2.5)))
    tail = horner(TAIL, lax.sub(lax.sqrt(w), np.float32(3)))
    factor = lax.select(lax.lt(w, TAIL_FROM), centre, tail)
    if ends:
        factor = lax.select(lax.eq(square, ONE), lax.full_like(u, np.inf), factor)
    return lax.mul(u, factor)


def erf_inv(u: Number, *, ends: bool = True) -> jax.Array:
    """`lax.erf_inv`, bit for bit.

    Args:
        u: values in [-1, 1].
        ends: whether -1 and 1 themselves may occur.

    Returns:
        An array like `u`.
    """
    if u.dtype != np.float32 or not compat.ERF_INV_IS_KNOWN:
        return lax.erf_inv(u)

    def on_cpu(u: jax.Array) -> jax.Array:
        return explicit(u, ends=ends)

    # Other platforms have an expansion of their own, which JAX's values follow.
    values: jax.Array = lax.platform_dependent(u, cpu=on_cpu, default=lax.erf_inv)
    return values
