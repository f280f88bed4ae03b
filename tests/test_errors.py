"""Every class, and its function, refuses a wrong option: the rows are made of its fields."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from tests.cases import CASES, KEY, Case, by_id
from tests.refusals import BY_CHECK, Wrong, assert_refused, code_of, shown

# The one field that is no option of the function.
SEED = "seed"


def fields_of(case: Case) -> dict[str, dataclasses.Field[Any]]:
    """The options of a class, and the seed."""
    return {field.name: field for field in dataclasses.fields(case.cls)}  # type: ignore[arg-type]


def faces(case: Case, options: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], object]]]:
    """The class and the function with these options, each with the name it speaks in."""
    options = {**case.required, **options}
    yield case.cls.__name__, lambda: case.cls(**options)
    if not any(name.startswith(SEED) for name in options):
        yield case.name, lambda: case.function(KEY, case.shape, **options)


def wrong_options(case: Case) -> Iterator[Wrong]:
    """What the checks of the options refuse, and what the row says besides."""
    for name, field in fields_of(case).items():
        for value, error, message in BY_CHECK.get(code_of(field.metadata["check"]), ()):
            yield Wrong({name: value}, error, f"{name} {message}")
    yield from case.refuses


OPTIONS = [
    pytest.param(case, wrong, id="-".join([case.name, *map(shown, sum(wrong.options.items(), ()))]))
    for case in CASES
    for wrong in wrong_options(case)
]


@pytest.mark.parametrize(("case", "wrong"), OPTIONS)
def test_a_wrong_option_is_refused_by_the_class_and_by_its_function(
    case: Case, wrong: Wrong
) -> None:
    for owner, call in faces(case, wrong.options):
        assert_refused(call, wrong.error, f"^{owner}: {wrong.message}")


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_every_option_has_a_row(case: Case) -> None:
    """One with a check of its own has it in `Case.refuses`."""
    assert fields_of(case).keys() == {
        name for wrong in wrong_options(case) for name in wrong.options
    }


NUMBERS = [
    pytest.param(case, name, id=f"{case.name}-{name}")
    for case in CASES
    for name, field in fields_of(case).items()
    if field.metadata.get("may_be_traced")
]


@pytest.mark.parametrize(("case", "option"), NUMBERS)
def test_a_traced_number_is_for_the_function_and_is_one_number(case: Case, option: str) -> None:
    assert_refused(
        lambda: jax.jit(lambda value: case.cls(**{**case.required, option: value})(case.shape))(
            1.0
        ),
        TypeError,
        rf"^{case.cls.__name__}: {option} must be concrete.*; got a traced array\. "
        r"Use the function in cthulhu\.functional",
    )
    assert_refused(
        lambda: jax.jit(
            lambda values: case.function(KEY, case.shape, **{**case.required, option: values})
        )(jnp.ones(3)),
        ValueError,
        rf"^{case.name}: {option} must be a scalar; got a traced array of shape \(3,\)\. "
        r"Use jax\.vmap",
    )


MISSPELLED = [
    pytest.param(case, name, id=f"{case.name}-{name}") for case in CASES for name in fields_of(case)
]


@pytest.mark.parametrize(("case", "option"), MISSPELLED)
def test_a_misspelled_option_is_refused_with_the_right_one(case: Case, option: str) -> None:
    said = rf"unknown argument '{option}_' \(did you mean '{option}'\?\); it has .*{option}"
    for owner, call in faces(case, {f"{option}_": 1}):
        assert_refused(call, TypeError, f"^{owner}: {said}")
