"""`histogram` and `TreeReport.plot`: what the pictures show is what is there."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from matplotlib.figure import Figure

from cthulhu import functional, initializers
from cthulhu.diagnostics import histogram, report
from cthulhu.initializers import RandomNormal
from tests.cases import KEY


def bars(figure: Figure) -> tuple[Any, Any]:
    """The heights and the edges of the histogram."""
    (patch,) = figure.axes[0].patches
    heights, edges, _ = patch.get_data()
    return heights, edges


def texts(figure: Figure) -> str:
    """All that is written in a figure."""
    found = [one.get_text() for one in figure.findobj(lambda one: hasattr(one, "get_text"))]
    return "\n".join(found)


SOURCES = {
    "a name": "he_normal",
    "a class": initializers.HeNormal,
    "an instance": initializers.HeNormal(),
    "a function": functional.he_normal,
    "a function of JAX": jax.nn.initializers.he_normal(),
    "a config": {"class_name": "HeNormal", "config": {}},
}


@pytest.mark.parametrize("name", SOURCES)
def test_an_initializer_has_its_law_over_it(name: str) -> None:
    figure = histogram(SOURCES[name], shape=(512, 64))
    assert isinstance(figure, Figure)
    heights, edges = bars(figure)
    values = np.asarray(functional.he_normal(jax.random.key(0), (512, 64)))
    assert heights @ np.diff(edges) == pytest.approx(1)
    assert (edges[0], edges[-1]) == pytest.approx((values.min(), values.max()))
    lines = figure.axes[0].lines
    if name == "a function of JAX":  # Whose law is not told.
        assert not lines
        return
    x, density = lines[0].get_data()
    assert np.trapezoid(density, x) == pytest.approx(1, rel=1e-2)
    middles = (edges[1:] + edges[:-1]) / 2
    assert np.interp(middles, x, density) == pytest.approx(heights, rel=0.25)
    assert lines[0].get_label() == "law: stddev 0.0625"
    assert "stddev" in texts(figure)


def laid() -> NamedSharding:
    return NamedSharding(jax.make_mesh((4,), ("x",), axis_types=(AxisType.Auto,)), P("x"))


ARRAYS: dict[str, Any] = {
    "float32": np.asarray(functional.random_normal(KEY, (64, 48))),
    "bfloat16": functional.random_normal(KEY, (64, 48), jnp.bfloat16),
    "integers": np.arange(64).reshape(8, 8),
    "booleans": np.array([True, False, True, True]),
    "complex": np.asarray(functional.he_normal(KEY, (64, 48), jnp.complex64)),
    "with what is no number": np.float32([1, 2, np.nan, 3, np.inf, 2, 2, 1]),
    "one number": np.full((8, 8), 0.5, np.float32),
    "zeros": np.zeros(8, np.float32),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_every_value_is_counted_wherever_it_lies(name: str) -> None:
    values = ARRAYS[name]
    here, there = (histogram(one, bins=20) for one in (values, jax.device_put(values, laid())))
    (heights, edges), (others, other_edges) = bars(here), bars(there)
    assert len(heights) == 20
    assert edges == pytest.approx(other_edges, rel=1e-6)
    width = edges[1] - edges[0]
    real = np.asarray(values)
    parts = np.stack([real.real, real.imag]) if np.iscomplexobj(real) else real
    finite = parts.astype(np.float64)[np.isfinite(parts.astype(np.float64))]
    expected, _ = np.histogram(finite, 20, (edges[0], edges[-1]))
    # Values between two bins may count in either.
    for found in (heights, others):
        counts = found * width * finite.size
        assert counts.sum() == pytest.approx(finite.size)
        assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 0.02 * finite.size + 3
    assert not here.axes[0].lines


def test_the_law_of_another_initializer_may_be_drawn_over_an_array() -> None:
    figure = histogram(ARRAYS["float32"], RandomNormal(stddev=0.1), title="mine")
    assert figure.axes[0].lines[0].get_label() == "law: stddev 0.1"
    assert figure.axes[0].get_title(loc="left") == "mine"


REFUSED: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "nothing": (None, {}, TypeError, "source must be an array or an initializer; got None"),
    "a number": (3, {}, TypeError, "got 3 of type int"),
    "a near name": ("he_norml", {}, ValueError, "did you mean 'he_normal'"),
    "keys": (jax.random.key(0), {}, TypeError, "must hold numbers"),
    "no elements": (np.zeros((0, 3), np.float32), {}, ValueError, "no finite numbers"),
    "no numbers": (np.full(3, np.nan, np.float32), {}, ValueError, "no finite numbers"),
    "no bins": ("ones", {"bins": 0}, ValueError, "bins must be at least 1"),
    "too many bins": ("ones", {"bins": 10**6}, ValueError, "bins must be from 1 to 10,000"),
    "a shape": ("ones", {"shape": (2.5,)}, TypeError, "shape"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_histogram_is_refused(name: str) -> None:
    source, options, error, message = REFUSED[name]
    with pytest.raises(error, match=f"^histogram: .*{message}"):
        histogram(source, **options)


def test_all_parameters_as_small_pictures() -> None:
    params = {
        "layers": {
            str(at): {"kernel": np.asarray(functional.he_normal(KEY, (64, 32))) * (1 + at // 10)}
            for at in range(11)
        },
        "scale": np.ones(8, np.float32),
        "dead": np.full((8, 8), 0.5, np.float32),
    }
    rules = [("layers/.*", "he_normal"), ("scale", "ones"), ("dead", "he_normal")]
    seen = report(params, rules)
    figure = seen.plot()
    drawn = [axes for axes in figure.axes if axes.axison]
    titles = [axes.get_title(loc="left") for axes in drawn]
    assert titles == ["dead", *(f"layers/{at}/kernel" for at in range(11))]
    written = texts(figure)
    for part in ("13 parameters: 2 not healthy", "✗ dead", "✗ stddev", "1 that are 1 everywhere"):
        assert part in written
    by_title = dict(zip(titles, drawn, strict=True))
    for at, width in ((0, 1), (10, 2)):
        axes = by_title[f"layers/{at}/kernel"]
        heights, edges, _ = axes.patches[0].get_data()
        values = params["layers"][str(at)]["kernel"]
        assert (edges[0], edges[-1]) == pytest.approx((values.min(), values.max()))
        assert heights @ np.diff(edges) == pytest.approx(1)
        x, density = axes.lines[0].get_data()
        inside = density.sum() * (x[1] - x[0])
        assert inside == pytest.approx(1, abs=0.02), width
    again = type(seen).from_json(seen.to_json()).plot()
    assert texts(again) == written


def test_a_report_of_constants_has_a_picture() -> None:
    figure = report({"a": np.ones(3, np.float32), "rng": jax.random.key(0)}).plot()
    assert "1 that are 1 everywhere, 1 without values" in texts(figure)


def test_many_parameters_are_counted() -> None:
    params = {f"w{at}": np.float32([at, at + 1]) for at in range(605)}
    assert "And 5 parameters more" in texts(report(params).plot())


def test_a_notebook_shows_a_figure_without_pyplot() -> None:
    code = (
        "import sys; from cthulhu.diagnostics import histogram; figure = histogram('ones');"
        "print('matplotlib.pyplot' in sys.modules, figure._repr_png_()[1:4])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "False b'PNG'\n"
