"""The pictures of the gallery: what each class makes, drawn when the page is built."""

import functools
import math
import textwrap

import jax
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from cthulhu import initializers

# For each family, its pictures: the call, a shape, and how to show what it makes. The calls are
# those that a reader would write; shapes are small enough to see single weights.
FAMILIES = {
    "constants": [
        ("Zeros()", (16, 24), "matrix"),
        ("Ones()", (16, 24), "matrix"),
        ("Constant(-0.5)", (16, 24), "matrix"),
    ],
    "plain": [
        ("RandomNormal(stddev=0.05)", (1000, 200), "law"),
        ("RandomUniform(-0.05, 0.05)", (1000, 200), "law"),
        ("TruncatedNormal(stddev=0.05)", (1000, 200), "law"),
        ("TruncatedNormal(lower=-1, upper=3)", (1000, 200), "law"),
        ("TruncatedNormal(lower=5, upper=6)", (1000, 200), "law"),
        ("LogUniform(0.001, 0.1)", (1000, 200), "law"),
    ],
    "fans": [
        ("VarianceScaling(1.0, 'fan_out')", (1000, 200), "law"),
        ("LecunNormal()", (1000, 200), "law"),
        ("LecunUniform()", (1000, 200), "law"),
        ("GlorotNormal()", (1000, 200), "law"),
        ("GlorotUniform()", (1000, 200), "law"),
        ("HeNormal()", (1000, 200), "law"),
        ("HeUniform()", (1000, 200), "law"),
        ("Kaiming(nonlinearity='gelu')", (1000, 200), "law"),
        ("Kaiming(0.2, distribution='uniform')", (1000, 200), "law"),
        ("Xavier(5 / 3)", (1000, 200), "law"),
        ("TorchLinear()", (1000, 200), "law"),
        ("TorchBias(fan_in=1000)", (200_000,), "law"),
        ("SmallInit()", (1000, 200), "law"),
        ("WangInit(12)", (1000, 200), "law"),
        ("LoraA()", (1000, 200), "law"),
    ],
    "matrices": [
        ("Orthogonal()", (16, 24), "matrix"),
        ("ScaledOrthogonal()", (16, 24), "matrix"),
        ("Spectral()", (16, 24), "matrix"),
        ("OrthogonalPair('A')", (16, 24), "matrix"),
        ("Identity()", (16, 24), "matrix"),
        ("Identity(shift=10)", (16, 24), "matrix"),
        ("Sparse(0.7)", (16, 24), "matrix"),
        ("MartensSparse(4)", (16, 24), "matrix"),
        ("ZerO()", (16, 24), "matrix"),
    ],
    "kernels": [
        ("DeltaOrthogonal()", (3, 3, 8, 8), "kernel"),
        ("ConvolutionOrthogonal()", (3, 3, 8, 8), "kernel"),
        ("Dirac(groups=2)", (3, 3, 4, 8), "kernel"),
        ("Identity(convolution=True)", (3, 3, 8, 8), "kernel"),
        ("ICNR('he_normal', 2, 'pixel_shuffle')", (3, 3, 4, 8), "kernel"),
        ("ICNR('he_normal', 2, 'depth_to_space')", (3, 3, 4, 8), "kernel"),
    ],
    "sequences": [
        ("HippoLegS()", (16, 16), "matrix"),
        ("S4DReal()", (16,), "line"),
        ("S4DLin()", (16,), "plane"),
        ("S4DInv()", (16,), "plane"),
        ("RingUniform(0.9, 0.999)", (1000, 200), "law"),
        ("RingPhase()", (1000, 200), "law"),
        ("RecurrentGate()", (1000, 200), "law"),
        ("InverseSoftplusUniform()", (1000, 200), "law"),
        ("UniformGate()", (1000, 200), "law"),
        ("Chrono(784, 'ifgo')", (64,), "line"),
        ("UnitForgetGate('ifgo')", (64,), "line"),
        ("LogitPrior(0.01)", (64,), "line"),
    ],
    "signals": [
        ("SinCos()", (32, 48), "matrix"),
        ("STFT()", (48, 1, 32), "filters"),
        ("Siren()", (1000, 200), "law"),
    ],
    "others": [
        ("Scaled('he_normal', 0.5)", (1000, 200), "law"),
        ("Mapped(RandomUniform(1, 16), 'log')", (1000, 200), "law"),
        ("Masked('glorot_uniform', 'tril')", (16, 24), "matrix"),
        ("ZeroFirst('he_normal', 3)", (16, 24), "matrix"),
        ("ZeroLast('he_normal', 3)", (16, 24), "matrix"),
        ("Blocked('orthogonal', 3)", (8, 24), "matrix"),
        ("Blocked(['orthogonal', 'zeros'], 2)", (8, 24), "matrix"),
        ("Stacked('orthogonal')", (4, 8, 8), "kernel"),
        ("ByDepth('he_normal', '1/sqrt(2 * (l + 1))', axis=0)", (4, 8, 8), "kernel"),
    ],
}
COLUMNS = 3
# Blue and orange, which the colour-blind tell apart, and maps whose middle is the page's colour.
LIGHT = {"ink": "#33373c", "page": "#ffffff", "fill": "#7fb2dd", "line": "#b8450b", "map": "RdBu_r"}
DARK = {"ink": "#ced0d3", "page": "#131416", "fill": "#2f6ea5", "line": "#ffa15c", "map": "berlin"}


@functools.cache
def drawn(call, shape, kind):
    """The initializer that a call makes, and what it draws."""
    init = eval(call, dict(vars(initializers)))
    dtype = np.complex64 if kind == "plane" else np.float32
    return init, np.asarray(init(jax.random.key(0), shape, dtype))


def tiles(values):
    """The matrices of a kernel or a stack side by side, with gaps."""
    *grid, rows, columns = values.shape
    down, across = grid if len(grid) == 2 else (2, grid[0] // 2)
    whole = np.full((down * (rows + 1) - 1, across * (columns + 1) - 1), np.nan)
    for index, matrix in enumerate(values.reshape(-1, rows, columns)):
        y, x = index // across * (rows + 1), index % across * (columns + 1)
        whole[y : y + rows, x : x + columns] = matrix
    return whole


def show_matrix(axes, init, values, colours):
    """Weights as colours, 0 in the middle of them."""
    largest = np.nanmax(np.abs(values)) or 1.0
    image = axes.imshow(
        values,
        cmap=colours["map"],
        vmin=-largest,
        vmax=largest,
        aspect="auto",
        interpolation="nearest",
    )
    axes.set(xticks=[], yticks=[])
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.045, pad=0.03, ticks=MaxNLocator(4))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, labelsize=7)


def show_law(axes, init, values, colours):
    """A histogram, and the density: the derivative of the law's distribution."""
    flat = np.sort(values.ravel())
    low, high = flat[0], flat[-1]
    axes.hist(flat, bins=60, range=(low, high), density=True, color=colours["fill"])
    draw = init.draw(values.shape, np.float32)
    margin = 0.04 * (high - low)
    edges = np.linspace(low - margin, high + margin, 801)
    below = np.asarray(draw.recipe.law.distribution(edges, *draw.scalars), np.float64)
    middles, density = (edges[1:] + edges[:-1]) / 2, np.diff(below) / np.diff(edges)
    axes.plot(middles, density, color=colours["line"], linewidth=1.2)
    axes.set(yticks=[], xlim=(low - margin, high + margin), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(3))


def show_line(axes, init, values, colours):
    """Values in their order."""
    axes.axhline(0, color=colours["ink"], linewidth=0.5)
    axes.vlines(np.arange(len(values)), 0, values, color=colours["fill"], linewidth=1)
    axes.plot(values, ".", color=colours["line"], markersize=4)
    axes.set(xticks=[0, len(values) - 1])
    axes.yaxis.set_major_locator(MaxNLocator(3))


def show_plane(axes, init, values, colours):
    """Complex numbers as points."""
    axes.axvline(0, color=colours["ink"], linewidth=0.5)
    axes.plot(values.real, values.imag, ".", color=colours["line"], markersize=5)
    axes.set(xlim=(-1.05, 0.25), xticks=[-1, -0.5, 0], xlabel="real part", ylabel="imaginary part")
    axes.yaxis.set_major_locator(MaxNLocator(4))


def show_kernel(axes, init, values, colours):
    """The matrix of each tap, or of each layer."""
    show_matrix(axes, init, tiles(values), colours)


def show_filters(axes, init, values, colours):
    """The time of a filter downwards, the bands across."""
    show_matrix(axes, init, values[:, 0], colours)


KINDS = {
    "matrix": show_matrix,
    "law": show_law,
    "line": show_line,
    "plane": show_plane,
    "kernel": show_kernel,
    "filters": show_filters,
}


def wrapped(call):
    """A call in lines, which break between its arguments."""
    fixed = call.replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")
    return textwrap.fill(fixed, 30, subsequent_indent="  ", break_long_words=False)


def show(family, dark=False):
    """The pictures of a family, a class each, on the page's colour."""
    colours = DARK if dark else LIGHT
    pictures = FAMILIES[family]
    rows = math.ceil(len(pictures) / COLUMNS)
    style = dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"),
        colours["ink"],
    )
    style |= dict.fromkeys(("figure.facecolor", "axes.facecolor"), colours["page"])
    style |= dict.fromkeys(("font.size", "axes.labelsize", "xtick.labelsize"), 7)
    style |= {"ytick.labelsize": 7, "axes.linewidth": 0.5, "axes.spines.right": False}
    with matplotlib.rc_context({**style, "axes.spines.top": False}):
        figure, grid = plt.subplots(
            rows, COLUMNS, figsize=(7.7, 2.15 * rows), squeeze=False, layout="constrained", dpi=150
        )
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
        for axes, (call, shape, kind) in zip(grid.flat, pictures, strict=False):
            init, values = drawn(call, shape, kind)
            KINDS[kind](axes, init, values, colours)
            sizes = " × ".join(map(str, shape))
            axes.set_title(f"{wrapped(call)}\n{sizes}", family="monospace", fontsize=8, loc="left")
            if kind in ("matrix", "kernel", "filters"):
                axes.spines[:].set_visible(False)
        for axes in grid.flat[len(pictures) :]:
            axes.set_axis_off()
        plt.show()
