"""What the built-in classes share: fields that are checked, kept and written to configs."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import jax

from cthulhu import checks
from cthulhu.functional.plans import draw_of
from cthulhu.initializers.base import Initializer
from cthulhu.random.programs import Draw
from cthulhu.typing import DTypeLike, OutSharding, Shape

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


def option(default: Any, check: Check, **kwargs: Any) -> Any:
    """A field of a built-in class: an option of the function that it binds."""
    return dataclasses.field(default=default, metadata={"check": concrete(check)}, **kwargs)


def seed_option() -> Any:
    """The field for the documented seed."""
    return dataclasses.field(
        default=None, metadata={"check": lambda owner, _, value: checks.seed(owner, value)}
    )


def axes_option(default: Any) -> Any:
    """A keyword field for one axis, or several."""

    def check(owner: str, argument: str, value: Any) -> Any:
        axes = checks.axis_tuple(owner, argument, value)
        return axes[0] if len(axes) == 1 else axes

    return dataclasses.field(default=default, metadata={"check": check}, kw_only=True)


class Bound(Initializer):
    """A frozen value that binds a pure function of `cthulhu.functional` to its options."""

    function: ClassVar[Callable[..., jax.Array]]

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
        config: dict[str, Any] = {}
        fields = {field.name: field for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        changed = {name for name, field in fields.items() if getattr(self, name) != field.default}
        for name in fields:
            value = getattr(self, name)
            if name in KERAS_NAMES:
                # Keras counts both axes, or neither.
                plain = changed.isdisjoint(KERAS_NAMES)
                axes = [value] if isinstance(value, int) else list(value)
                config[KERAS_NAMES[name]] = None if plain else axes
            elif name in changed or name not in self.ours:
                config[name] = list(value) if isinstance(value, tuple) else value
        return config

    ours: ClassVar[frozenset[str]] = frozenset({"batch_axis", "axis", "lower", "upper"})
    """Fields that Keras does not have."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make an instance from a config of this library, of Keras 3 or of Keras 2.

        Args:
            config: what `get_config` returned. Keras 2's ``"dtype"`` is read and
                ignored: the dtype belongs to the call.

        Returns:
            An instance.

        Raises:
            TypeError: `config` has an argument that the class does not know.
        """
        known = {name: value for name, value in config.items() if name != "dtype"}
        for ours, theirs in KERAS_NAMES.items():
            axes = known.pop(theirs, None)
            if axes is not None:
                known[ours] = axes
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for name in known:
            if name not in names:
                raise TypeError(
                    f"{cls.__name__}: unknown argument {name!r} in a config"
                    f"{checks.did_you_mean(name, names)}; it has {', '.join(names) or 'none'}"
                )
        return cls(**known)
