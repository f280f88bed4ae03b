"""How fast single arrays are drawn, against other libraries and against writing zeros."""

import os
import pathlib
import sys

# Keras reads it when it is imported; the worker and the fresh processes get it too.
os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

import json
import time

import harness
import jax
import numpy as np
import peers
from harness import COLORS, Goal, Report, Summary, exactly, ratio
from matplotlib.figure import Figure

HERE = pathlib.Path(__file__).resolve().parent
ABOUT = """\
Square arrays, drawn by this library (called eagerly, as anyone would call it), by jitted
`jax.nn.initializers`, by Keras 3 on JAX, by `torch.nn.init` with as many threads, and by NumPy's
`Generator`. All of these fill fresh memory: every call allocates its result. `floor` is a jitted
`jnp.zeros`, likewise into fresh memory. Laws are the same throughout: for `he_normal`, a truncated
normal, PyTorch's peer is `trunc_normal_`; its own `kaiming_normal_` does not truncate, and is
listed apart. A cell is a median over rounds with its quartiles; above 1×, a peer is slower than
this library."""
ALT = (
    "Seven panels. Five show, a law each, the time of jax.nn, torch, keras, numpy and of writing "
    "zeros relative to this library's, by the size of the array, on logarithmic axes. One shows "
    "this library's time in bfloat16 relative to float32, and one the first call of jax.nn "
    "relative to this library's. The tables below hold the same figures."
)
ELEMENTWISE = peers.LAWS[:-1]
PEERS = ("jax.nn", "torch", "keras", "numpy")
# Seconds of jax.nn and of PyTorch, and ours over the floor, at 4096 × 4096 in float32, by the
# width of the processor's vectors: ours are nearly twice as fast on 512 bits.
GOALS_OF_WIDTHS = {
    "AVX-512": {
        "uniform": (4.5, 2.0, 1.6),
        "normal": (3.2, 1.4, 2.5),
        "truncated normal": (3.0, 20.0, 2.6),
        "he_normal": (3.0, 20.0, 2.6),
    },
    "AVX2": {
        "uniform": (3.5, 1.5, 2.4),
        "normal": (2.2, 0.8, 4.0),
        "truncated normal": (2.3, 9.0, 4.0),
        "he_normal": (2.3, 9.0, 4.0),
    },
}
GOALS = GOALS_OF_WIDTHS.get(harness.vectors(), GOALS_OF_WIDTHS["AVX2"])
FIRST_GOAL = 2.2
NARROW_GOAL = 1.3
REFERENCE = 4096
KEY = jax.random.key(0)


def jax_measure(call):
    """A contestant in this process."""
    repeat = harness.repeats(lambda: harness.timed(call, 1, jax.block_until_ready))
    return lambda: harness.timed(call, repeat, jax.block_until_ready)


def torch_measure(worker, law, size, dtype, *, preallocated=False):
    """A contestant in PyTorch's process."""

    def ask(repeat):
        return worker.ask(
            law=law, size=size, dtype=dtype, repeat=repeat, preallocated=preallocated
        )["seconds"]

    repeat = harness.repeats(lambda: ask(1))

    def measure():
        seconds = ask(repeat)
        time.sleep(0.005)  # Its threads spin for a while before they sleep.
        return seconds

    return measure


def contestants(law, size, dtype, worker):
    """All who draw this law, by name."""
    found = {
        "cthulhu": jax_measure(peers.ours(law, size, dtype, KEY)),
        "jax.nn": jax_measure(peers.jax_nn(law, size, dtype, KEY)),
        "torch": torch_measure(worker, law, size, dtype),
    }
    if dtype == "float32":
        found["keras"] = jax_measure(peers.keras(law, size, dtype))
        in_numpy = peers.numpy(law, size)
        if in_numpy is not None:
            found["numpy"] = jax_measure(in_numpy)
        if size == REFERENCE and law in ELEMENTWISE:
            found["torch, in place"] = torch_measure(worker, law, size, dtype, preallocated=True)
        if size == REFERENCE and law == "he_normal":
            found["torch kaiming_normal_"] = torch_measure(
                worker, "he_normal, not truncated", size, dtype
            )
    else:
        found["cthulhu float32"] = jax_measure(peers.ours(law, size, "float32", KEY))
    found["floor"] = jax_measure(peers.floor(size, dtype))
    return found


def steady(report, quick):
    """Times in one process, with all programs compiled: {(law, dtype, size): {name: seconds}}."""
    sizes = (256, 1024, REFERENCE) if quick else (256, 512, 1024, 2048, REFERENCE, 8192)
    worker = harness.Worker(str(HERE / "torch_worker.py"))
    found = {}
    for law in peers.LAWS:
        for dtype in ("float32", "bfloat16") if law in ELEMENTWISE else ("float32",):
            for size in (256, 512, 1024)[:: 2 if quick else 1] if law == "orthogonal" else sizes:
                most, budget = (3, 1.0) if quick else (21, 3.0)
                taking_part = contestants(law, size, dtype, worker)
                least = 3 if quick or size > REFERENCE else 7
                seconds = harness.rounds(taking_part, most=most, least=least, budget=budget)
                found[law, dtype, size] = seconds
                shown = Summary.of(seconds["cthulhu"]).show(" ms", 1e3)
                against = ratio(seconds["jax.nn"], seconds["cthulhu"]).show()
                report.say(f"{law} {dtype} {size}²: {shown}, jax.nn {against}")
    worker.close()
    return found


def cells_of(found, law, dtype):
    """The measurements of one law and type: {size: {name: seconds}}."""
    return {
        size: cell for (name, kind, size), cell in found.items() if (name, kind) == (law, dtype)
    }


def first_calls(report, quick):
    """Trace, compile and run, in fresh processes: {law: {name: seconds}}."""
    found = {}
    for law in ELEMENTWISE[:2] if quick else peers.LAWS:
        size = 1024 if law == "orthogonal" else REFERENCE
        taking_part = {
            name: lambda name=name, law=law, size=size: harness.fresh(
                __file__, "--child", name, json.dumps([law, size])
            )
            for name in ("cthulhu", "jax.nn")
        }
        found[law] = harness.rounds(taking_part, most=1 if quick else 5)
        against = ratio(found[law]["jax.nn"], found[law]["cthulhu"]).show()
        report.say(f"{law}: first call, jax.nn {against}")
    return found


def child(name, law, size):
    """One first call; JAX's backend is up and the key is made."""
    key = jax.block_until_ready(jax.random.key(0))
    make = {"cthulhu": peers.ours, "jax.nn": peers.jax_nn}[name]
    start = time.perf_counter()
    jax.block_until_ready(make(law, size, "float32", key)())
    print(time.perf_counter() - start)


def differing(sizes):
    """Bits that differ from jitted jax.nn, in float32 over all laws and sizes."""
    return {
        law: sum(
            peers.differing_bits(
                peers.ours(law, size, "float32", KEY)(), peers.jax_nn(law, size, "float32", KEY)()
            )
            for size in sizes
        )
        for law in ELEMENTWISE
    }


def state_goals(report, found, first):
    """The goals, at 4096 × 4096 unless said otherwise."""
    for law, (jax_goal, torch_goal, floor_goal) in GOALS.items():
        seconds = found[law, "float32", REFERENCE]
        ours = seconds["cthulhu"]
        at = f"{law}, 4096², float32"
        report.goals += [
            Goal(f"{at}: jax.nn / ours", ratio(seconds["jax.nn"], ours), jax_goal),
            Goal(f"{at}: torch / ours", ratio(seconds["torch"], ours), torch_goal),
            Goal(f"{at}: ours / floor", ratio(ours, seconds["floor"]), floor_goal, False),
        ]
    for law in ELEMENTWISE:
        if law in first:
            against = ratio(first[law]["jax.nn"], first[law]["cthulhu"])
            what = f"{law}, 4096²: first call, jax.nn / ours"
            report.goals.append(Goal(what, against, FIRST_GOAL))
    for law in ELEMENTWISE:
        small = {
            size: ratio(seconds["jax.nn"], seconds["cthulhu"])
            for size, seconds in cells_of(found, law, "float32").items()
            if size <= 1024
        }
        size = min(small, key=lambda size: small[size].median)
        report.goals.append(
            Goal(f"{law}, the worst of 256² to 1024² ({size}²): jax.nn / ours", small[size], 1.0)
        )
    for law in ELEMENTWISE:
        narrow = {
            size: ratio(seconds["cthulhu"], seconds["cthulhu float32"])
            for size, seconds in cells_of(found, law, "bfloat16").items()
        }
        size = max(narrow, key=lambda size: narrow[size].median)
        what = f"{law}, the worst size ({size}²): ours in bfloat16 / in float32"
        report.goals.append(Goal(what, narrow[size], NARROW_GOAL, False))
    for law, bits in report.data["differing_bits"].items():
        what = f"{law}, float32: bits that differ from jax.nn"
        report.goals.append(Goal(what, exactly(bits), 0, False, ""))


def write_tables(report, found, first):
    """All measurements, a table for each law and type."""
    for law in peers.LAWS:
        for dtype in ("float32", "bfloat16"):
            cells = cells_of(found, law, dtype)
            if not cells:
                continue
            names = [name for name in cells[min(cells)] if name in PEERS]
            head = ["size", "ours", *(f"{name} / ours" for name in names), "ours / floor"]
            if dtype == "bfloat16":
                head.append("ours / ours in float32")
            rows = []
            for size, seconds in cells.items():
                own = seconds["cthulhu"]
                row = [f"{size}²", Summary.of(own).show(" ms", 1e3)]
                row += [ratio(seconds[name], own).show() for name in names]
                row.append(ratio(own, seconds["floor"]).show())
                if dtype == "bfloat16":
                    row.append(ratio(own, seconds["cthulhu float32"]).show())
                rows.append(row)
            report.table(f"{law}, {dtype}", head, rows)
    rows = []
    for law in ELEMENTWISE:
        seconds = found[law, "float32", REFERENCE]
        against = ratio(seconds["torch, in place"], seconds["cthulhu"])
        rows.append([f"{law}, into a tensor that exists", against.show()])
    against = ratio(seconds["torch kaiming_normal_"], seconds["cthulhu"])
    rows.append(["`kaiming_normal_` against he_normal, into a fresh tensor", against.show()])
    report.table("Other ways with PyTorch, 4096², float32", ["", "torch / ours"], rows)
    report.text(
        "This library and the others above fill fresh memory, for a new parameter has none yet; "
        "a tensor that exists saves PyTorch the cost of the operating system's new pages. "
        "`kaiming_normal_` draws another law than `he_normal`: it does not truncate."
    )
    rows = [
        [
            f"{law}, {1024 if law == 'orthogonal' else REFERENCE}²",
            Summary.of(seconds["cthulhu"]).show(" ms", 1e3),
            Summary.of(seconds["jax.nn"]).show(" ms", 1e3),
            ratio(seconds["jax.nn"], seconds["cthulhu"]).show(),
        ]
        for law, seconds in first.items()
    ]
    report.table(
        "First call in a fresh process: trace, compile, run (float32)",
        ["", "ours", "jax.nn", "jax.nn / ours"],
        rows,
    )


def picture(found, first):
    """Each library relative to this one, by law and size."""
    # Two panels fill the width of a page, so that nothing shrinks when it is shown.
    figure = Figure(figsize=(8.4, 14.5), layout="constrained")
    wide = ["first", "first"]
    places = [[*peers.LAWS[:2]], [*peers.LAWS[2:4]], [peers.LAWS[4], "narrow"], wide]
    axes = figure.subplot_mosaic(places, height_ratios=(3, 3, 3, 2))
    for law in peers.LAWS:
        draw_law(axes[law], law, found)
    for law in peers.LAWS[::2]:
        axes[law].set_ylabel("time / time of cthulhu", fontsize=11)
    draw_narrow(axes["narrow"], found)
    draw_first(axes["first"], first)

    first_law = axes[peers.LAWS[0]]
    handles, labels = first_law.get_legend_handles_labels()
    for style, label in (
        ("-", "float32"),
        ("--", "bfloat16"),
        (GOAL_STYLE, "goal for float32, 4096²"),
    ):
        handles.append(first_law.plot([], [], color="#444444", linestyle=style)[0])
        labels.append(label)
    figure.legend(
        handles,
        labels,
        title="Time to draw a square array (above 1: slower than cthulhu)",
        title_fontsize=13,
        loc="outside upper center",
        frameon=False,
        fontsize=11,
        ncols=3,
    )
    return figure


def draw_law(axis, law, found):
    """The time of each library over ours, by size."""
    wide, narrow = cells_of(found, law, "float32"), cells_of(found, law, "bfloat16")
    axis.axhline(1, color=COLORS["cthulhu"], linewidth=2, label="cthulhu = 1")
    for name in PEERS if law == "orthogonal" else (*PEERS, "floor"):
        for cells, style in ((wide, "-"), (narrow, "--")):
            if cells and name in cells[min(cells)] and (name != "floor" or cells is wide):
                against = [ratio(cell[name], cell["cthulhu"]) for cell in cells.values()]
                label = LABELS.get(name, name) if style == "-" else None
                draw_line(axis, list(cells), against, COLORS[name], label, style)
    if law in GOALS:
        bounds = zip(("jax.nn", "torch", "floor"), GOALS[law], strict=True)
        for name, bound in bounds:
            height = 1 / bound if name == "floor" else bound
            axis.plot([2900, 5800], [height] * 2, color=COLORS[name], linestyle=GOAL_STYLE)
    axis.set_yscale("log")
    finish_axis(axis, law, list(wide))
    harness.plain_axis(axis.yaxis)


def draw_narrow(axis, found):
    """Ours in bfloat16 over ours in float32."""
    markers = zip(ELEMENTWISE, "osv^", ("#000000", "#0072B2", "#D55E00", "#009E73"), strict=True)
    for law, marker, color in markers:
        cells = cells_of(found, law, "bfloat16")
        against = [ratio(cell["cthulhu"], cell["cthulhu float32"]) for cell in cells.values()]
        middle = [summary.median for summary in against]
        axis.plot(list(cells), middle, color=color, marker=marker, markersize=5, label=law)
    axis.axhline(NARROW_GOAL, color="#444444", linestyle=GOAL_STYLE)
    axis.set_ylim(bottom=0)
    axis.legend(fontsize=10)
    finish_axis(axis, "cthulhu: bfloat16 / float32", list(cells))


def draw_first(axis, first):
    """First calls: jax.nn over ours."""
    against = [ratio(seconds["jax.nn"], seconds["cthulhu"]) for seconds in first.values()]
    bars(axis, list(first), against, COLORS["jax.nn"])
    axis.axvline(1, color=COLORS["cthulhu"], linewidth=2)
    axis.axvline(FIRST_GOAL, color="#444444", linestyle=GOAL_STYLE)
    axis.set_title("first call: jax.nn / cthulhu", fontsize=12)


GOAL_STYLE = (0, (1.5, 1))
LABELS = {"floor": "floor: writing zeros"}


def draw_line(axis, sizes, against, color, label, style="-"):
    middle = [summary.median for summary in against]
    axis.plot(sizes, middle, color=color, label=label, linestyle=style, marker="o", markersize=3.5)
    low, high = [s.low for s in against], [s.high for s in against]
    axis.fill_between(sizes, low, high, color=color, alpha=0.18, linewidth=0)


def finish_axis(axis, title, sizes):
    axis.set_xscale("log", base=2)
    axis.set_xticks([], minor=True)
    axis.set_xticks(sizes, [f"{size}²" for size in sizes], fontsize=10)
    axis.set_title(title, fontsize=12)
    axis.grid(axis="y", color="#eeeeee")


def bars(axis, labels, against, color):
    """Horizontal bars with quartiles, from the top."""
    middle = np.array([summary.median for summary in against])
    low = middle - [summary.low for summary in against]
    high = np.array([summary.high for summary in against]) - middle
    places = range(len(labels))
    axis.barh(places, middle, xerr=[low, high], color=color, height=0.6, ecolor="#444444")
    axis.set_yticks(places, labels)
    axis.invert_yaxis()


def measured(folder):
    """What the JSON file of an earlier run holds, as `picture` takes it."""
    data = harness.stored(folder, "draws")
    cells = {(cell["law"], cell["dtype"], cell["size"]): cell["seconds"] for cell in data["steady"]}
    return cells, data["first_call"]


def main():
    chosen = harness.arguments(__doc__)
    if chosen.redraw:
        harness.save(picture(*measured(chosen.out)), chosen.out, "draws")
        return
    if chosen.child:
        law, size = json.loads(chosen.child[1])
        child(chosen.child[0], law, size)
        return
    report = Report("draws", "Draws", ABOUT, chosen.quick, ALT)
    found = steady(report, chosen.quick)
    first = first_calls(report, chosen.quick)
    report.data = {
        "unit": "seconds a call, by round",
        "steady": [
            {"law": law, "dtype": dtype, "size": size, "seconds": harness.rounded(seconds)}
            for (law, dtype, size), seconds in found.items()
        ],
        "first_call": {law: harness.rounded(seconds) for law, seconds in first.items()},
        "differing_bits": differing((256, 1000) if chosen.quick else (256, 1000, REFERENCE)),
    }
    state_goals(report, found, first)
    write_tables(report, found, first)
    report.write(chosen.out, picture(found, first))


if __name__ == "__main__":
    sys.exit(main())
