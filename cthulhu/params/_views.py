"""How data is shown: as text, in IPython, in a notebook. What is shown is cells of text."""

import html
import shutil
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

__all__ = ["Grid", "View", "counted"]

WIDTH = 160  # Of text that goes to no terminal.


class Grid(NamedTuple):
    """The cells of a table, with the names of its columns; `totals` is the last row."""

    title: str
    names: list[str]
    rows: list[list[str]]
    totals: list[str]
    numbers: frozenset[str] = frozenset()  # Columns whose cells are aligned to the right.

    def table(self) -> Table:
        """A table for the console."""
        table = Table(title=self.title)
        for name in self.names:
            justify: Any = "right" if name in self.numbers else "left"
            table.add_column(name, justify=justify, overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        if self.totals:
            table.add_section()
            table.add_row(*self.totals)
        return table

    def html(self) -> str:
        """A table for a browser, as wide as its text; long paths break rather than push."""

        def line(tag: str, texts: list[str]) -> str:
            return "".join(
                f'<{tag} style="text-align: {"right" if name in self.numbers else "left"}; '
                f'overflow-wrap: anywhere">{html.escape(text)}</{tag}>'
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

    def __rich__(self) -> Table:
        """The table for rich."""
        return self._grid().table()

    def __str__(self) -> str:
        """The table as text, as wide as the terminal."""
        width = shutil.get_terminal_size((WIDTH, 24)).columns
        # In a notebook, rich would display the table too, and capture nothing.
        console = Console(width=width, color_system=None, force_jupyter=False)
        with console.capture() as captured:
            console.print(self._grid().table())
        return captured.get()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The table for IPython's prompt."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """The table for a notebook."""
        return self._grid().html()


def counted(number: int, one: str, many: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {one if number == 1 else many}"
