"""The numbers themselves. This fails when any of them changes, and then a version must too.

A seed that is written down in a paper, or in a config, stands for these numbers. If a change of
them is meant, raise `draws.VERSION` or `keys.PATH_VERSION`, say so in the changelog, and write
the new numbers in the rows of `tests/cases/`, and here.
"""

import jax
import numpy as np
import pytest

from cthulhu.programs._draws import VERSION
from cthulhu.random import _keys as keys
from cthulhu.random import fold_path, path_digest
from tests.cases import CASES, RANDOM, Case, by_id

KEY = jax.random.key(1928)

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
    assert [case for case in CASES if case.golden] == list(RANDOM)


@pytest.mark.parametrize("case", RANDOM, ids=by_id)
def test_values(case: Case) -> None:
    """Of shape (2, 3), or at the centre of a kernel that ends so.

    The last bits of some assume a processor with fused multiply-add: every x86-64 since 2013, and
    every ARM of 64 bits.
    """
    values = case.init(KEY, case.ending(2, 3))
    drawn = np.ravel(values if case.makes_matrices else values[1])
    if case.distribution is None or case.transcendental:
        # The order of a decomposition's sums is the processor's.
        np.testing.assert_allclose(drawn, words(case.golden).view(np.float32), atol=1e-6)
    else:
        np.testing.assert_array_equal(drawn.view(np.uint32), words(case.golden))


@pytest.mark.parametrize(("path", "texts"), PATHS.items(), ids=lambda value: str(value)[:30])
def test_paths(path: tuple[str, ...], texts: tuple[str, str]) -> None:
    digest, key = texts
    assert path_digest(path) == tuple(words(digest).tolist())
    np.testing.assert_array_equal(jax.random.key_data(fold_path(KEY, path)), words(key))
