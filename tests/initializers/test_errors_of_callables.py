"""Callables and arrays of a user that are no initializers, or return no such array."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import initializers
from cthulhu.initializers import Initializer, get
from tests.cases import KEY
from tests.refusals import Refused, each


def returning(value: Any) -> Any:
    """An initializer that returns the same whatever is asked for."""
    return get(lambda shape, dtype=None: value)


def subclass_without_arguments() -> Any:
    class Wrong(Initializer):
        def __call__(self) -> Any:  # type: ignore[override]
            return 0

    return Wrong


SIGNATURES = (
    Refused(
        "no arguments",
        lambda: get(lambda: 0),
        TypeError,
        r"an initializer takes \(shape, dtype=None\), or \(key, shape, dtype=None\) as JAX's do; "
        r"got <lambda>\(\)\. Name the first argument 'shape' or 'key'",
    ),
    Refused(
        "two unnamed arguments",
        lambda: get(lambda a, b: 0),
        TypeError,
        r"got <lambda>\(a, b\)\. Name the first argument 'shape' or 'key'",
    ),
    Refused(
        "four arguments",
        lambda: get(lambda a, b, c, d: 0),
        TypeError,
        r"got <lambda>\(a, b, c, d\)\. Name the first argument 'shape' or 'key'",
    ),
    Refused(
        "*args alone",
        lambda: get(lambda *args: 0),
        TypeError,
        r"got <lambda>\(\*args\), which has no required argument",
    ),
    Refused(
        "no readable signature",
        lambda: get(max),
        TypeError,
        r"^max: .*the signature of <built-in function max> cannot be read\. Wrap it in a function",
    ),
    Refused(
        "a subclass with a wrong __call__",
        subclass_without_arguments,
        TypeError,
        r"^Wrong\.__call__: an initializer takes .*Name the first argument 'shape' or 'key'",
    ),
    Refused(
        "a subclass without __call__",
        lambda: Initializer()((2,)),
        NotImplementedError,
        r"^Initializer: a subclass of Initializer implements __call__\(self, shape, dtype=None\)",
    ),
)

# What makes an initializer, in place of one.
FACTORIES = (
    Refused(
        "a class in a layer of Flax",
        lambda: nn.Dense(3, kernel_init=initializers.he_normal).init(KEY, jnp.ones((1, 3))),
        TypeError,
        r"^HeNormal is a class and was called as if it were an initializer, with a key first\. "
        r"Make an instance: HeNormal\(\) in place of HeNormal",
    ),
    Refused(
        "a factory of JAX",
        lambda: get(jax.nn.initializers.he_normal),
        TypeError,
        r"^he_normal: an initializer takes \(shape, dtype=None\), or \(key, shape, dtype=None\).*"
        r"has no required argument\. If it builds an initializer, call it: pass what it returns",
    ),
    Refused(
        "a factory with required arguments",
        lambda: get(jax.nn.initializers.variance_scaling),
        TypeError,
        r"^variance_scaling: an initializer takes .*; got variance_scaling\(scale.*"
        r"Name the first argument 'shape' or 'key'",
    ),
    Refused(
        "a factory that looks like an initializer",
        lambda: get(jax.nn.initializers.constant)(KEY, (2,)),
        TypeError,
        r"^constant: an initializer must return an array; it returned <function .* "
        r"of type function$",
    ),
)

RESULTS = (
    Refused(
        "another shape",
        lambda: returning(jnp.ones((7,)))(KEY, (2,)),
        ValueError,
        r"^<lambda>: asked for shape \(2,\), and it returned an array of shape \(7,\)$",
    ),
    Refused(
        "a string",
        lambda: returning("ones")(KEY, (2,)),
        TypeError,
        r"^<lambda>: an initializer must return an array; it returned 'ones' of type str$",
    ),
    Refused(
        "None",
        lambda: returning(None)(KEY, (2,)),
        TypeError,
        r"^<lambda>: an initializer must return an array; it returned None of type NoneType$",
    ),
    Refused(
        "a ragged list",
        lambda: returning([[1.0], 2.0])(KEY, (2,)),
        TypeError,
        r"^<lambda>: an initializer must return an array; it returned \[\[1\.0\], 2\.0\] "
        r"of type list$",
    ),
    Refused(
        "an array of another shape",
        lambda: get(np.ones((2, 2)))(KEY, (3,)),
        ValueError,
        r"an array of shape \(2, 2\) was passed as an initializer, and weights of shape \(3,\) "
        r"were asked for; the shapes must be equal",
    ),
)


@each((*SIGNATURES, *FACTORIES, *RESULTS))
def test_what_is_no_initializer_is_refused(refused: Refused) -> None:
    refused.check()
