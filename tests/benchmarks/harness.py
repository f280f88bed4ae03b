"""What the benchmarks share: interleaved rounds, ratios, fresh processes, reports.

The machine may be shared and its speed may drift, so no figure stands alone:
contestants take turns (A B C, A B C, …), ratios are formed within each round, and
a result is the median of the rounds with its quartiles.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
PACKAGES = ("jax", "jaxlib", "flax", "numpy", "torch", "keras", "equinox", "dm-haiku")
COLORS = {
    "cthulhu": "#000000",
    "jax.nn": "#0072B2",
    "torch": "#D55E00",
    "keras": "#009E73",
    "numpy": "#CC79A7",
    "floor": "#999999",
    "other": "#56B4E9",
}


@dataclasses.dataclass(frozen=True)
class Summary:
    """A median and its quartiles."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        if len(values) < 2:
            return cls(values[0], values[0], values[0], 1)
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(statistics.median(values), low, high, len(values))

    def show(self, unit: str = "×", factor: float = 1.0) -> str:
        median, low, high = (digits(factor * value) for value in (self.median, self.low, self.high))
        spread = "" if self.count < 2 else f" ({low}–{high})"
        return f"{median}{unit}{spread}"


def digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if not math.isfinite(value) or float(value).is_integer():
        return f"{value:.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Summary:
    """The ratios within each round."""
    return Summary.of([a / b for a, b in zip(numerator, denominator, strict=True)])


@dataclasses.dataclass(frozen=True)
class Goal:
    """A measured figure beside what it should be. Nothing is asserted."""

    what: str
    measured: Summary
    bound: float
    at_least: bool = True
    unit: str = "×"

    @property
    def is_met(self) -> bool:
        """Whether the median, as it is shown, reaches the bound."""
        median = float(digits(self.measured.median))
        return median >= self.bound if self.at_least else median <= self.bound

    def row(self) -> list[str]:
        sign = "≥ " if self.at_least else "≤ " if self.bound else ""
        goal = f"{sign}{self.bound:g}{self.unit}"
        verdict = "met" if self.is_met else "**missed**"
        return [self.what, self.measured.show(self.unit), goal, verdict]


def exactly(value: float) -> Summary:
    """A figure that has no spread: a count."""
    return Summary(value, value, value, 1)


def rounds(
    contestants: Mapping[str, Callable[[], float]],
    *,
    most: int,
    least: int = 3,
    budget: float = math.inf,
) -> dict[str, list[float]]:
    """Let the contestants take turns; each call returns its own seconds.

    Args:
        contestants: by name; one call is one measurement.
        most: the number of rounds, if the time allows.
        least: the number of rounds, whatever the time.
        budget: seconds after which no round starts.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    start = time.perf_counter()
    for done in range(most):
        if done >= least and time.perf_counter() - start > budget:
            break
        for name, measure in contestants.items():
            seconds[name].append(measure())
    return seconds


def timed(call: Callable[[], Any], repeat: int, finish: Callable[[Any], Any]) -> float:
    """Seconds of one call, of `repeat` in a row; `finish` waits for a result.

    Each call makes a new array. What the last one made is dropped outside the
    time taken.
    """
    start = time.perf_counter()
    for _ in range(repeat):
        result = call()
        finish(result)
    elapsed = time.perf_counter() - start
    del result
    return elapsed / repeat


def repeats(call: Callable[[], float], at_least: float = 0.01) -> int:
    """How many calls in a row outlast the clock's noise; `call` is warm afterwards."""
    call()
    seconds = call()
    if seconds < at_least:
        seconds = min(seconds, call())
    return max(1, min(1000, math.ceil(at_least / max(seconds, 1e-7))))


def cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def environment(**extra: str) -> dict[str, str]:
    """The environment of the processes that measure: CPU, no compilation cache."""
    kept = {k: v for k, v in os.environ.items() if k not in ("JAX_COMPILATION_CACHE_DIR",)}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return {**kept, "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "jax", "PYTHONPATH": path, **extra}


def fresh(*command: str, **extra: str) -> Any:
    """Run Python once in a new process; the last line it prints is its result in JSON."""
    done = subprocess.run(
        [sys.executable, *command],
        env=environment(**extra),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


class Worker:
    """A process that answers requests, a line of JSON each: another library's own threads."""

    def __init__(self, *command: str, **extra: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            env=environment(**extra),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended at {request}")
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()


def serve(answer: Callable[..., Any]) -> None:
    """The other end of a `Worker`."""
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


def machine() -> dict[str, Any]:
    """What the figures were measured on and with."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor(),
        "vectors": vectors(),
        "cores": cores(),
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def cpu_lines(field: str) -> list[str]:
    """What the operating system says of each processor."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return [line.split(":", 1)[1].strip() for line in lines if line.startswith(field)]


def processor() -> str:
    names = cpu_lines("model name")
    return names[0] if names else platform.processor() or platform.machine()


def vectors() -> str:
    """The widest vectors that XLA uses: a draw of 512 bits is nearly twice as fast."""
    limit = re.search(r"--xla_cpu_max_isa=(\S+)", os.environ.get("XLA_FLAGS", ""))
    if limit:
        return limit[1]
    flags = {flag for line in cpu_lines("flags")[:1] for flag in line.split()}
    return next((name for flag, name in VECTORS.items() if flag in flags), "other")


def describe(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['processor']} with {found['vectors']} vectors, {found['cores']} cores, "
        f"{found['platform']}; "
        f"Python {found['python']}, {versions}"
    )


@dataclasses.dataclass
class Report:
    """The result of one benchmark: a page, its data, and a picture."""

    name: str
    title: str
    about: str
    quick: bool
    alt: str
    goals: list[Goal] = dataclasses.field(default_factory=list)
    sections: list[str] = dataclasses.field(default_factory=list)
    data: dict[str, Any] = dataclasses.field(default_factory=dict)

    def say(self, text: str) -> None:
        """Show progress."""
        print(text, flush=True)

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table to the page."""
        self.sections.append(f"## {title}\n\n{markdown(head, rows)}")

    def text(self, text: str) -> None:
        """Add a paragraph to the page."""
        self.sections.append(text)

    def page(self, found: dict[str, Any]) -> str:
        """The page in Markdown."""
        parts = [f"# {self.title}", self.about, f"Measured on: {describe(found)}."]
        if self.quick:
            parts.append(
                "```{warning}\nMeasured in quick mode: few rounds, few sizes. These figures "
                "show that the benchmark runs, and no more.\n```"
            )
        parts.append(f"![{self.alt}]({self.name}.png)")
        if self.goals:
            head = ("", "measured", "goal", "")
            parts.append(f"## Goals\n\n{markdown(head, [goal.row() for goal in self.goals])}")
        return "\n\n".join([*parts, *self.sections]) + "\n"

    def write(self, folder: pathlib.Path, figure: Figure) -> None:
        """Write the page, the data and the picture, and print the page."""
        folder.mkdir(parents=True, exist_ok=True)
        found = machine()
        page = self.page(found)
        data = {
            "machine": found,
            "quick": self.quick,
            "goals": [{**dataclasses.asdict(goal), "is_met": goal.is_met} for goal in self.goals],
            "measurements": self.data,
        }
        (folder / f"{self.name}.md").write_text(page, encoding="utf-8")
        (folder / f"{self.name}.json").write_text(json.dumps(data, indent=1) + "\n")
        save(figure, folder, self.name)
        print(page)


def stored(folder: pathlib.Path, name: str) -> Any:
    """The measurements of an earlier run, of which a picture can be drawn anew."""
    return json.loads((folder / f"{name}.json").read_text())["measurements"]


def save(figure: Figure, folder: pathlib.Path, name: str) -> None:
    """Write a picture beside its page."""
    figure.savefig(folder / f"{name}.png", dpi=120, facecolor="white")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures."""
    lines = [list(head), ["---"] + ["---:"] * (len(head) - 1), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rounded(seconds: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Measurements for the JSON file: nine digits are noise."""
    return {name: [float(f"{value:.5g}") for value in values] for name, values in seconds.items()}


def plain_axis(axis: Any) -> None:
    """Name the ticks of a logarithmic axis in plain numbers."""
    low, high = axis.get_view_interval()
    steps = (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def arguments(about: str) -> argparse.Namespace:
    """The command line of a benchmark."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="few rounds, few sizes")
    parser.add_argument("--out", type=pathlib.Path, help="folder for the results")
    parser.add_argument("--redraw", action="store_true", help="the picture alone, from the JSON")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.out is None:
        # A quick run must not overwrite what a full one found.
        chosen.out = ROOT / ("build/benchmarks" if chosen.quick else "docs/benchmarks")
    return chosen
