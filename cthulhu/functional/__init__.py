"""The initializers as pure functions `(key, shape, dtype, out_sharding) -> Array`.

Each name is an initializer itself, not a factory, so it can be handed to Flax as
it stands; options are keywords, and `functools.partial` binds them.
"""

from cthulhu.functional._constant import constant, ones, zeros
from cthulhu.functional._glorot import glorot_normal, glorot_uniform
from cthulhu.functional._he import he_normal, he_uniform
from cthulhu.functional._identity import identity
from cthulhu.functional._lecun import lecun_normal, lecun_uniform
from cthulhu.functional._normal import random_normal, truncated_normal
from cthulhu.functional._orthogonal import delta_orthogonal, orthogonal
from cthulhu.functional._uniform import random_uniform
from cthulhu.functional._variance_scaling import variance_scaling

# The names that users of JAX and torch type.
kaiming_normal = he_normal
kaiming_uniform = he_uniform
normal = random_normal
uniform = random_uniform
xavier_normal = glorot_normal
xavier_uniform = glorot_uniform

__all__ = [
    "constant",
    "delta_orthogonal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
