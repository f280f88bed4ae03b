"""What has been found: the uses, by parameter and place."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from cthulhu import compat
from cthulhu.usage._usage import Role, Use
from cthulhu.usage._values import DATA, Head, Kind, Lost, Place, Value
from cthulhu.usage._views import View

RETURNED = 1 << 62  # In place of the number of an equation: after all of them.


class Recorder:
    """Takes down every place where a parameter meets the activations.

    A loop is walked until nothing changes, and only then with the recorder listening.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.uses: dict[tuple[int, Place], Use] = {}
        self.picked: dict[Place, str] = {}  # Where rows of tables were picked.
        self.prefix: Place = ()
        self.names: tuple[str, ...] = ()
        self.loops: list[int | None] = []  # The steps of the loops around; `None` is unknown.
        self.deaf = 0
        self.index = 0
        self.equation: compat.JaxprEqn | None = None

    @property
    def place(self) -> Place:
        """The place of the equation that is looked at."""
        return (*self.prefix, self.index)

    def noted(self) -> Place:
        """The place, of which it is remembered where it is: rows of a table are picked here."""
        self.picked[self.place] = self.where()
        return self.place

    @property
    def operation(self) -> str:
        """The name of its operation."""
        assert self.equation is not None
        return str(self.equation.primitive.name)

    def operand_shape(self, at: int) -> tuple[int, ...]:
        """The shape of one of its operands."""
        assert self.equation is not None
        return tuple(compat.aval_of(self.equation.invars[at]).shape)

    @contextmanager
    def within(self, *steps: int) -> Iterator[None]:
        """While the equations inside of this one are looked at."""
        kept = self.prefix, self.names, self.index, self.equation
        assert self.equation is not None
        self.prefix = (*self.place, *steps)
        self.names = (*self.names, str(self.equation.source_info.name_stack))
        try:
            yield
        finally:
            self.prefix, self.names, self.index, self.equation = kept

    @contextmanager
    def loop(self, steps: int | None) -> Iterator[None]:
        """While the equations of a loop are looked at."""
        self.loops.append(steps)
        try:
            yield
        finally:
            self.loops.pop()

    @contextmanager
    def not_listening(self) -> Iterator[None]:
        """While it is not known yet what the values of a loop are."""
        self.deaf += 1
        try:
            yield
        finally:
            self.deaf -= 1

    @contextmanager
    def aside(self) -> Iterator[dict[tuple[int, Place], Use]]:
        """While uses are taken down elsewhere."""
        kept, self.uses = self.uses, {}
        try:
            yield self.uses
        finally:
            self.uses = kept

    def where(self) -> str:
        """The modules and functions around the equation."""
        if self.equation is None:
            return ""
        names = (*self.names, str(self.equation.source_info.name_stack))
        return "/".join(name for name in names if name)

    def times(self, view: View) -> int | None:
        """How often the values of this view are used by the loops around."""
        stripped = {one.depth for one in view.stripped}
        times = 1
        for depth, steps in enumerate(self.loops):
            if depth in stripped:
                continue
            if steps is None:
                return None
            times *= steps
        return times

    def taken(self, view: View) -> tuple[tuple[int, int], ...]:
        """The axes of which a layer is taken by its number, and that."""
        shape = self.shapes[view.leaf]
        # Of a part of a part, the number is not that of the parameter's own layer.
        return tuple(sorted(one[:2] for one in view.taken if one.size == shape[one.axis]))

    def around(self, view: View) -> tuple[tuple[int, ...], ...]:
        """The axes of this view that each of the loops around takes layer by layer."""
        return tuple(
            tuple(sorted(one.axis for one in view.stripped if one.depth == depth))
            for depth in range(len(self.loops))
        )

    def use(
        self,
        role: Role,
        view: View,
        inputs: Iterable[int] = (),
        outputs: Iterable[int] = (),
        batch: Iterable[int] = (),
        *,
        groups: int = 1,
        heads: Iterable[Head] = (),
        why: str = "",
        place: Place | None = None,
    ) -> None:
        """Take down a use of a parameter."""
        if self.deaf:
            return
        key = view.leaf, self.place if place is None else place
        stacked = {one.axis for one in view.stripped}
        found = Use(
            role,
            "gather" if role == "table" else self.operation if self.equation else "",
            tuple(sorted(set(inputs))),
            tuple(sorted(set(outputs))),
            tuple(sorted(set(batch) - stacked)),
            tuple(sorted(stacked)),
            groups,
            self.times(view),
            tuple(str(head.leaf) for head in beside(view, heads)),
            self.picked.get(key[1]) or self.where(),
            why,
            self.around(view),
            self.taken(view),
        )
        first = self.uses.setdefault(key, found)
        if (first.role, first.axes) != (found.role, found.axes):
            # A parameter and its transpose were combined: both are used here.
            self.uses.setdefault((view.leaf, (*key[1], 0)), found)

    def plain_use(self, role: Role, view: View, heads: Iterable[Head] = (), why: str = "") -> None:
        """A use element by element: all axes remain."""
        stacked = {one.axis for one in view.stripped}
        axes = set(range(len(self.shapes[view.leaf]))) - stacked
        self.use(role, view, (), axes, heads=heads, why=why)

    def table(self, view: View) -> None:
        """Rows of a table have met the activations, and are some."""
        rows = view.looked_up
        stacked = {one.axis for one in view.stripped}
        batch = view.batched | (self.apart(view) - rows)
        outputs = set(range(len(self.shapes[view.leaf]))) - rows - stacked - batch
        self.use("table", view, rows, outputs, batch, place=view.place)

    def apart(self, view: View) -> set[int]:
        """The axes that were taken apart by indices before the parameter was used."""
        seen = {axis for dim in view.dims for axis in dim.axes} | view.inner
        seen |= {one.axis for one in view.stripped}
        shape = self.shapes[view.leaf]
        return {axis for axis, size in enumerate(shape) if size > 1 and axis not in seen}

    def lost(self, lost: Iterable[Lost]) -> None:
        """Parameters that were used up have met the activations."""
        for one in sorted(lost):
            view = View(one.leaf, ())
            self.plain_use("opaque", view, why=one.operation)

    def meets(self, value: Value, role: Role, heads: Iterable[Head] = (), why: str = "") -> None:
        """A value of parameters meets the activations element by element."""
        for view in value.views:
            if view.looked_up:
                self.table(view)
            elif view.smaller:
                self.plain_use("scale" if view.smaller == "scale" else "bias", view)
            elif role == "token" and view.inner and view.dims[-1].axes:
                # Tokens that are a product: its features are the outputs of a kernel.
                outputs = {axis for dim in view.dims for axis in dim.axes} - view.inner
                self.use("kernel", view, view.inner, outputs, self.apart(view))
            elif role in ("bias", "scale") and view.inner:
                self.plain_use("opaque", view, why="a product of parameters")
            else:
                self.plain_use(role, view, heads, why)
        seen = {view.leaf for view in value.views}
        self.lost(one for one in value.lost if one.leaf not in seen)

    def as_activation(self, value: Value) -> Value:
        """What a value of parameters is from here on, where it stands among the activations."""
        if value.kind is Kind.LEAF:
            self.meets(value, "token")
            return DATA
        if value.kind is Kind.LOST:
            self.lost(value.lost)
            return DATA
        return value

    def returned(self, values: Iterable[Value]) -> None:
        """What the function returns: a parameter among it is used as it is."""
        for value in values:
            for view in value.views:
                if view.looked_up:
                    self.table(view)
                else:
                    self.use("opaque", view, why="returned", place=(RETURNED,))
            seen = {view.leaf for view in value.views}
            for one in sorted(value.lost):
                if one.leaf not in seen:
                    why = one.operation
                    self.use("opaque", View(one.leaf, ()), why=why, place=(RETURNED,))


def beside(view: View, heads: Iterable[Head]) -> list[Head]:
    """Of the kernels, those to whose output a bias is added, in a concatenation as they are."""
    known = sorted(set(heads), key=lambda head: head.leaf)
    spans = {dim.span for dim in view.dims if dim.span is not None}
    return [head for head in known if head.span in spans] or known
