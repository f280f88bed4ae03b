"""Every class, and its function, refuses a wrong call: the rows are for all of the table."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

from tests.cases import CASES, KEY, RANDOM, Case, by_id
from tests.refusals import assert_refused, shown


class Misuse(NamedTuple):
    """A call of any class or function that is refused.

    `message` has {cls} for the class's name, {name} for the function's, and {keywords} for the
    end of a sentence about its options.
    """

    id: str
    call: Callable[[Case], object]
    error: type[Exception]
    message: str


def of_both(
    id: str, arguments: Callable[[Case], tuple[Any, ...]], error: type[Exception], message: str
) -> Iterator[Misuse]:
    """The same call of an instance and of the function, in whose name both speak.

    What is made of another initializer lets that one refuse, and says so.
    """
    message = rf"^{{name}}: (\w+: )?{message}"
    yield Misuse(f"{id}, class", lambda case: case.plain()(*arguments(case)), error, message)
    yield Misuse(
        f"{id}, function",
        lambda case: case.function(*arguments(case), **case.given),
        error,
        message,
    )


def shapes(shape: Any, error: type[Exception], message: str) -> Iterator[Misuse]:
    return of_both(f"shape {shown(shape)}", lambda case: (KEY, shape), error, message)


def dtypes(dtype: Any, message: str) -> Iterator[Misuse]:
    return of_both(
        f"dtype {dtype!r}",
        lambda case: (KEY, case.shape, dtype),
        TypeError,
        f"dtype must {message}",
    )


def keys(key: Any, error: type[Exception], message: str) -> Iterator[Misuse]:
    return of_both(f"key {shown(key)}", lambda case: (key, case.shape), error, message)


def function_of(key: Any, got: str) -> Misuse:
    """A key that only a function can take for one."""
    return Misuse(
        f"key {key!r}",
        lambda case: case.function(key, case.shape, **case.given),
        TypeError,
        rf"^{{name}}: key must be a PRNG key, as jax\.random\.key\(0\) makes; got {got}$",
    )


OF_ANY = (
    *shapes(
        (-1, 3), ValueError, r"every dimension of shape must be at least 0; got -1 in \(-1, 3\)"
    ),
    *shapes(
        (None, 3),
        ValueError,
        r"every dimension of shape must be known; got \(None, 3\)\. Replace None by the size$",
    ),
    *shapes(
        (2.0, 3),
        TypeError,
        r"every dimension of shape must be an integer; got 2\.0 of type float in \(2\.0, 3\)$",
    ),
    *shapes(
        5,
        TypeError,
        r"shape must be a sequence of integers; got 5 of type int\. For one dimension "
        r"write \(5,\)$",
    ),
    *(
        row
        for key in (KEY, jax.random.split(KEY))
        for row in shapes(
            key,
            TypeError,
            r"shape must be a sequence of integers; got a PRNG key\. The key comes first and "
            r"the shape after it: \(key, shape, dtype\)$",
        )
    ),
    *shapes(
        jnp.array(3),
        TypeError,
        r"shape must be a sequence of integers; got an array of dtype int32 and shape \(\)\. "
        r"For one dimension write \(3,\)$",
    ),
    *shapes("ab", TypeError, r"shape must be a sequence of integers; got 'ab' of type str$"),
    *dtypes("flot32", r"name a dtype, as 'float32' or jnp\.bfloat16 do; got 'flot32'$"),
    *dtypes("str", r"name a dtype, as 'float32' or jnp\.bfloat16 do; got 'str'$"),
    *of_both(
        "sharding",
        lambda case: (KEY, case.shape, None, "x"),
        TypeError,
        r"out_sharding must be a NamedSharding, a PartitionSpec or None; got 'x' of type str",
    ),
    Misuse(
        "class called",
        lambda case: case.cls(KEY, case.shape),
        TypeError,
        r"^{cls} is a class and was called as if it were an initializer, with a key first\. "
        r"Make an instance: {cls}\(\) in place of {cls}$",
    ),
    *(
        Misuse(
            f"function of {len(given)}",
            lambda case, given=given: case.function(*given),
            TypeError,
            r"^{name}: an initializer, not a function that builds one: it takes "
            r"\(key, shape, dtype\)\. Pass it as it is, kernel_init={name}, or bind options with "
            r"functools\.partial\({name}, …\)$",
        )
        for given in ((), (KEY,))
    ),
    Misuse(
        "options by position",
        lambda case: case.function(KEY, case.shape, None, None, 0.1),
        TypeError,
        r"^{name}: at most 4 arguments by position \(key, shape, dtype, out_sharding\); "
        r"got 5{keywords}$",
    ),
    Misuse(
        "no shape",
        lambda case: case.plain()(KEY),
        TypeError,
        r"^{cls}: a call needs a shape: init\(key, shape, dtype\) or init\(shape, dtype\)$",
    ),
    Misuse(
        "unknown argument",
        lambda case: case.plain()(shap=case.shape),
        TypeError,
        r"^{cls}: unknown argument 'shap' in a call \(did you mean 'shape'\?\)",
    ),
    Misuse(
        "shape twice",
        lambda case: case.plain()(case.shape, shape=case.shape),
        TypeError,
        r"^{cls}: argument 'shape' was given twice$",
    ),
    Misuse(
        "too many arguments",
        lambda case: case.plain()(KEY, case.shape, None, None, None),
        TypeError,
        r"^{cls}: at most 4 arguments \(key, shape, dtype, out_sharding\); got 5$",
    ),
    Misuse(
        "integer as an instance's key",
        lambda case: case.plain()(7, case.shape),
        TypeError,
        r"^{cls}: key must be a PRNG key, as jax\.random\.key\(7\) makes; got 7 of type int$",
    ),
)

OF_RANDOM = (
    *(
        row
        for dtype, name in ((jnp.int32, "int32"), (bool, "bool"))
        for row in dtypes(
            dtype,
            rf"be a floating or complex type for a random draw; got {name}\. "
            r"For random integers use jax\.random\.randint$",
        )
    ),
    function_of(0, "0 of type int"),
    function_of(None, "None of type NoneType"),
    *keys(
        jnp.ones((2,)),
        TypeError,
        r"key must be a PRNG key.*; got an array of dtype float32 and shape \(2,\)$",
    ),
    *keys(
        jnp.ones(()),
        TypeError,
        r"key must be a PRNG key.*; got an array of dtype float32 and shape \(\)$",
    ),
    *keys(
        jnp.zeros((3,), jnp.uint32),
        ValueError,
        r"a raw key of the implementation 'threefry2x32' must have shape \(2,\); "
        r"got shape \(3,\)$",
    ),
    *keys(
        jax.random.split(KEY, 3),
        ValueError,
        r"key must be a single key; got a batch of keys of shape \(3,\)\. Use jax\.vmap",
    ),
    *keys(
        jnp.zeros((4, 2), jnp.uint32),
        ValueError,
        r"key must be a single key; got a batch of keys of shape \(4,\)\. Use jax\.vmap",
    ),
    Misuse(
        "unseeded under jit",
        lambda case: jax.jit(lambda: case.plain()(case.shape))(),
        RuntimeError,
        r"^{cls}: called without a key and without a seed while JAX traces a function; .*"
        r"Pass a key, init\(key, shape, dtype\), or enter `with cthulhu\.random\.scope\(key\):`",
    ),
)

MISUSES = [
    pytest.param(case, misuse, id=f"{case.name}-{misuse.id}")
    for misuses, cases in ((OF_ANY, CASES), (OF_RANDOM, RANDOM))
    for misuse in misuses
    for case in cases
]


@pytest.mark.parametrize(("case", "misuse"), MISUSES)
def test_a_wrong_call_is_refused(case: Case, misuse: Misuse) -> None:
    names = (one.partition("=")[0] for one in case.arguments.split(", ") if one not in ("", "*"))
    options = ", ".join(f"{name}=…" for name in names if name != "seed")
    message = misuse.message.format(
        cls=case.cls.__name__,
        name=case.name,
        keywords=rf"\. Its options are keywords: {options}" if options else "",
    )
    assert_refused(lambda: misuse.call(case), misuse.error, message)


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_number_of_dimensions_that_is_not_in_the_row_is_refused(case: Case) -> None:
    for rank in set(range(6)) - set(case.ranks):
        for call in (case.plain(), functools.partial(case.function, **case.given)):
            assert_refused(
                lambda rank=rank, call=call: call(KEY, (2,) * rank),
                ValueError,
                rf"^{case.name}: (\w+: )?shape must have .* dimensions? .*, which has {rank}$",
            )
