"""What the initializers of the catalogue cost over the draws that they are made of."""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import bench_draws
import harness
import jax
from harness import Goal, Report, Summary, ratio
from matplotlib.figure import Figure

from cthulhu import initializers
from cthulhu.initializers import (
    Blocked,
    ByDepth,
    Chrono,
    Kaiming,
    LogUniform,
    Mapped,
    MartensSparse,
    Masked,
    RandomNormal,
    RandomUniform,
    RingUniform,
    Scaled,
    Siren,
    Sparse,
    Spectral,
    Stacked,
    TorchBias,
    TruncatedNormal,
    WangInit,
    ZeroFirst,
)

ABOUT = """\
Square arrays in float32, drawn eagerly, against the uniform, the normal or the truncated normal of
the same shape that each is a function of. A cell is a median over rounds with its quartiles; above
1×, an initializer is slower than the draw beneath it."""
ALT = (
    "A point for each initializer: its time over that of the uniform, normal or truncated normal "
    "beneath it, on a logarithmic axis, with a line at the goal. The table holds the same figures."
)
GOAL = 1.3
SIZE = 2048
KEY = jax.random.key(0)
UNDERLYING = {
    "uniform": RandomUniform(),
    "normal": RandomNormal(),
    "truncated normal": TruncatedNormal(),
}
# Whether each element is a function of its own bits alone; the others look at more.
ELEMENTWISE = {
    "uniform": [
        "torch_linear",
        TorchBias(fan_in=64),
        Siren(),
        Kaiming(distribution="uniform"),
        initializers.LoraA(),
        LogUniform(0.001, 0.1),
        initializers.InverseSoftplusUniform(),
        RingUniform(0.9, 0.999),
        initializers.RingPhase(),
        initializers.RecurrentGate(),
        initializers.UniformGate(),
        Chrono(1000),
        Scaled("random_uniform", 0.5),
        Mapped(RandomUniform(-1, 1), "exp"),
    ],
    "normal": [
        "kaiming",
        "xavier",
        "small_init",
        WangInit(12),
        Spectral(exact=False),
        Scaled("random_normal", 0.5),
        Mapped("random_normal", "exp"),
    ],
    "truncated normal": [
        TruncatedNormal(corrected=True),
        TruncatedNormal(lower=4.0, upper=5.0),
        Scaled("he_normal", 0.5),
    ],
}
OTHERS = {
    "normal": [
        Masked("random_normal", "tril"),
        ZeroFirst("random_normal"),
        Blocked("random_normal", 4),
        Stacked("random_normal"),
        ByDepth("random_normal", "1/sqrt(2 * L)", axis=0),
        Sparse(0.9),
        MartensSparse(),
    ],
}


def named(identifier):
    """An initializer and what to call it."""
    init = initializers.get(identifier)
    return init, repr(init)


def shape_of(init):
    """A square array; of layers, 16 of them that hold as much."""
    stacks = isinstance(init, ByDepth | Stacked)
    return (16, SIZE // 4, SIZE // 4) if stacks else (SIZE, SIZE)


def measured(report, groups, quick):
    """Seconds by name, with those of the draw beneath: {name: (beneath, seconds)}."""
    found = {}
    most, budget = (3, 0.5) if quick else (31, 4.0)
    for beneath, identifiers in groups.items():
        base = UNDERLYING[beneath]
        for identifier in identifiers:
            init, name = named(identifier)
            shape = shape_of(init)
            taking_part = {
                "beneath": bench_draws.jax_measure(lambda shape=shape, base=base: base(KEY, shape)),
                "init": bench_draws.jax_measure(lambda init=init, shape=shape: init(KEY, shape)),
            }
            seconds = harness.rounds(taking_part, most=most, least=3 if quick else 9, budget=budget)
            found[name] = (beneath, seconds)
            against = ratio(seconds["init"], seconds["beneath"])
            report.say(f"{name} / {beneath}: {against.show()}")
    return found


def write(report, title, found):
    """A table of the measurements."""
    rows = [
        [
            f"`{name}`",
            beneath,
            Summary.of(seconds["init"]).show(" ms", 1e3),
            ratio(seconds["init"], seconds["beneath"]).show(),
        ]
        for name, (beneath, seconds) in found.items()
    ]
    report.table(title, ["", "beneath", "time", "over the draw beneath"], rows)


def picture(found):
    """A point for each initializer, with its quartiles."""
    figure = Figure(figsize=(8.4, 0.26 * len(found) + 1.0), layout="constrained")
    axis = figure.add_subplot()
    against = [ratio(seconds["init"], seconds["beneath"]) for _, seconds in found.values()]
    places = range(len(found))
    axis.axvline(1, color="#444444", linewidth=1)
    axis.axvline(GOAL, color="#444444", linestyle=":")
    axis.hlines(places, [one.low for one in against], [one.high for one in against], "#0072B2")
    axis.plot([one.median for one in against], places, "o", color="#0072B2", markersize=5)
    axis.set_yticks(places, list(found), fontsize=9)
    axis.set_ylim(len(found) - 0.4, -0.6)
    axis.set_xscale("log")
    axis.set_xticks([1, 2, 5, 10, 20, 50])
    axis.set_xticks([], minor=True)
    harness.plain_axis(axis.xaxis)
    axis.grid(axis="both", color="#eeeeee")
    axis.set_axisbelow(True)
    axis.set_title("time / time of the draw beneath; dotted: the goal", loc="right", fontsize=11)
    return figure


def main():
    chosen = harness.arguments(__doc__)
    if chosen.redraw:
        cells = harness.stored(chosen.out, "catalogue")["cells"]
        found = {name: (cell["beneath"], cell["seconds"]) for name, cell in cells.items()}
        harness.save(picture(found), chosen.out, "catalogue")
        return
    report = Report("catalogue", "Catalogue", ABOUT, chosen.quick, ALT)
    elementwise = measured(report, ELEMENTWISE, chosen.quick)
    others = measured(report, OTHERS, chosen.quick)
    report.goals = [
        Goal(f"{name} / {beneath}", ratio(seconds["init"], seconds["beneath"]), GOAL, False)
        for name, (beneath, seconds) in elementwise.items()
    ]
    write(report, "Elementwise ones", elementwise)
    write(report, "Those that look at more than an element", others)
    found = {**elementwise, **others}
    report.data = {
        "unit": "seconds a call, by round",
        "cells": {
            name: {"beneath": beneath, "seconds": harness.rounded(seconds)}
            for name, (beneath, seconds) in found.items()
        },
    }
    report.write(chosen.out, picture(found))


if __name__ == "__main__":
    sys.exit(main())
