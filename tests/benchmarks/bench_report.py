"""What a report on GPT-2 costs over summing its parameters once, in time and in memory."""

import functools
import os
import pathlib
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"

import harness
import jax
import jax.numpy as jnp
import numpy as np
from harness import Goal, Report, Summary, exactly, ratio
from matplotlib.figure import Figure

from cthulhu import diagnostics, init_params, plan, recipes

ABOUT = """\
`report` on GPT-2, made by its recipe, against the sums of the same parameters in one jitted
function. A report holds the parameters against a plan that was made before; against the recipe by
its name, so that it makes the plan; or against nothing. Where the sums are one number of each
array, a report has five: the extremes, two sums, and the count of zeros. Of each block one is
computed from memory and four from the cache, since NumPy has no reduction to several numbers at
once, and that of XLA saves little and compiles for long. A figure is a median over rounds with its
quartiles, after a first call. Memory is the most that a fresh process held during its first report
of GPT-2, over what it held before, relative to the parameters."""
ALT = (
    "A bar for each kind of report: its time over that of the sums of all parameters of GPT-2, "
    "with a line at the goal. The table holds the same figures."
)
GOAL = 1.5
MEMORY = 0.05


def contestants(params, expected):
    """What is measured: each call takes its own time."""
    sums = jax.jit(functools.partial(jax.tree.map, jnp.sum))
    here = jax.tree.map(np.asarray, params)

    def timed(call):
        def measure():
            start = time.perf_counter()
            jax.block_until_ready(call())
            return time.perf_counter() - start

        measure()
        return measure

    return {
        "sums": timed(lambda: sums(params)),
        "report, a plan": timed(lambda: diagnostics.report(params, expected) and None),
        "report, the recipe": timed(lambda: diagnostics.report(params, "gpt2") and None),
        "report, nothing known": timed(lambda: diagnostics.report(params) and None),
        "report, of NumPy": timed(lambda: diagnostics.report(here, expected) and None),
    }


def model():
    """GPT-2 of 124 million parameters, and its plan."""
    expected = plan(recipes.shapes("gpt2"), recipes.rules("gpt2"), stacked={})
    return jax.block_until_ready(expected.run(0)), expected


def held(name):
    """What the operating system says of this process's memory, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name))


def memory():
    """Of a fresh process: the most that a report holds beside the parameters, of their size."""
    params, expected = model()
    # What comes with the first call whatever the model: programs, SciPy.
    small = recipes.shapes("gpt2", layers=1, width=64, hidden=64, vocabulary=64, positions=8)
    diagnostics.report(init_params(0, small, "random_normal"), "random_normal")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # The peak begins anew.
    before = held("VmRSS")
    diagnostics.report(params, expected)
    return (held("VmHWM") - before) / expected.nbytes


def picture(found):
    """A bar for each kind of report."""
    figure = Figure(figsize=(8.4, 2.6), layout="constrained")
    axis = figure.add_subplot()
    names = [name for name in found if name != "sums"]
    against = [ratio(found[name], found["sums"]) for name in names]
    errors = [
        [one.median - one.low for one in against],
        [one.high - one.median for one in against],
    ]
    axis.barh(names, [one.median for one in against], xerr=errors, color="#0072B2", height=0.5)
    axis.axvline(GOAL, color="#444444", linestyle=":")
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.grid(axis="x", color="#eeeeee")
    axis.set_axisbelow(True)
    axis.set_title("report / sums of all parameters; dotted: the goal", loc="right", fontsize=11)
    return figure


def main():
    chosen = harness.arguments(__doc__)
    if chosen.child:
        print(memory())
        return
    if chosen.redraw:
        harness.save(picture(harness.stored(chosen.out, "report")["seconds"]), chosen.out, "report")
        return
    report = Report("report", "Report", ABOUT, chosen.quick, ALT)
    most = 5 if chosen.quick else 61
    seconds = harness.rounds(contestants(*model()), most=most, budget=60.0)
    share = harness.fresh(__file__, "--child", "memory", "gpt2")
    report.goals = [
        *(
            Goal(f"{name} / sums", ratio(one, seconds["sums"]), GOAL, at_least=False)
            for name, one in seconds.items()
            if name != "sums"
        ),
        Goal("memory beside the parameters", exactly(100 * share), 100 * MEMORY, False, unit=" %"),
    ]
    rows = [[name, Summary.of(one).show(" ms", 1e3)] for name, one in seconds.items()]
    report.table("Times", ["", "time"], rows)
    report.data = {
        "unit": "seconds a call, by round",
        "seconds": harness.rounded(seconds),
        "memory": {"share of the parameters": share},
    }
    report.write(chosen.out, picture(seconds))


if __name__ == "__main__":
    sys.exit(main())
