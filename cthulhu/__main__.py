"""The command line: ``python -m cthulhu report``, ``check``, ``show`` and ``recipes``.

The status is 0 if all is well; 1 if something is wrong with the parameters, where
`assert_healthy` or `assert_ok` would raise; and 2 if the command itself cannot be done.
"""

import argparse
import ast
import contextlib
import inspect
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from cthulhu import __version__, checks, initializers, recipes
from cthulhu._types import PyTree
from cthulhu.audit import check
from cthulhu.diagnostics import histogram, report
from cthulhu.diagnostics._checkpoints import Stored, load, under
from cthulhu.trees import flatten
from cthulhu.views import Grid, View

OWNER = "python -m cthulhu"
EXAMPLES = """\
examples:
  python -m cthulhu report model.safetensors
  python -m cthulhu report model.safetensors --recipe gpt2 --plot report.png
  python -m cthulhu check step_0/ --recipe llama --under params
  python -m cthulhu show he_normal --shape 768,3072
  python -m cthulhu recipes gpt2
"""


class Parser(argparse.ArgumentParser):
    """A parser that suggests what may have been meant."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with the status of a wrong use."""
        wrong = re.search(r"invalid choice: '([^']*)'|unrecognized arguments: (\S+)", message)
        hint = ""
        if wrong is not None:
            known = COMMANDS if wrong[1] else OPTIONS
            hint = checks.did_you_mean((wrong[1] or wrong[2]).partition("=")[0], known)
        super().error(message + hint)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Add an argument, and remember what options there are."""
        OPTIONS.update(dict.fromkeys(name for name in names if name.startswith("--")))
        return super().add_argument(*names, **options)


OPTIONS: dict[str, None] = {}


class Table(View):
    """Rows to be printed."""

    def __init__(self, title: str, names: list[str], rows: list[list[str]]) -> None:
        self.grid = Grid(title, names, rows, [])

    def _grid(self) -> Grid:
        return self.grid


def parser() -> Parser:
    """The commands and their options."""
    whole = Parser(
        prog=OWNER,
        description="See and test the parameters of models, and the initializers that make them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"cthulhu {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    one = commands.add_parser("report", help="what is in each parameter, beside what should be")
    of_checkpoint(one)
    one.add_argument("--z", type=float, default=6.0, help="standard errors that may be off (6)")
    of_plot(one, "a picture of all parameters")

    one = commands.add_parser("check", help="whether parameters have the laws of a recipe")
    of_checkpoint(one)
    one.add_argument("--rate", type=float, default=1e-3, help="of false alarms (0.001)")

    one = commands.add_parser("show", help="an initializer: its law, its moments for a shape")
    one.add_argument("initializer", help="its name, as he_normal")
    one.add_argument("--shape", type=shape, default=(1024, 256), help="as 768,3072")
    one.add_argument("--dtype", default="float32")
    of_values(one, "an argument of the initializer, as stddev=0.02")
    of_plot(one, "a histogram, with the density of the law over it")
    one.add_argument("--json", action="store_true", help="print JSON")

    one = commands.add_parser("recipes", help="all recipes, or one as a table")
    one.add_argument("recipe", nargs="?", help="its name, as gpt2")
    of_values(one, "a hyperparameter, as layers=12")
    one.add_argument("--json", action="store_true", help="print JSON")
    return whole


def of_checkpoint(one: argparse.ArgumentParser) -> None:
    """The options of a command on a checkpoint."""
    one.add_argument("checkpoint", help="a file of safetensors or npz, or a folder of Orbax")
    one.add_argument("--under", default="", help="the part of its tree to look at, as params")
    one.add_argument("--recipe", help="what made them: a recipe, or an initializer for all")
    one.add_argument("--naming", help="whose names they have, as transformers")
    one.add_argument("--stacked", type=int, help="the axis along which all stack layers")
    of_values(one, "a hyperparameter of the recipe, as layers=12")
    one.add_argument("--json", action="store_true", help="print JSON")


def of_values(one: argparse.ArgumentParser, about: str) -> None:
    """The option that sets an argument."""
    text = f"{about}; may be given again"
    one.add_argument("--set", metavar="NAME=VALUE", type=pair, action="append", help=text)


def of_plot(one: argparse.ArgumentParser, about: str) -> None:
    """The option that draws."""
    one.add_argument("--plot", metavar="FILE", help=f"write {about}")


def shape(text: str) -> tuple[int, ...]:
    """A shape, as ``768,3072``."""
    sizes = [part for part in re.split(r"[,x×() ]+", text) if part]
    if not all(part.isdecimal() for part in sizes):
        raise argparse.ArgumentTypeError(
            f"a shape is numbers with commas, as 768,3072; got {text!r}"
        )
    return tuple(map(int, sizes))


def pair(text: str) -> tuple[str, Any]:
    """A name and a value, as ``stddev=0.02``: a literal of Python, or else a string."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, as layers=12; got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def given(chosen: argparse.Namespace) -> dict[str, Any]:
    """The arguments that were set."""
    return dict(chosen.set or ())


def rules_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `report` and `check` that say what is expected."""
    return {"naming": chosen.naming, "stacked": chosen.stacked, **given(chosen)}


@contextlib.contextmanager
def reading(tree: PyTree) -> Iterator[None]:
    """A bar on the terminal for the errors, which moves when an array of a file is read."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    stored = [one for one in flatten(tree)[1] if isinstance(one, Stored)]
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Reading", total=sum(one.nbytes for one in stored))
        for one in stored:
            one.read = counted(one, lambda amount: progress.advance(task, amount))
        yield


def counted(stored: Stored, advance: Callable[[int], None]) -> Callable[[], Any]:
    """What reads an array, and says so the first time."""
    read, waiting = stored.read, [stored.nbytes]

    def reads() -> Any:
        values = read()
        if waiting:
            advance(waiting.pop())
        return values

    return reads


def report_of(chosen: argparse.Namespace) -> int:
    """``report``: what is in a checkpoint."""
    tree = under(load(chosen.checkpoint), chosen.under)
    with reading(tree):
        seen = report(tree, chosen.recipe, z=chosen.z, **rules_of(chosen))
    if chosen.plot:
        save(seen.plot(), chosen.plot)
    say(seen.to_json() if chosen.json else str(seen))
    return verdict(seen.assert_healthy)


def check_of(chosen: argparse.Namespace) -> int:
    """``check``: whether a checkpoint has the laws of a recipe."""
    if chosen.recipe is None:
        raise ValueError(
            "--recipe is missing: the laws that the parameters should have, as --recipe gpt2; "
            f"{OWNER} recipes lists them"
        )
    tree = under(load(chosen.checkpoint), chosen.under)
    with reading(tree):
        audit = check(tree, chosen.recipe, rate=chosen.rate, **rules_of(chosen))
    say(audit.to_json() if chosen.json else str(audit))
    return verdict(audit.assert_ok)


def show_of(chosen: argparse.Namespace) -> int:
    """``show``: an initializer, its law and its moments."""
    known = initializers.get({"class_name": chosen.initializer, "config": given(chosen)})
    init: Any = known
    draw = init.draw(chosen.shape, chosen.dtype)
    law, scalars = draw.recipe.law, draw.scalars
    moments = draw.moments()
    documented = inspect.getdoc(type(init)) or ""
    stated = re.search(r"^(Law: .*?)(?=\n\n|\Z)", documented, re.DOTALL | re.MULTILINE)
    record: dict[str, Any] = {
        "initializer": repr(init),
        "name": type(init).name,
        "about": documented.partition("\n\n")[0].replace("\n", " "),
        "law": " ".join(stated[1].split()).removeprefix("Law: ") if stated else law.name,
        "shape": list(chosen.shape),
        "dtype": str(draw.recipe.dtype),
        "mean": None if moments is None else moments.mean + 0.0,
        "stddev": None if moments is None else float(f"{moments.stddev:.6g}"),
        "support": [None if abs(end) == float("inf") else end for end in law.support(*scalars)],
    }
    if chosen.plot:
        save(histogram(init, shape=chosen.shape), chosen.plot)
    if chosen.json:
        say(json.dumps(record))
        return 0
    ends = ["−∞" if end is None else f"{end:.4g}" for end in record["support"]]
    rows = [
        ["names", ", ".join([init.name, type(init).__name__, *getattr(type(init), "aliases", ())])],
        ["law", record["law"].replace("``", "").replace("`", "")],
        ["shape", f"{tuple(chosen.shape)}, {record['dtype']}"],
        *([name, f"{record[name]:.6g}"] for name in ("mean", "stddev") if record[name] is not None),
        ["support", f"[{ends[0]}, {ends[1].removeprefix('−')}]"],
        ["arguments", f"{type(init).__name__}{plain_signature(type(init))}"],
    ]
    say(str(Table(f"{record['initializer']}: {record['about']}", ["", " "], rows)))
    return 0


def plain_signature(cls: type) -> str:
    """The arguments of a class, without their types."""
    parameters = inspect.signature(cls).parameters.values()
    return str(inspect.Signature([one.replace(annotation=one.empty) for one in parameters]))


def recipes_of(chosen: argparse.Namespace) -> int:
    """``recipes``: all, or one as a table."""
    if chosen.recipe is None:
        if chosen.set:
            raise ValueError("--set belongs to a recipe: name one, as gpt2")
        found = list(recipes.available())
        about = [[name, recipes.show(name).recipe.about] for name in found]
        if chosen.json:
            say(json.dumps([{"name": name, "about": text} for name, text in about]))
        else:
            say(str(Table(f"{len(found)} recipes", ["recipe", "about"], about)))
        return 0
    shown = recipes.show(chosen.recipe, **given(chosen))
    if not chosen.json:
        say(str(shown))
        return 0
    entries = [{**one._asdict(), "initializer": repr(one.initializer)} for one in shown.entries]
    recipe = shown.recipe
    say(json.dumps({"name": recipe.name, "about": recipe.about, "entries": entries}))
    return 0


def save(figure: Any, path: str) -> None:
    """Write a picture."""
    figure.savefig(path, dpi=150)


def say(text: str) -> None:
    """Print, where nothing that cannot be encoded ends the program."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(f"{text.rstrip()}\n".encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()


def verdict(assertion: Callable[[], None]) -> int:
    """The status that an assertion stands for; what is wrong goes where errors go."""
    try:
        assertion()
    except (AssertionError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "report": report_of,
    "check": check_of,
    "show": show_of,
    "recipes": recipes_of,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Args:
        arguments: those after the name of the program; default: those of the process.

    Returns:
        The status: 0, 1 or 2.
    """
    try:
        chosen = parser().parse_args(arguments)
    except SystemExit as end:  # Of help, or of a wrong use, which has been said.
        return int(end.code or 0)
    try:
        return COMMANDS[chosen.command](chosen)
    except BrokenPipeError:  # Whoever reads what is printed has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ImportError, OSError, TypeError, ValueError, zipfile.BadZipFile) as error:
        said = re.sub(rf"^{chosen.command}(\.show)?: ", "", str(error))
        sys.stderr.write(f"{OWNER} {chosen.command}: {said}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
