"""One rule: a pattern of paths, and what the parameters there get."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from cthulhu import checks, initializers, typing
from cthulhu.fans import Layout
from cthulhu.fans._layout import LayoutLike, layout_of
from cthulhu.initializers._lookup import CustomObjects
from cthulhu.params import _patterns as patterns
from cthulhu.params._configs import read, written
from cthulhu.params._layout import instance


@dataclasses.dataclass(frozen=True)
class Keep:
    """In `Rules`, the mark of parameters that stay as they are.

    Example:
        Only the head of a trained model is initialized again:

        >>> import jax, jax.numpy as jnp
        >>> from cthulhu.params import Rules, init_params
        >>> trained = {"body": jnp.full(3, 7.0), "head": jnp.full(3, 7.0)}
        >>> rules = Rules([("head", "zeros"), (".*", Keep())])
        >>> {name: x.tolist() for name, x in init_params(0, trained, rules).items()}
        {'body': [7.0, 7.0, 7.0], 'head': [0.0, 0.0, 0.0]}
    """


@dataclasses.dataclass(frozen=True)
class Lawless:
    """In `Rules`, the mark of parameters whose role is known, and no law for it."""

    why: str


@dataclasses.dataclass(frozen=True, repr=False)
class Rule:
    """One of `Rules`, where a pair (regular expression, initializer) does not say enough.

    Args:
        pattern: a regular expression, which must match the whole path.
        initializer: whatever `cthulhu.initializers.get` takes, or `Keep`.
        layout: which axes of these parameters are inputs and outputs: a name, as
            ``"out_in"`` or ``"attention_qkv"``, or a `cthulhu.fans.Layout`. An
            initializer that names its axes keeps them. Default: that of the rules.
        optional: whether the rule may match nothing.
        role: what these parameters are, as ``"attention.query"``. A parameter that
            two rules give different roles is refused.

    Raises:
        ValueError: `pattern` is invalid, or `initializer` or `layout` is unknown.
        TypeError: an argument is of the wrong type.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import plan
        >>> tree = {"query": jax.ShapeDtypeStruct((512, 8, 64), np.float32)}
        >>> query = Rule("query", "lecun_normal", layout="attention_qkv")
        >>> plan(tree, [query]).rows[0].fan_in
        512
    """

    pattern: str
    initializer: Any
    _: dataclasses.KW_ONLY
    layout: LayoutLike = None
    optional: bool = False
    role: str | None = None

    def __post_init__(self) -> None:
        """Check the fields, and bring them to their canonical form."""
        if not isinstance(self.pattern, str):
            raise TypeError(f"Rule: pattern must be a string; got {self.pattern!r}")
        patterns.check("Rule: pattern is", self.pattern)
        object.__setattr__(self, "initializer", named("Rule", self.initializer))
        if self.layout is not None:
            layout_of("Rule", "layout", self.layout)
        checks.flag("Rule", "optional", self.optional)
        if self.role is not None and not isinstance(self.role, str):
            raise TypeError(f"Rule: role must be a string; got {self.role!r}")

    def __repr__(self) -> str:
        """The constructor call, without what is at its default."""
        further = "".join(f", {name}={value!r}" for name, value in self.further().items())
        return f"Rule({self.pattern!r}, {self.initializer!r}{further})"

    def further(self) -> dict[str, Any]:
        """What is not at its default, beside the pair."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.kw_only and getattr(self, field.name) != field.default
        }

    def to_record(self) -> dict[str, Any]:
        """The rule as data that JSON can hold."""
        further = self.further()
        if isinstance(self.layout, Layout):
            further["layout"] = dataclasses.asdict(self.layout)
        if isinstance(self.initializer, Lawless):
            config: Any = {"lawless": self.initializer.why}
        else:
            config = None if self.initializer == Keep() else written(self.initializer)
        return {"pattern": self.pattern, "initializer": config, **further}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], custom_objects: CustomObjects) -> "Rule":
        """The rule that `to_record` wrote."""
        options = dict(record)
        if isinstance(options.get("layout"), Mapping):
            options["layout"] = Layout(**options["layout"])
        config = options.pop("initializer")
        if config is None:
            found: Any = Keep()
        elif "lawless" in config:
            found = Lawless(config["lawless"])
        else:
            found = read(config, custom_objects)
        return cls(options.pop("pattern"), found, **options)


def named(owner: str, identifier: Any) -> Any:
    """What a rule names."""
    if isinstance(identifier, Keep) or identifier is Keep:
        return Keep()
    if isinstance(identifier, Lawless):
        return identifier
    try:
        found: typing.Initializer | None = initializers.get(identifier)
    except (TypeError, ValueError) as error:
        raise checks.in_name_of(owner, error) from None
    if found is None:
        raise TypeError(
            f"{owner} names no initializer: got None. To leave parameters as they are, use Keep()"
        )
    return instance(found)
