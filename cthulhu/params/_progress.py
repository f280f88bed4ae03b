"""A bar for what takes a while: by rich in a terminal, by the browser in a notebook."""

import contextlib
import html
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import Progress

INTERVAL = 0.1  # Seconds between two looks of a notebook's bar.

Advance = Callable[[int], None]


@contextlib.contextmanager
def bar(title: str, total: int, *, shown: bool) -> Iterator[Advance]:
    """Show how much of `total` is done while the block runs; what it gets adds to that."""
    if not shown:
        yield lambda amount: None
    elif Console().is_jupyter:
        with notebook_bar(title, total) as advance:
            yield advance
    else:
        with Progress(transient=True) as progress:
            task = progress.add_task(title, total=total)
            yield lambda amount: progress.advance(task, amount)


@contextlib.contextmanager
def notebook_bar(title: str, total: int) -> Iterator[Advance]:
    """A bar of HTML, since rich's bar needs widgets, which are another package."""
    notebook: Any = importlib.import_module("IPython.display")

    def look() -> object:
        share = f'<progress value="{done}" max="{total}"></progress> {done / total:.0%}'
        return notebook.HTML(f"{html.escape(title)} {share}")

    done, last = 0, time.monotonic()
    handle = notebook.display(look(), display_id=True)

    def advance(amount: int) -> None:
        nonlocal done, last
        done += amount
        if time.monotonic() - last >= INTERVAL or done == total:
            last = time.monotonic()
            handle.update(look())

    try:
        yield advance
    finally:
        handle.update(notebook.HTML(""))
