"""Keys, scopes, random bits, and the draws behind the initializers."""

from cthulhu.random._bits import fused, random_bits
from cthulhu.random._keys import fold_path, from_seed, path_digest
from cthulhu.random._scope import next_key, scope, set_seed

__all__ = [
    "fold_path",
    "from_seed",
    "fused",
    "next_key",
    "path_digest",
    "random_bits",
    "scope",
    "set_seed",
]
