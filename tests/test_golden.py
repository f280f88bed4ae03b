"""The numbers themselves. This fails when any of them changes, and then a version must too.

A seed that is written down in a paper, or in a config, stands for these numbers. If a change of
them is meant, raise `draws.VERSION` or `keys.PATH_VERSION`, say so in the changelog, and write
the new numbers here.
"""

import jax
import numpy as np
import pytest

from cthulhu import functional
from cthulhu.programs._draws import VERSION
from cthulhu.random import _keys as keys
from cthulhu.random import fold_path, path_digest
from tests.cases import RANDOM

KEY = jax.random.key(1928)

# Of shape (2, 3), as the hexadecimal digits of float32. The last bits of some assume a processor
# with fused multiply-add: every x86-64 since 2013, and every ARM of 64 bits.
VALUES = {
    "random_normal": "3d12c839 395cd2a6 3dcbde9d bde9697d 3898b966 bcadbf94",
    "random_uniform": "3cd7a1ed 39303000 3d43475d bd4829b0 3873b333 bc869560",
    "truncated_normal": "3d0af0a2 3952c585 3dadad13 bdbb7c79 3891c489 bca56308",
    "variance_scaling": "3f0b9ccd 3b53cab2 3fae8448 bfbc64cc 3a92792a bea62ff8",
    "lecun_normal": "3f0b9ccd 3b53cab2 3fae8448 bfbc64cc 3a92792a bea62ff8",
    "lecun_uniform": "3f250f2c 3b86dd8f 3f957aab bf9937bf 3aba8b41 bece09bf",
    "glorot_normal": "3ef9bf16 3b3d6ead 3f9c17af bfa88125 3a83027b be94a47c",
    "glorot_uniform": "3f13a22d 3b714133 3f85b2bf bf890ac9 3aa6d999 beb8493a",
    "he_normal": "3f457120 3b95c269 3ff6cdcf c00536e9 3acf2500 beeb0644",
    "he_uniform": "3f696dd6 3bbeba83 3fd3653d bfd8aec1 3b03e810 bf11b0df",
    "orthogonal": "3ead6b90 3f70de2e 3a3470cf 3f538d0d be982224 bef4eaad",
    # Of shape (3, 2, 3), at its centre.
    "delta_orthogonal": "3ead6b90 3f70de2e 3a3470cf 3f538d0d be982224 bef4eaad",
}

# The digest of a path, and the key that it gives.
PATHS = {
    (): ("ca0afa78 473c8fb2", "36a0d764 9c5c9683"),
    ("kernel",): ("096c47c6 796c5baf", "a2956ee2 53d2736e"),
    ("encoder", "layers_0", "kernel"): ("894a912f 6c9d0cde", "2ecea90d 2b9a8189"),
    ("ab", "c"): ("8593ec7f 632a1c03", "ecddbd6c 82094682"),
    ("a", "bc"): ("c46bd3ba d9c058e2", "ae8b63b5 1cbe5289"),
    ("δ",): ("794c4e96 38764368", "c8135a0e fd30ad3c"),
}


def words(text: str) -> np.ndarray:
    return np.array([int(word, 16) for word in text.split()], np.uint32)


def test_these_are_the_numbers_of_version_1() -> None:
    assert VERSION == 1
    assert keys.PATH_VERSION == 1
    assert set(VALUES) == {case.name for case in RANDOM}


@pytest.mark.parametrize(("name", "text"), VALUES.items(), ids=VALUES.keys())
def test_values(name: str, text: str) -> None:
    function = getattr(functional, name)
    values = function(KEY, (3, 2, 3))[1] if name == "delta_orthogonal" else function(KEY, (2, 3))
    expected = words(text)
    if name.endswith("orthogonal"):
        # The order of a decomposition's sums is the processor's.
        np.testing.assert_allclose(np.ravel(values), expected.view(np.float32), atol=1e-6)
    else:
        np.testing.assert_array_equal(np.ravel(values).view(np.uint32), expected)


@pytest.mark.parametrize(("path", "texts"), PATHS.items(), ids=lambda value: str(value)[:30])
def test_paths(path: tuple[str, ...], texts: tuple[str, str]) -> None:
    digest, key = texts
    assert path_digest(path) == tuple(words(digest).tolist())
    np.testing.assert_array_equal(jax.random.key_data(fold_path(KEY, path)), words(key))
