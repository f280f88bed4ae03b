"""What it costs to read the use of every parameter off GPT-2, over tracing it."""

import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"

import harness
import jax
import models
from harness import Goal, Report, Summary, ratio
from matplotlib.figure import Figure

from cthulhu import usage

ABOUT = """\
`usage.infer` traces a function and then walks through what the trace wrote. Its time is compared
with that of the trace alone, `jax.make_jaxpr` of the same function and the same shapes; nothing is
run. GPT-2 is a module of flax.linen whose layers are not scanned: 16 parameters a layer, each
followed to where it meets the activations. A figure is a median over rounds with its quartiles, and
a ratio is formed within each round."""
ALT = (
    "A bar for each number of layers: the time of infer over that of tracing, with a line at the "
    "goal. The table holds the same figures."
)
GOAL = 1.5
LAYERS = (12, 48)


def contestants(layers):
    """Each call traces anew: what is traced is a function that JAX has not seen."""
    model, tokens = models.gpt2(layers)
    params = jax.eval_shape(model.init, jax.random.key(0), tokens)["params"]

    def apply(params, tokens):
        return model.apply({"params": params}, tokens)

    def timed(call):
        def measure():
            def fresh(*args):
                return apply(*args)

            start = time.perf_counter()
            call(fresh)
            return time.perf_counter() - start

        measure()
        return measure

    return {
        "tracing": timed(lambda fn: jax.make_jaxpr(fn)(params, tokens)),
        "infer": timed(lambda fn: usage.infer(fn, params, tokens)),
    }


def measured(report, quick):
    """Seconds by number of layers and by contestant."""
    found = {}
    for layers in LAYERS[: 1 if quick else None]:
        found[layers] = harness.rounds(contestants(layers), most=5 if quick else 41, budget=90.0)
        over = ratio(found[layers]["infer"], found[layers]["tracing"])
        report.say(f"{layers} layers: {over.show()}")
    return found


def picture(found):
    """A bar for each number of layers."""
    figure = Figure(figsize=(8.4, 2.4), layout="constrained")
    axis = figure.add_subplot()
    over = [ratio(one["infer"], one["tracing"]) for one in found.values()]
    errors = [[one.median - one.low for one in over], [one.high - one.median for one in over]]
    names = [f"{layers} layers" for layers in found]
    axis.barh(names, [one.median for one in over], xerr=errors, color="#0072B2", height=0.5)
    axis.axvline(GOAL, color="#444444", linestyle=":")
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.grid(axis="x", color="#eeeeee")
    axis.set_axisbelow(True)
    axis.set_title("infer / tracing; dotted: the goal", loc="right", fontsize=11)
    return figure


def main():
    chosen = harness.arguments(__doc__)
    if chosen.redraw:
        harness.save(picture(harness.stored(chosen.out, "usage")["layers"]), chosen.out, "usage")
        return
    report = Report("usage", "Usage", ABOUT, chosen.quick, ALT)
    found = measured(report, chosen.quick)
    report.goals = [
        Goal(
            f"GPT-2, {layers} layers: infer / tracing",
            ratio(one["infer"], one["tracing"]),
            GOAL,
            at_least=False,
        )
        for layers, one in found.items()
    ]
    rows = [
        [f"{layers} layers", *(Summary.of(one[name]).show(" ms", 1e3) for name in one)]
        for layers, one in found.items()
    ]
    report.table("Times", ["", "tracing", "infer"], rows)
    report.data = {
        "unit": "seconds a call, by round",
        "layers": {layers: harness.rounded(one) for layers, one in found.items()},
    }
    report.write(chosen.out, picture(found))


if __name__ == "__main__":
    sys.exit(main())
