"""`Spectrum`: its numbers, its table, its JSON, its picture; and what `spectrum` refuses."""

import math
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from matplotlib.figure import Figure

from cthulhu.diagnostics import Spectrum, SpectrumRow, spectrum

KERNEL = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
ONES = jnp.ones(6)


def times(params: Any, x: Any) -> Any:
    return x @ params


ONE = Spectrum("jacobian", 3, 5, True, (SpectrumRow((4.0, 2.0, 1.0), 7.0),))
TWO = Spectrum("jacobian", 2, 2, True, (SpectrumRow((3.0, 1.0), 5.0), SpectrumRow((8.0, 0.0), 32)))
PART = Spectrum(
    *("jacobian", 50, 40, False),
    (SpectrumRow((4.0, 2.0), 1.5, 0.3, (0.1, 0.2)), SpectrumRow((5.0, 1.0), 2.5, 0.4, (0.4, 0.1))),
)
TANGENT = Spectrum("tangent_kernel", 2, 9, True, (SpectrumRow((3.0, 1.0), 2.0),))

NUMBERS: dict[str, tuple[Spectrum, dict[str, Any]]] = {
    "one": (
        ONE,
        {
            "values": (4.0, 2.0, 1.0),
            "count": 3,
            "complete": True,
            "largest": 4.0,
            "smallest": 1.0,
            "condition": 4.0,
            "mean_square": 7.0,
            "mean_square_error": None,
            "residual": None,
        },
    ),
    "two": (
        TWO,
        {
            "values": (8.0, 3.0, 1.0, 0.0),
            "largest": 8.0,
            "smallest": 0.0,
            "condition": math.inf,
            "mean_square": 18.5,
        },
    ),
    "two in part": (
        PART,
        {
            "values": (5.0, 4.0, 2.0, 1.0),
            "count": 40,
            "complete": False,
            "smallest": None,
            "condition": None,
            "mean_square": 2.0,
            "mean_square_error": 0.25,
            "residual": 0.4,
        },
    ),
    "a kernel": (TANGENT, {"count": 2, "complete": True, "condition": 3.0}),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_is_what_it_says(name: str) -> None:
    found, expected = NUMBERS[name]
    assert {one: getattr(found, one) for one in expected} == expected


def test_each_example_is_a_spectrum() -> None:
    assert [one.condition for one in TWO] == [3.0, math.inf]
    assert TWO[1] == Spectrum("jacobian", 2, 2, True, TWO.examples[1:])
    assert len(TWO) == 2
    assert [len(one) for one in TWO] == [1, 1]


TABLES: dict[str, tuple[Spectrum, str, list[str]]] = {
    "one": (
        ONE,
        "Singular values of the Jacobian of 3 outputs by 5 inputs: all 3, exact",
        ["largest median smallest condition mean square", "4 2 1 4 7"],
    ),
    "two": (
        TWO,
        "Singular values of the Jacobian of 2 outputs by 2 inputs: all 2, exact",
        [
            "example largest median smallest condition mean square",
            "0 3 2 1 3 5",
            "1 8 4 0 inf 32",
            "2 examples 8 2 0 inf 18.5",
        ],
    ),
    "two in part": (
        PART,
        "Singular values of the Jacobian of 50 outputs by 40 inputs: the largest 2 of 40, by "
        "Lanczos",
        [
            "example largest least found mean square residual",
            "0 4 2 1.5 ± 0.3 0.2",
            "1 5 1 2.5 ± 0.4 0.4",
            "2 examples 5 1 2 ± 0.25 0.4",
        ],
    ),
    "a kernel": (
        TANGENT,
        "Eigenvalues of the tangent kernel of 2 outputs by 9 parameters: all 2, exact",
        ["largest median smallest condition mean", "3 2 1 3 2"],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_it_is_a_table_when_printed(name: str) -> None:
    found, title, expected = TABLES[name]
    lines = [re.sub(r"[│┃\s]+", " ", line).strip() for line in str(found).splitlines()]
    rows = [line for line in lines if line and line[0] not in "┏┡└├"]
    cells = [row for row in rows if row in expected]
    assert cells == expected
    assert " ".join(rows[: -len(expected)]) == title
    assert title.partition(":")[0] in found._repr_html_()


def test_a_long_table_is_cut() -> None:
    many = Spectrum("jacobian", 1, 1, True, tuple(SpectrumRow((float(at),), 0) for at in range(25)))
    assert "… 5 more" in str(many)
    assert "25 examples" in str(many)
    assert len(many._grid().rows) == 21
    assert repr(many) == (
        "<Spectrum: singular values of the Jacobian of 1 output by 1 input, all 1, exact, "
        "25 examples>"
    )


@pytest.mark.parametrize("found", [ONE, TWO, PART, TANGENT])
def test_a_spectrum_is_json(found: Spectrum) -> None:
    assert Spectrum.from_json(found.to_json()) == found


def test_what_was_found_is_json() -> None:
    for exact in (True, False):
        found = spectrum(times, KERNEL, ONES, exact=exact)
        assert Spectrum.from_json(found.to_json()) == found


@pytest.mark.parametrize("text", ["{}", "[]", '{"of": "jacobian", "examples": [{}]}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Spectrum.from_json: text must be what"):
        Spectrum.from_json(text)


# The picture.


def test_the_picture_has_a_line_for_each_spectrum() -> None:
    rows = (*TWO.examples, SpectrumRow((99.0, 2.0), 1.0))
    three = Spectrum("jacobian", 2, 2, True, rows)
    figure = ONE.plot({"three": three, "in part": PART}, name="one")
    assert isinstance(figure, Figure)
    (axes,) = figure.axes
    named = {one.get_label(): one for one in axes.lines if not one.get_label().startswith("_")}
    assert list(named) == ["one", "three", "in part"]
    assert np.asarray(named["one"].get_data()).tolist() == [[1, 2, 3], [4, 2, 1]]
    low, high = axes.get_ylim()
    assert 0 < low < 1 < 99 < high
    assert named["three"].get_ydata().tolist() == [8, 1]  # Of 3, 8 and 99; of 1, 0 and 2.
    assert named["in part"].get_ydata().tolist() == [4.5, 1.5]
    assert len(axes.collections) == 2  # Bands of those that have several examples.
    assert axes.get_yscale() == "log"
    assert {one.get_marker() for one in named.values()} == {"o", "s", "D"}
    assert len({one.get_color() for one in named.values()}) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(named)


def test_residuals_that_can_be_seen_are_drawn() -> None:
    whiskers = [len(one.plot().axes[0].containers) for one in (PART[0], ONE)]
    assert whiskers == [1, 0]
    thin = Spectrum("jacobian", 9, 9, False, (SpectrumRow((4.0, 2.0), 1.0, 0.1, (1e-3, 1e-3)),))
    assert not thin.plot().axes[0].containers


DRAWN: dict[str, Spectrum] = {
    "zeros": Spectrum("jacobian", 2, 2, True, (SpectrumRow((0.0, 0.0), 0),)),
    "one value": Spectrum("jacobian", 1, 1, True, (SpectrumRow((3.0,), 9),)),
    "all alike": Spectrum("jacobian", 90, 90, True, (SpectrumRow((1.0,) * 90, 1),)),
    "many decades": Spectrum("jacobian", 2, 2, True, (SpectrumRow((1.0, 1e-30), 0.5),)),
    "a kernel": TANGENT,
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_spectrum_can_be_drawn(name: str) -> None:
    figure = DRAWN[name].plot()
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert 10 <= high / low <= 10**8
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert ("all are 0" in [text.get_text() for text in axes.texts]) is (name == "zeros")
    assert not figure.legends


@pytest.mark.parametrize(
    ("beside", "error", "message"),
    [
        ({"kernel": TANGENT}, ValueError, "'kernel' is of 'tangent_kernel', and this one of"),
        ({"other": 3}, TypeError, "beside must hold spectra by name; 'other' is 3"),
    ],
)
def test_only_spectra_of_one_kind_are_drawn_together(
    beside: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^Spectrum.plot: {message}"):
        ONE.plot(beside)


def test_matplotlib_is_imported_when_it_is_used() -> None:
    code = (
        "import sys, cthulhu.diagnostics as d; assert 'matplotlib' not in sys.modules; "
        "d.Spectrum('jacobian', 1, 1, True, (d.SpectrumRow((1.0,), 1.0),)).plot(); "
        "assert 'matplotlib' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# What is refused.


def looped(params: Any, x: Any) -> Any:
    return lax.while_loop(lambda carry: jnp.sum(carry) < -1, lambda carry: carry, x @ params)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no function": (
        lambda: spectrum(3, KERNEL, ONES),  # type: ignore[arg-type]
        TypeError,
        r"fn must be a function \(params, x, \*rest\); got 3",
    ),
    "tokens": (
        lambda: spectrum(lambda p, x: p[x], KERNEL, jnp.arange(3)),
        ValueError,
        r"x has no real numbers to differentiate by: int32\[3\]. Of tokens, pass a function that "
        r"begins behind the embedding, or take of='tangent_kernel'",
    ),
    "no input": (
        lambda: spectrum(lambda p, x: p, KERNEL, None),
        ValueError,
        "x has no real numbers to differentiate by: no arrays",
    ),
    "parameters that are integers": (
        lambda: spectrum(
            lambda p, x: x * p.sum(dtype=jnp.float32), jnp.arange(6), ONES, of="tangent_kernel"
        ),
        ValueError,
        r"params has no real numbers to differentiate by: int32\[6\]\.$",
    ),
    "outputs without a gradient": (
        lambda: spectrum(lambda p, x: jnp.argmax(x @ p), KERNEL, ONES),
        ValueError,
        r"the function returns int32\[\], which has no gradient",
    ),
    "nothing": (
        lambda: spectrum(lambda p, x: None, KERNEL, ONES),
        ValueError,
        "the function returns nothing, which has no gradient",
    ),
    "no arrays": (
        lambda: spectrum(lambda p, x: ["a", x @ p], KERNEL, ONES),
        TypeError,
        "the function must return an array, or a tree of arrays; it returns 'a' of type str",
    ),
    "captured parameters": (
        lambda: spectrum(lambda p, x: x @ KERNEL, {"w": KERNEL}, ONES),
        ValueError,
        "the function uses none of the parameters. They must be its first argument; does it",
    ),
    "an input that is not used": (
        lambda: spectrum(lambda p, x: p.sum(), KERNEL, ONES),
        ValueError,
        "what the function returns does not depend on x",
    ),
    "an input that is not finite": (
        lambda: spectrum(lambda p, x: x["a"] @ p, KERNEL, {"a": ONES.at[2].set(jnp.inf)}),
        ValueError,
        r"x\['a'\] has values that are not finite",
    ),
    "parameters that are not finite": (
        lambda: spectrum(lambda p, x: x @ p["w"]["k"], {"w": {"k": KERNEL * np.nan}}, ONES),
        ValueError,
        "the parameter 'w/k' has values that are not finite",
    ),
    "parameters that are no arrays": (
        lambda: spectrum(lambda p, x: x * p["a"], {"a": 2.0}, ONES),
        TypeError,
        "the parameter 'a' must be an array; got 2.0 of type float",
    ),
    "a Jacobian that is not finite": (
        lambda: spectrum(lambda p, x: x @ p * 1e30 * 1e30, KERNEL, ONES),
        ValueError,
        "the Jacobian has values that are not finite; cthulhu.diagnostics.signal shows in which",
    ),
    "that, by Lanczos": (
        lambda: spectrum(lambda p, x: x @ p * 1e30 * 1e30, KERNEL, ONES, exact=False),
        ValueError,
        "the Jacobian has values that are not finite",
    ),
    "a kernel that is not finite": (
        lambda: spectrum(lambda p, x: x @ p * 1e30, KERNEL, ONES, of="tangent_kernel"),
        ValueError,
        "the kernel has values that are not finite",
    ),
    "shapes": (
        lambda: spectrum(times, jax.ShapeDtypeStruct((6, 4), jnp.float32), ONES),
        ValueError,
        "params has no values: it is a jax.ShapeDtypeStruct",
    ),
    "a trace": (
        lambda: jax.jit(lambda x: spectrum(times, KERNEL, x).values)(ONES),
        TypeError,
        "x is traced, so that its values are not known. Call spectrum outside of jit",
    ),
    "another matrix": (
        lambda: spectrum(times, KERNEL, ONES, of="kernel"),  # type: ignore[arg-type]
        ValueError,
        "of must be one of 'jacobian', 'tangent_kernel'; got 'kernel'",
    ),
    "too many values": (
        lambda: spectrum(times, KERNEL, ONES, k=5),
        ValueError,
        "k must be from 1 to 4, the number of values that there are; got 5",
    ),
    "no values": (lambda: spectrum(times, KERNEL, ONES, k=0), ValueError, "k must be at least 1"),
    "half a value": (
        lambda: spectrum(times, KERNEL, ONES, k=0.5),  # type: ignore[arg-type]
        TypeError,
        "k must be an integer; got 0.5",
    ),
    "too few steps": (
        lambda: spectrum(times, KERNEL, ONES, k=3, steps=2, exact=False),
        ValueError,
        "steps must be from k = 3 to 4, the number of values that there are; got 2",
    ),
    "no examples": (
        lambda: spectrum(times, KERNEL, {"a": ONES[None], "b": ONES}, per_example=True),
        ValueError,
        r"with per_example, the first axis of every array of x .* \[\(1, 6\), \(6,\)\]",
    ),
    "a scalar of examples": (
        lambda: spectrum(lambda p, x: x * p, KERNEL, jnp.float32(1), per_example=True),
        ValueError,
        r"with per_example, .* the shapes are \[\(\)\]",
    ),
    "an exactness that is none": (
        lambda: spectrum(times, KERNEL, ONES, exact="no"),  # type: ignore[arg-type]
        TypeError,
        "exact must be",
    ),
    "a key that is none": (
        lambda: spectrum(times, KERNEL, ONES, key="a"),  # type: ignore[arg-type]
        TypeError,
        "key must be a PRNG key or the integer seed of one; got 'a'",
    ),
    "many keys": (
        lambda: spectrum(times, KERNEL, ONES, key=jax.random.split(jax.random.key(0))),
        ValueError,
        "key must be a single key",
    ),
    "no way back": (
        lambda: spectrum(looped, KERNEL, ONES, exact=False),
        ValueError,
        "there is no way back through the function, which this needs, or pass exact=True",
    ),
    "no way back to parameters": (
        lambda: spectrum(looped, KERNEL, ONES, of="tangent_kernel"),
        ValueError,
        "there is no way back through the function, which this needs: ",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=f"^spectrum: {message}"):
        call()


def test_an_error_of_the_function_is_its_own() -> None:
    with pytest.raises(TypeError, match=r"^dot_general requires"):
        spectrum(times, KERNEL, jnp.ones(5))


def test_a_torch_module_is_refused() -> None:
    class Module:
        def state_dict(self) -> Any:
            return {}

    with pytest.raises(
        TypeError, match=r"^spectrum: params must be a tree of arrays; got a Module"
    ):
        spectrum(times, Module(), ONES)
