"""What an audit of GPT-2 costs over one pass over its parameters, and how often it errs."""

import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"

import harness
import jax
import jax.numpy as jnp
from harness import Goal, Report, Summary, exactly, ratio
from matplotlib.figure import Figure

from cthulhu import init_params, recipes
from cthulhu.audit import check

ABOUT = """\
`check` on GPT-2, made by its recipe, against one pass over the same parameters: their standard
deviations, or their sums, in one jitted function. A figure is a median over rounds with its
quartiles. The audit of a model as it should be is repeated for many seeds: each that is found wrong
is a false alarm."""
ALT = (
    "A bar for each size of GPT-2: the time of an audit over that of the standard deviations of "
    "all parameters, with a line at the goal. The table holds the same figures."
)
GOAL = 3.0
SIZES = {
    "GPT-2, 124M": {},
    "GPT-2 medium, 354M": {
        "layers": 24,
        "width": 1024,
        "hidden": 4096,
        "heads": 16,
        "kv_heads": 16,
    },
}


def passes(params):
    """What is measured: each call takes its own time."""
    deviations = jax.jit(lambda tree: jax.tree.map(jnp.std, tree))
    sums = jax.jit(lambda tree: jax.tree.map(jnp.sum, tree))
    rules = recipes.rules("gpt2")

    def timed(call):
        def measure():
            start = time.perf_counter()
            jax.block_until_ready(call(params))
            return time.perf_counter() - start

        measure()
        return measure

    return {
        "standard deviations": timed(deviations),
        "sums": timed(sums),
        "audit": timed(lambda tree: check(tree, rules) and None),
    }


def measured(report, quick):
    """Seconds by model and by pass."""
    found = {}
    for name, sizes in list(SIZES.items())[: 1 if quick else None]:
        params = init_params(0, recipes.shapes("gpt2", **sizes), recipes.rules("gpt2"))
        jax.block_until_ready(params)
        seconds = harness.rounds(passes(params), most=5 if quick else 31, budget=60.0)
        found[name] = seconds
        report.say(f"{name}: {ratio(seconds['audit'], seconds['standard deviations']).show()}")
    return found


def alarms(seeds):
    """How many of so many models as they should be are found wrong."""
    tree, rules = recipes.shapes("gpt2"), recipes.rules("gpt2")
    return sum(not check(init_params(seed, tree, rules), rules) for seed in range(seeds))


def picture(found):
    """A bar for each model."""
    figure = Figure(figsize=(8.4, 2.4), layout="constrained")
    axis = figure.add_subplot()
    names = list(found)
    against = [ratio(one["audit"], one["standard deviations"]) for one in found.values()]
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
    axis.set_title(
        "audit / standard deviations of all parameters; dotted: the goal", loc="right", fontsize=11
    )
    return figure


def main():
    chosen = harness.arguments(__doc__)
    if chosen.redraw:
        harness.save(picture(harness.stored(chosen.out, "audit")["models"]), chosen.out, "audit")
        return
    report = Report("audit", "Audit", ABOUT, chosen.quick, ALT)
    found = measured(report, chosen.quick)
    seeds = 10 if chosen.quick else 200
    false = alarms(seeds)
    report.goals = [
        *(
            Goal(f"{name}: audit / {what}", ratio(one["audit"], one[what]), GOAL, at_least=False)
            for name, one in found.items()
            for what in ("standard deviations", "sums")
        ),
        Goal(f"false alarms, of {seeds} models", exactly(false), seeds / 100, False, unit=""),
    ]
    rows = [
        [name, *(Summary.of(one[what]).show(" ms", 1e3) for what in one)]
        for name, one in found.items()
    ]
    report.table("Times", ["", "standard deviations", "sums", "audit"], rows)
    report.data = {
        "unit": "seconds a call, by round",
        "models": {name: harness.rounded(one) for name, one in found.items()},
        "alarms": {"seeds": seeds, "false": false},
    }
    report.write(chosen.out, picture(found))


if __name__ == "__main__":
    sys.exit(main())
