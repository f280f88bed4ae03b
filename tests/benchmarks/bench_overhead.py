"""What a call costs beside the draw itself, and what the import costs."""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import functools
import time

import harness
import jax
import jax.monitoring
import numpy as np
from harness import COLORS, Goal, Report, Summary, exactly, ratio
from matplotlib.figure import Figure

from cthulhu import compat, functional, initializers
from cthulhu.programs import _draws as draws

ABOUT = """\
Eager calls at shape (64, 64) in float32, against a bare call of the same compiled program: one
jitted function of nothing but the key and the scalars, which are at hand. The imports run in fresh
processes, from the start of the `import` statement to its end, without the start of Python."""
ALT = "Overhead of eager calls over a bare compiled call, and of the import over JAX's own"
SHAPE = (64, 64)
FLOAT32 = np.dtype(np.float32)
KEY = jax.random.key(0)
COMPILED = "/jax/core/compile/backend_compile_duration"
CALL_GOAL = 1.15
IMPORT_GOAL = 1.1
STDDEV = np.float32(0.05)


def programs():
    """Law -> the bare program, the pure function, the instance."""
    he = np.sqrt(np.float32(2 / SHAPE[0])) / np.float32(0.87962566103423978)
    return {
        "uniform": (
            draws.uniform(SHAPE, FLOAT32, minval=-0.05, maxval=0.05),
            functional.random_uniform,
            initializers.RandomUniform(),
        ),
        "normal": (
            draws.normal(SHAPE, FLOAT32, stddev=0.05),
            functional.random_normal,
            initializers.RandomNormal(),
        ),
        "truncated normal": (
            draws.truncated_normal(SHAPE, FLOAT32, stddev=0.05),
            functional.truncated_normal,
            initializers.TruncatedNormal(),
        ),
        "he_normal": (
            draws.truncated_normal(SHAPE, FLOAT32, stddev=he),
            functional.he_normal,
            initializers.HeNormal(),
        ),
    }


def bare_program(draw):
    """The program of a draw as a jitted function, with nothing around it."""
    law, shape, dtype, _ = draw.recipe

    def run(key, *scalars):
        return law.values(key, shape, dtype, *scalars)

    return jax.jit(run, compiler_options=compat.options_of_platform())


def forms_of(bare, function, instance):
    """Ways to call for the same values."""
    return {
        "bare program": functools.partial(bare_program(bare), KEY, *bare.scalars),
        "functional": functools.partial(function, KEY, SHAPE, FLOAT32),
        "instance": functools.partial(instance, KEY, SHAPE, FLOAT32),
    }


def measure_calls(report, quick):
    """{law: {form: seconds}}; every form waits for its result."""
    found = {}
    for law, same in programs().items():
        forms = forms_of(*same)
        for call in forms.values():
            jax.block_until_ready(call())
        taking_part = {
            name: lambda call=call: harness.timed(call, 300, jax.block_until_ready)
            for name, call in forms.items()
        }
        harness.rounds(taking_part, most=1)
        found[law] = harness.rounds(taking_part, most=5 if quick else 41)
        shown = {name: Summary.of(s).show(" µs", 1e6) for name, s in found[law].items()}
        report.say(f"{law}: {shown}")
    return found


def measure_imports(report, quick):
    """{module: seconds}, in fresh processes."""
    code = "import json, time\nt = time.perf_counter()\nimport {}\nprint(time.perf_counter() - t)"
    taking_part = {
        name: lambda name=name: harness.fresh("-c", code.format(name))
        for name in ("jax", "cthulhu")
    }
    for measure in taking_part.values():
        measure()  # Writes the compiled modules.
    found = harness.rounds(taking_part, most=3 if quick else 25)
    report.say(f"import cthulhu / import jax: {ratio(found['cthulhu'], found['jax']).show()}")
    return found


def count_compilations():
    """The programs that a hundred standard deviations compile, and the seconds that they take."""
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **_: compiled.append(event) if event == COMPILED else None
    )
    start = time.perf_counter()
    for number in range(100):
        value = functional.random_normal(KEY, (64, 65), stddev=0.01 * (number + 1))
        jax.block_until_ready(value)
    return len(compiled), time.perf_counter() - start


def picture(calls, imports):
    """Eager calls over the bare program; the imports."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    laws = list(calls)
    forms = {"functional": (-0.15, COLORS["jax.nn"]), "instance": (0.15, COLORS["torch"])}
    for form, (offset, color) in forms.items():
        against = [ratio(calls[law][form], calls[law]["bare program"]) for law in laws]
        middle = np.array([summary.median for summary in against])
        low = middle - [summary.low for summary in against]
        high = np.array([summary.high for summary in against]) - middle
        places = np.arange(len(laws)) + offset
        left.errorbar(places, middle, yerr=[low, high], fmt="o", color=color, capsize=4, label=form)
    left.axhline(1, color=COLORS["cthulhu"], linewidth=2, label="bare program = 1")
    left.axhline(
        CALL_GOAL, color="#444444", linestyle="--", linewidth=1, label=f"goal ≤ {CALL_GOAL}"
    )
    left.set_xticks(range(len(laws)), laws)
    left.margins(y=0.15)
    left.set_ylabel("time / time of the bare program")
    left.set_title("Eager call at (64, 64), float32", fontsize=10)
    left.legend(fontsize=8, loc="upper left", ncols=2)

    against = ratio(imports["cthulhu"], imports["jax"])
    names = ["jax", "cthulhu"]
    middle = [Summary.of(imports[name]) for name in names]
    right.barh(
        names,
        [summary.median for summary in middle],
        xerr=[
            [summary.median - summary.low for summary in middle],
            [summary.high - summary.median for summary in middle],
        ],
        color=[COLORS["jax.nn"], "#444444"],
        ecolor="#999999",
        height=0.5,
    )
    goal = middle[0].median * IMPORT_GOAL
    right.axvline(goal, color="#444444", linestyle="--", linewidth=1, label="goal ≤ 1.1 of jax")
    right.legend(fontsize=8, loc="center left")
    right.invert_yaxis()
    right.set_xlabel("seconds")
    right.set_title(f"Import: cthulhu / jax = {against.show()}", fontsize=10)
    return figure


def main():
    chosen = harness.arguments(__doc__)
    if chosen.redraw:
        data = harness.stored(chosen.out, "overhead")
        harness.save(picture(data["calls"], data["imports"]), chosen.out, "overhead")
        return
    report = Report("overhead", "Overhead", ABOUT, chosen.quick, ALT)
    calls = measure_calls(report, chosen.quick)
    imports = measure_imports(report, chosen.quick)
    compilations, seconds = count_compilations()
    report.data = {
        "unit": "seconds a call, by round",
        "calls": {law: harness.rounded(found) for law, found in calls.items()},
        "imports": harness.rounded(imports),
        "compilations_of_100_stddevs": compilations,
        "seconds_of_100_stddevs": seconds,
    }
    for law, found in calls.items():
        for form in ("functional", "instance"):
            against = ratio(found[form], found["bare program"])
            report.goals.append(Goal(f"{law}: {form} / bare program", against, CALL_GOAL, False))
    against = ratio(imports["cthulhu"], imports["jax"])
    report.goals += [
        Goal("`import cthulhu` / `import jax`", against, IMPORT_GOAL, False),
        Goal("programs compiled for 100 stddevs", exactly(compilations), 1, False, ""),
    ]
    forms = ("bare program", "functional", "instance")
    rows = [
        [law, *(Summary.of(found[form]).show(" µs", 1e6) for form in forms)]
        for law, found in calls.items()
    ]
    report.table("Calls at (64, 64), float32", ["", *forms], rows)
    rows = [[f"`import {name}`", Summary.of(s).show(" ms", 1e3)] for name, s in imports.items()]
    report.table("Imports in fresh processes", ["", "time"], rows)
    report.write(chosen.out, picture(calls, imports))


if __name__ == "__main__":
    sys.exit(main())
