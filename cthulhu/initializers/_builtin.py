"""What the built-in classes share: options that are checked, a plan, and configs.

A call turns checked options, a shape, a type and a layout into a `Draw`: a
compiled program with its scalars, which waits for a key. Plans are remembered,
so a repeated call costs a look-up and JAX's own dispatch.
"""

import dataclasses
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from cthulhu import checks
from cthulhu._types import Array
from cthulhu.caches import Recent, bounded
from cthulhu.initializers import _options as options
from cthulhu.initializers._base import Initializer
from cthulhu.initializers._keras import register
from cthulhu.initializers._misuse import missing_option, unknown_option
from cthulhu.programs._build import Draw
from cthulhu.programs._placement import resolve_sharding
from cthulhu.typing import Axes, DTypeLike, OutSharding, Shape

KERAS_NAMES = {"in_axis": "input_axes", "out_axis": "output_axes"}


SLASH = "\N{DIVISION SLASH}"


def listed(axes: Axes) -> list[int]:
    """Axes as Keras writes them."""
    return [axes] if isinstance(axes, int) else list(axes)


def plain(value: object) -> object:
    """A number, where a config of Keras wraps it as a tensor."""
    if isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__"):
        held = value["config"]
        return np.asarray(held["value"], jnp.dtype(held["dtype"]))
    return value


class BuiltIn(Initializer):
    """An initializer of this library, defined once: its class and its function come of it.

    A subclass is a frozen dataclass under `cthulhu.initializers._registry.defined`. Its
    fields are its options, `plan` is its mathematics, and its docstring is that of the
    function too.
    """

    plan: ClassVar[Callable[..., Draw]]
    """The class method `plan(shape, dtype, sharding, *options) -> Draw`, of checked options."""

    example: ClassVar[str]
    """The code that is the example of the function's docstring."""

    arguments: ClassVar[Mapping[str, str]] = {}
    """What the function's docstring says of `shape` and the like, where it is not the usual."""

    aliases: ClassVar[tuple[str, ...]] = ()
    """The names that users of JAX and torch type."""

    known_as: ClassVar[tuple[str, ...]] = ()
    """What else people type: an unknown name that is one of these is answered with ours."""

    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Options of JAX's and of torch's initializers, and how they are written here."""

    in_keras: ClassVar[bool] = False
    """Whether Keras has a class of this name and meaning."""

    legacy: ClassVar[tuple[str, ...]] = ()
    """Further names that Keras 2, tf.keras and Keras 3 read and write."""

    # `defined` sets these.
    name: ClassVar[str]
    """The snake_case name, which is the function's."""

    defaults: ClassVar[Mapping[str, object]]
    """The options, in the order that `plan` takes them, with their defaults.

    That of an option which must be given is `dataclasses.MISSING`.
    """

    function: ClassVar[Callable[..., jax.Array]]
    """The function of `cthulhu.functional`."""

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Make an instance; name an option of JAX or of torch that is called otherwise here."""
        parameters = cls.__dict__.get("__dataclass_params__")
        if parameters is not None and parameters.init:
            known = [field.name for field in cls.fields()]
            for name in kwargs:
                if name not in known:
                    raise unknown_option(cls.__name__, name, known, cls.elsewhere)
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

    @classmethod
    def fields(cls) -> list[options.Field]:
        """The fields in the order of the constructor: keywords last, those of a base too."""
        found: tuple[options.Field, ...] = dataclasses.fields(cls)  # type: ignore[arg-type]
        return sorted(found, key=lambda field: field.kw_only is True)

    @classmethod
    def option_fields(cls) -> list[options.Field]:
        """The fields that are options of the function: all but the seed."""
        return [field for field in cls.fields() if field.name != options.SEED]

    def __post_init__(self) -> None:
        """Check each field, and keep the options that `plan` takes."""
        cls = type(self)
        given = {field.name: getattr(self, field.name) for field in self.fields()}
        found = cls.checked(cls.__name__, given, concrete=True)
        for name, value in found.items():
            object.__setattr__(self, name, value)
        found.pop(options.SEED, None)
        object.__setattr__(self, "_options", tuple(found.values()))

    @classmethod
    def checked(
        cls, owner: str, given: Mapping[str, object], *, concrete: bool
    ) -> dict[str, object]:
        """The values of fields in their canonical form."""
        found = {
            field.name: options.checked(owner, field, given[field.name], concrete=concrete)
            for field in cls.fields()
            if field.name in given
        }
        cls.agree(owner, found)
        return found

    @classmethod
    def agree(cls, owner: str, given: Mapping[str, Any]) -> None:
        """Refuse options that are right one by one, and wrong together."""

    def _draw(
        self,
        key: jax.Array | None,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
    ) -> jax.Array:
        return values_of(type(self), key, shape, dtype, out_sharding, self._options)  # type: ignore[attr-defined]

    def draw(
        self, shape: Shape, dtype: DTypeLike | None = None, out_sharding: OutSharding = None
    ) -> Draw:
        """The draw that a call runs: a program and its scalars, which wait for a key."""
        return plan_draw(type(self), shape, dtype, out_sharding, self._options)  # type: ignore[attr-defined]

    @property
    def runs_its_plan(self) -> bool:
        """Whether a call runs the plan and nothing else: no subclass has changed it."""
        return type(self).__call__ is Initializer.__call__ and type(self)._draw is BuiltIn._draw

    def __repr__(self) -> str:
        """The constructor call, without what is at its default."""
        given = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in self.fields()
            if getattr(self, field.name) != field.default
        )
        return f"{type(self).__name__}({given})"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments under Keras's names, as values that JSON can hold.

        What Keras does not know is a keyword here, and is written only where it is not the
        default.

        Returns:
            A dict from which `from_config` makes an equal instance.
        """
        register(type(self))  # Keras asks for the config just before it asks for the name.
        fields = self.fields()
        values = {field.name: getattr(self, field.name) for field in fields}
        changed = {field.name for field in fields if values[field.name] != field.default}
        axes: Mapping[str, object] = {}
        if KERAS_NAMES.keys() <= values.keys():
            # Keras counts the axes that are named, and no others: only `"rest"` does too.
            if changed.isdisjoint({*KERAS_NAMES, "batch_axis"}):
                axes = dict.fromkeys(KERAS_NAMES.values())
            elif values["batch_axis"] == "rest":
                axes = {KERAS_NAMES[name]: listed(values[name]) for name in KERAS_NAMES}
                changed -= {*KERAS_NAMES, "batch_axis"}
        written = {
            field.name: options.written(field, values[field.name])
            for field in fields
            if field.name in changed or not field.kw_only
        }
        return {**written, **axes}

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
            TypeError: `config` has an argument that the class does not know, or lacks
                one that has no default.
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
        names = [field.name for field in cls.fields()]
        for name in known:
            if name not in names:
                raise TypeError(
                    f"{cls.__name__}: unknown argument {name!r} in a config"
                    f"{checks.did_you_mean(name, names)}; it has {', '.join(names) or 'none'}"
                )
        for name, default in cls.defaults.items():
            if default is dataclasses.MISSING and name not in known:
                instance = f"{cls.__name__}({name}=…)"
                raise missing_option(cls.__name__, name, f"Pass an instance: {instance}")
        return cls(**known)


def values_of(
    definition: type[BuiltIn],
    key: Array | None,
    shape: Shape,
    dtype: DTypeLike | None,
    out_sharding: OutSharding,
    options: tuple[object, ...],
) -> jax.Array:
    """Make the values of a law with these checked options that belong to `key`."""
    if not definition.draws:
        key = None
    elif not isinstance(key, jax.Array) or key.ndim or not checks.holds_keys(key.dtype):
        checks.single_key(definition.name, key)
    return plan_draw(definition, shape, dtype, out_sharding, options)(key)


def plan_draw(
    definition: type[BuiltIn],
    shape: Shape,
    dtype: DTypeLike | None,
    out_sharding: OutSharding,
    options: tuple[object, ...],
) -> Draw:
    """Plan a draw with checked options, or recall it."""
    sharding = None
    if out_sharding is not None:
        sharding = resolve_sharding(definition.name, out_sharding)
    x64: bool = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    try:
        dims = tuple(map(operator.index, shape))
        return remembered(definition, dims, dtype, sharding, x64, *options)
    except TypeError:
        pass  # Unhashable (a traced scalar), or wrong: planning again tells which.
    return planned(definition, shape, dtype, sharding, x64, *options)


def planned(
    definition: type[BuiltIn],
    shape: Shape,
    dtype: DTypeLike | None,
    sharding: NamedSharding | None,
    x64: bool,
    *options: object,
) -> Draw:
    """Plan a draw; errors begin with the name of the function."""
    dims = checks.shape(definition.name, shape)
    try:
        found = definition.plan(dims, dtype, sharding, *options)
    except (TypeError, ValueError) as error:
        if str(error).startswith(f"{definition.name}: "):
            raise
        raise checks.in_name_of(definition.name, error) from None
    return found._replace(label=label_of(definition, options))


def label_of(definition: type[BuiltIn], options: tuple[Any, ...]) -> str:
    """What a trace calls a draw, by which `labelled` finds the initializer again."""
    changed = [
        f"{name}={value!r}"
        for (name, default), value in zip(definition.defaults.items(), options, strict=True)
        if not checks.is_traced(value) and value != default
    ]
    # In the names of a trace, a slash begins another scope.
    label = f"{definition.__name__}({', '.join(changed)})".replace("/", SLASH)
    if not any(map(checks.is_traced, options)):  # One that is traced dies with its trace.
        _labelled.get(label, lambda: (definition, options))
    return label


def labelled(label: str) -> tuple[type[BuiltIn], tuple[Any, ...]] | None:
    """The initializer that a label names, and its options, as far as it is remembered."""
    return _labelled.peek(label)


_labelled: Recent[tuple[type[BuiltIn], tuple[Any, ...]]] = Recent(4096)


# 1 and 1.0 are equal, and a type of integers does not take them alike.
remembered: Callable[..., Draw] = bounded(4096, typed=True)(planned)
