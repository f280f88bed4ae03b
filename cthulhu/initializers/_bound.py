"""What the built-in classes share: fields that are checked, kept and written to configs."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu.functional._misuse import unknown_option
from cthulhu.functional._plans import draw_of
from cthulhu.initializers._base import Initializer
from cthulhu.initializers._keras import register
from cthulhu.programs._build import Draw
from cthulhu.typing import Axes, DTypeLike, OutSharding, Shape

__all__ = ["Bound", "axes_option", "option", "seed_option"]

Check = Callable[[str, str, Any], Any]

KERAS_NAMES = {"in_axis": "input_axes", "out_axis": "output_axes"}


def concrete(check: Check) -> Check:
    """A check that refuses traced values too: an instance outlives the trace."""

    def checked(owner: str, argument: str, value: Any) -> Any:
        if checks.is_traced(value):
            raise TypeError(
                f"{owner}: {argument} must be concrete, since an instance is a value that can be "
                "compared and saved; got a traced array. Use the function in cthulhu.functional, "
                "which takes traced scalars"
            )
        return check(owner, argument, value)

    return checked


def option(default: Any, check: Check) -> Any:
    """A field of a built-in class: an option of the function that it binds."""
    return dataclasses.field(default=default, metadata={"check": concrete(check)})


def seed_option() -> Any:
    """The field for the documented seed."""
    return dataclasses.field(
        default=None, metadata={"check": lambda owner, _, value: checks.seed(owner, value)}
    )


def axes_option(default: Any, *, rest: bool = False) -> Any:
    """A field for one axis, or several, or perhaps for the rest of them."""

    def check(owner: str, argument: str, value: Any) -> Any:
        if rest and isinstance(value, str):
            return checks.choice(owner, argument, value, ["rest"])
        axes = checks.axis_tuple(owner, argument, value)
        return axes[0] if len(axes) == 1 else axes

    return dataclasses.field(default=default, metadata={"check": check})


def listed(axes: Axes) -> list[int]:
    """Axes as Keras writes them."""
    return [axes] if isinstance(axes, int) else list(axes)


def plain(value: Any) -> Any:
    """A number, where a config of Keras wraps it as a tensor."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__"):
        held = value["config"]
        return np.asarray(held["value"], jnp.dtype(held["dtype"]))
    return value


class Bound(Initializer):
    """A frozen value that binds a pure function of `cthulhu.functional` to its options."""

    function: ClassVar[Callable[..., jax.Array]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make an instance; name an option of JAX or of torch that is called otherwise here."""
        parameters = cls.__dict__.get("__dataclass_params__")
        if parameters is not None and parameters.init:
            options = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
            for name in kwargs:
                if name not in options:
                    asked = cls.function.__name__
                    raise TypeError(unknown_option(cls.__name__, name, options, asked))
        return super().__new__(cls, *args, **kwargs)

    if TYPE_CHECKING:
        # Not on the base class: there a subclass's own `__call__(self, shape, dtype=None)` would
        # be narrower than what it overrides.
        @overload
        def __call__(
            self,
            key: jax.Array | None,
            shape: Shape,
            dtype: DTypeLike | None = None,
            out_sharding: OutSharding = None,
        ) -> jax.Array: ...
        @overload
        def __call__(
            self,
            shape: Shape,
            dtype: DTypeLike | None = None,
            out_sharding: OutSharding = None,
        ) -> jax.Array: ...
        def __call__(self, *args: Any, **kwargs: Any) -> jax.Array:
            return super().__call__(*args, **kwargs)

    def __post_init__(self) -> None:
        """Check each field, and keep the options that the function takes."""
        owner = type(self).__name__
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = field.metadata["check"](owner, field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        options = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if field.name != "seed"
        }
        object.__setattr__(self, "_options", options)

    def _draw(
        self,
        key: jax.Array | None,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        return type(self).function(key, shape, dtype, out_sharding, **self._options)  # type: ignore[attr-defined]

    def draw(
        self, shape: Shape, dtype: DTypeLike | None = None, out_sharding: OutSharding = None
    ) -> Draw:
        """What a call would run: a program and its scalars, which wait for a key."""
        return draw_of(type(self).function, shape, dtype, out_sharding, **self._options)  # type: ignore[attr-defined]

    @property
    def is_bound(self) -> bool:
        """Whether a call runs the function alone: no subclass has changed it."""
        return type(self).__call__ is Initializer.__call__ and type(self)._draw is Bound._draw

    def __repr__(self) -> str:
        """The constructor call, without what is at its default."""
        given = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if getattr(self, field.name) != field.default
        )
        return f"{type(self).__name__}({given})"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments under Keras's names, as values that JSON can hold.

        What Keras does not know is written only where it is not the default.

        Returns:
            A dict from which `from_config` makes an equal instance.
        """
        register(type(self))  # Keras asks for the config just before it asks for the name.
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
        }
        changed = {
            field.name
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if values[field.name] != field.default
        }
        axes: dict[str, Any] = {}
        if KERAS_NAMES.keys() <= values.keys():
            # Keras counts the axes that are named, and no others: only `"rest"` does too.
            if changed.isdisjoint({*KERAS_NAMES, "batch_axis"}):
                axes = dict.fromkeys(KERAS_NAMES.values())
            elif values["batch_axis"] == "rest":
                axes = {KERAS_NAMES[name]: listed(values[name]) for name in KERAS_NAMES}
                changed -= {*KERAS_NAMES, "batch_axis"}
        written = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if name in changed or name not in self.ours
        }
        return {**written, **axes}

    ours: ClassVar[frozenset[str]] = frozenset(
        {"in_axis", "out_axis", "batch_axis", "axis", "lower", "upper"}
    )
    """Fields that Keras does not have."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an instance from a config of this library, of Keras 3 or of Keras 2.

        Args:
            config: what `get_config` returned. Keras 2's ``"dtype"`` is read and
                ignored: the dtype belongs to the call. A seed is read modulo
                2**32, as Keras reads it.

        Returns:
            An instance.

        Raises:
            TypeError: `config` has an argument that the class does not know.
        """
        known = {name: plain(value) for name, value in config.items() if name != "dtype"}
        seed = known.get("seed")
        if isinstance(seed, Mapping):
            raise TypeError(
                f"{cls.__name__}: the seed in a config must be an integer or None; got a "
                f"{seed.get('class_name', 'dict')}, which gives other values at every call. "
                "Pass an integer seed, or call the instance with a key"
            )
        if isinstance(seed, int) and not isinstance(seed, bool):
            known["seed"] = seed % (checks.LARGEST_SEED + 1)
        axes = {ours: known.pop(theirs, None) for ours, theirs in KERAS_NAMES.items()}
        # Keras ignores the one where the other is missing.
        if None not in axes.values():
            known.update(axes, batch_axis="rest")
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in known:
            if name not in names:
                raise TypeError(
                    f"{cls.__name__}: unknown argument {name!r} in a config"
                    f"{checks.did_you_mean(name, names)}; it has {', '.join(names) or 'none'}"
                )
        return cls(**known)
