"""How data is shown: as text, in IPython, in a notebook. What is shown is cells of text."""

import html
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from cthulhu import checks

WIDTH = 160  # Of text that goes to no terminal.
NARROWEST = 60  # Below it, columns of one letter would be left.
UNBROKEN = 24  # Characters of a text that a browser shows on one line, at least.
LINE = "\n"
WIDEST = 10_000  # To measure a table by.


class Grid(NamedTuple):
    """The cells of a table, with the names of its columns; `totals` is the last row."""

    title: str
    names: list[str]
    rows: list[list[str]]
    totals: list[str]
    numbers: frozenset[str] = frozenset()  # Columns whose cells are aligned to the right.
    spare: frozenset[str] = frozenset()  # Columns that a narrow terminal need not show.

    def table(self) -> Table:
        """A table for the console."""
        table = self._filled(Table(title=self.title), self.names)
        if self.totals:
            table.add_section()
            table.add_row(*self.totals)
        return table

    def narrow(self) -> Table:
        """A table with fewer lines and columns: what all rows share, and totals, stand below."""
        common = {
            name: column[0]
            for name, *column in zip(self.names, *self.rows, strict=True)
            if len(column) > 1 and len(set(column)) == 1 and name not in self.numbers
        }
        notes = [f"{name} {text}" for name, text in common.items()]
        for name, total in zip(self.names, self.totals, strict=bool(self.totals)):
            if total:
                notes.append(f"{total} {name}" if name in self.numbers else total)
        table = Table(
            title=self.title,
            caption=", ".join(notes),
            box=box.SIMPLE_HEAD,
            padding=(0, 1, 0, 0),
            show_edge=False,
        )
        hidden = self.spare | common.keys()
        return self._filled(table, [name for name in self.names if name not in hidden])

    def wrapping(self, name: str) -> str:
        """How a cell of a column may be broken: a long path anywhere, a number nowhere."""
        if name in self.numbers:
            return "white-space: nowrap"
        at = self.names.index(name)
        lines = [line for row in self.rows for line in row[at].splitlines()]
        if max(map(len, lines), default=0) <= UNBROKEN:
            return "white-space: nowrap"
        # A browser would give it the width of a letter, where the other columns are wide.
        where = "normal" if at else "anywhere"
        return f"overflow-wrap: {where}; min-width: {UNBROKEN}ch"

    def _filled(self, table: Table, names: list[str]) -> Table:
        for name in names:
            justify: Any = "right" if name in self.numbers else "left"
            whole = name in self.numbers
            table.add_column(name, justify=justify, no_wrap=whole, overflow="fold")
        places = [self.names.index(name) for name in names]
        for row in self.rows:
            table.add_row(*(row[at] for at in places))
        return table

    def html(self) -> str:
        """A table for a browser, as wide as its text; long paths break rather than push."""
        wrapping = {name: self.wrapping(name) for name in self.names}

        def line(tag: str, texts: list[str]) -> str:
            return "".join(
                f'<{tag} style="text-align: {"right" if name in self.numbers else "left"}; '
                f'{wrapping[name]}">{html.escape(text).replace(LINE, "<br>")}</{tag}>'
                for name, text in zip(self.names, texts, strict=True)
            )

        body = "".join(f"<tr>{line('td', row)}</tr>" for row in self.rows)
        foot = f"<tfoot><tr>{line('th', self.totals)}</tr></tfoot>" if self.totals else ""
        return (
            f"<table><caption>{html.escape(self.title)}</caption>"
            f"<thead><tr>{line('th', self.names)}</tr></thead><tbody>{body}</tbody>{foot}</table>"
        )


class View:
    """An object that is shown as its `_grid`, once, wherever it is looked at."""

    def _grid(self) -> Grid:
        raise NotImplementedError

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table for rich, as wide as there is room."""
        grid = self._grid()
        table = grid.table()
        fits = (
            table.__rich_measure__(console, options.update(max_width=WIDEST)).maximum
            <= options.max_width
        )
        yield table if fits else grid.narrow()

    def __str__(self) -> str:
        """The table as text, as wide as the terminal."""
        width = max(NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns)
        # In a notebook, rich would display the table too, and capture nothing.
        console = Console(width=width, color_system=None, force_jupyter=False)
        with console.capture() as captured:
            console.print(self)
        return captured.get()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The table for IPython's prompt."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """The table for a notebook."""
        return self._grid().html()


class HasPath(Protocol):
    """What is told of one parameter."""

    @property
    def path(self) -> str:
        """Its path, joined by slashes."""
        ...


Leaf = TypeVar("Leaf", bound=HasPath)


class ByPath(View, Generic[Leaf]):
    """A view of parameters, in the order of their tree; each is found by its path."""

    leaves: tuple[Leaf, ...]

    def __iter__(self) -> Iterator[Leaf]:
        """The parameters, in the order of their tree."""
        return iter(self.leaves)

    def __len__(self) -> int:
        """The number of parameters."""
        return len(self.leaves)

    def __getitem__(self, path: str) -> Leaf:
        """The parameter of a path, joined by slashes."""
        found = self.get(path)
        if found is None:
            near = checks.did_you_mean(path, self._known)
            raise KeyError(f"{type(self).__name__}: there is no parameter {path!r}{near}")
        return found

    def get(self, path: str) -> Leaf | None:
        """The parameter of a path, or `None`."""
        return self._known.get(path)

    @property
    def _known(self) -> Mapping[str, Leaf]:
        known: Mapping[str, Leaf] | None = self.__dict__.get("_leaves_by_path")
        if known is None:
            known = {leaf.path: leaf for leaf in self.leaves}
            self.__dict__["_leaves_by_path"] = known  # A frozen dataclass has a dict, too.
        return known


def counted(number: int, one: str, many: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {one if number == 1 else many}"
