"""`Sequential`: the documented linear stack of layers, a `flax.linen` module."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import flax.linen as nn
import jax
import jax.numpy as jnp
from rich.console import Console
from rich.table import Table

from cthulhu import checks, initializers, random

__all__ = ["Sequential"]

Layer = Callable[..., Any]


class Sequential(nn.Module):
    """A stack of layers, each applied to the output of the one before.

    Args:
        layers: the first layers; more are appended by `add`. Any linen module
            or function of an array is a layer.

    Raises:
        TypeError: something is no layer.

    Example:
        >>> import jax
        >>> from cthulhu.layers import Daoloth
        >>> model = Sequential()
        >>> _ = model.add(Daoloth(64, kernel_initializer="random_uniform"))
        >>> _ = model.add(Daoloth(10))
        >>> variables = model.init(jax.random.key(0), (1, 784))
        >>> model.apply(variables, jax.numpy.ones((5, 784))).shape
        (5, 10)
    """

    layers: Sequence[Layer] = ()

    def __post_init__(self) -> None:
        """Check the layers."""
        if not isinstance(self.layers, Iterable):
            raise TypeError(
                f"Sequential: layers must be a sequence of layers; got {self.layers!r} "
                f"of type {type(self.layers).__name__}"
            )
        for layer in self.layers:
            _check_layer(layer)
        object.__setattr__(self, "layers", tuple(self.layers))
        super().__post_init__()

    def add(self, layer: Layer) -> Self:
        """Append a layer.

        Args:
            layer: a linen module, or a function of an array.

        Returns:
            The model itself, so that calls can be chained.

        Raises:
            TypeError: `layer` is no layer.
            RuntimeError: the model is part of another one, or is running.

        Example:
            >>> from cthulhu.layers import Daoloth
            >>> len(Sequential().add(Daoloth(8)).add(Daoloth(4)).layers)
            2
        """
        _check_layer(layer)
        if self.scope is not None:
            raise RuntimeError("Sequential: layers are added before the model runs, not while")
        # A linen module is frozen; a model that no scope holds can still grow.
        object.__setattr__(self, "layers", (*self.layers, layer))
        return self

    @nn.compact
    def __call__(self, inputs: Any) -> Any:
        """Apply the layers in order."""
        if not self.layers:
            raise ValueError("Sequential: the model has no layers; add one with model.add(layer)")
        outputs = jnp.asarray(inputs)
        for layer in self.layers:
            outputs = layer(outputs)
        return outputs

    def init(self, rngs: Any, *args: Any, **kwargs: Any) -> Any:
        """Initialize the parameters.

        Args:
            rngs: one key, an integer seed, or Flax's dict of keys.
            *args: the inputs, or their shape (a tuple of integers), for which
                nothing is computed.
            **kwargs: what `flax.linen.Module.init` takes.

        Returns:
            The variables, a dict with ``"params"``.

        Example:
            >>> import jax
            >>> from cthulhu.layers import Daoloth
            >>> variables = Sequential([Daoloth(4)]).init(jax.random.key(0), (1, 3))
            >>> variables["params"]["layers_0"]["kernel"].shape
            (3, 4)
        """
        if isinstance(rngs, int) and not isinstance(rngs, bool):
            rngs = random.from_seed(rngs)
        if args and _is_shape(args[0]):
            inputs = _spec(args[0])
            object.__setattr__(self, "_seen", inputs)
            return self.lazy_init(rngs, inputs, *args[1:], **kwargs)
        if args and hasattr(args[0], "shape"):
            object.__setattr__(self, "_seen", jax.ShapeDtypeStruct(args[0].shape, args[0].dtype))
        return super().init(rngs, *args, **kwargs)

    def summary(self, inputs_or_shape: Any = None, console: Console | None = None) -> None:
        """Print a table of the layers: output shape, parameters and initializers.

        Args:
            inputs_or_shape: the inputs, or their shape; default: those that `init`
                saw last.
            console: where to print; default: the terminal.

        Raises:
            ValueError: the inputs are not known yet.

        Example:
            >>> import io
            >>> from rich.console import Console
            >>> from cthulhu.layers import Daoloth
            >>> console = Console(width=72, file=io.StringIO())
            >>> Sequential([Daoloth(4)]).summary((1, 3), console)
            >>> "glorot_uniform" in console.file.getvalue()
            True
        """
        inputs = inputs_or_shape
        if inputs is None:
            inputs = getattr(self, "_seen", None)
        if inputs is None:
            raise ValueError(
                "Sequential.summary: the shape of the inputs is not known yet; pass it, "
                "model.summary((1, 784)), or call model.init(key, shape) first"
            )
        outputs = _spec(inputs) if _is_shape(inputs) else inputs
        table = Table(title="Sequential")
        for heading, justify in (
            ("layer", "left"),
            ("output shape", "left"),
            ("parameters", "right"),
            ("initializer", "left"),
        ):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        total = 0
        for index, layer in enumerate(self.layers):
            outputs, count = _shapes(layer, outputs)
            total += count
            table.add_row(
                f"{index}  {_name(layer)}", str(outputs.shape), f"{count:,}", _initializers(layer)
            )
        table.add_section()
        table.add_row("total", "", f"{total:,}", "")
        (console or Console()).print(table)


def _check_layer(layer: object) -> None:
    if isinstance(layer, type) or not callable(layer):
        hint = f". Make an instance: {layer.__name__}(...)" if isinstance(layer, type) else ""
        raise TypeError(
            f"Sequential: a layer is a linen module or a function of an array; got {layer!r} "
            f"of type {type(layer).__name__}{hint}"
        )


def _is_shape(value: object) -> bool:
    # `None` is no dimension; the check of the shape says so.
    return isinstance(value, tuple | list) and all(
        dim is None or (isinstance(dim, int) and not isinstance(dim, bool)) for dim in value
    )


def _spec(shape: Iterable[int]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(checks.shape("Sequential", shape), jnp.float32)


def _name(layer: object) -> str:
    if isinstance(layer, nn.Module):
        return layer.name or type(layer).__name__
    return getattr(layer, "__name__", type(layer).__name__)


def _shapes(layer: Layer, inputs: Any) -> tuple[Any, int]:
    """The shape of a layer's output, and the number of its parameters; nothing is computed."""
    if not isinstance(layer, nn.Module):
        return jax.eval_shape(layer, inputs), 0
    outputs, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), inputs)
    params = jax.tree.leaves(variables.get("params", {}))
    return outputs, sum(leaf.size for leaf in params)


def _initializers(layer: object) -> str:
    """The initializers of a layer, as its fields name them."""
    shown = []
    for field in ("kernel_initializer", "bias_initializer", "kernel_init", "bias_init"):
        identifier = getattr(layer, field, None)
        if identifier is None or (field.startswith("bias") and not getattr(layer, "use_bias", 1)):
            continue
        if isinstance(identifier, initializers.Initializer):
            shown.append(repr(identifier))
        else:
            shown.append(
                identifier
                if isinstance(identifier, str)
                else getattr(identifier, "__name__", repr(identifier))
            )
    return ", ".join(shown)
