"""`Rules`: which initializer each parameter gets, by its path."""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from cthulhu import checks, typing
from cthulhu.initializers._by_depth import asks_for_layer, at_layer
from cthulhu.initializers._lookup import CustomObjects
from cthulhu.params import _patterns as patterns
from cthulhu.params._layout import LAYOUTS, TreeLayout
from cthulhu.params._rule import Keep, Lawless, Rule, named
from cthulhu.params._rule_errors import SHOWN, describe_doubtful, describe_lawless
from cthulhu.trees import Path, join
from cthulhu.usage import Usage


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Rules:
    """An ordered list of `(path regex, initializer)`; the first that matches wins.

    A regular expression must match the whole path, whose components are joined
    by slashes, as in ``"decoder/layers_0/kernel"``. A rule that no parameter
    reaches and a parameter that no rule matches are errors.

    Args:
        rules: pairs of a regular expression and whatever
            `cthulhu.initializers.get` takes, or `Keep`; a `Rule` where a pair does
            not say enough; or a mapping of such pairs; or one initializer for all
            parameters, which is the rule ``".*"``.
        layout: how the model's weights lie: ``"out_in"``, as in Equinox and
            PyTorch, or ``"in_out"``, as in Flax, Haiku and Keras. It sets the axes
            of inputs and outputs where an initializer leaves them at their
            defaults; one that names its axes keeps them. Default: unknown, which
            is ``"in_out"`` and a warning where that looks wrong.
        usage: what the model uses its parameters as, of `cthulhu.usage.infer`. Where an
            initializer and its rule leave the axes open, they are those of the use, before
            those of `layout`; stacked layers are known by it too, unless ``stacked=`` says
            them. An initializer that counts fans is refused where the use could not be
            followed.

    Raises:
        ValueError: a regular expression is invalid, or a name or `layout` is unknown.
        TypeError: a rule is no such pair.

    Example:
        >>> rules = Rules([(".*/bias", "zeros"), (".*/kernel", "he_normal")])
        >>> rules.match([("dense", "kernel"), ("dense", "bias")])
        [HeNormal(), Zeros()]
        >>> Rules("he_normal", layout="out_in")
        Rules(rules=(('.*', HeNormal()),), layout='out_in')
    """

    rules: tuple[Rule, ...]
    layout: TreeLayout = None
    usage: Usage | None = None

    def __init__(
        self, rules: "RulesLike", *, layout: TreeLayout = None, usage: Usage | None = None
    ) -> None:
        if layout is not None:
            checks.choice("Rules", "layout", layout, LAYOUTS)
        if usage is not None and not isinstance(usage, Usage):
            raise TypeError(
                f"Rules: usage must be what cthulhu.usage.infer returned; got {usage!r} of type "
                f"{type(usage).__name__}"
            )
        if isinstance(rules, Rules):
            layout, usage = one_layout("Rules", rules, layout), one_usage("Rules", rules, usage)
        object.__setattr__(self, "layout", layout)
        object.__setattr__(self, "usage", usage)
        checked = []
        for number, pair in enumerate(listed(rules), 1):
            if isinstance(pair, Rule):
                checked.append(pair)
                continue
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                single = isinstance(pair, str) and isinstance(rules, tuple)
                raise TypeError(
                    f"Rules: rule {number} must be a pair (regular expression, initializer); "
                    f"got {pair!r}" + (f". A single rule is a list of one: [{rules!r}]" * single)
                )
            pattern, identifier = pair
            patterns.check(f"Rules: rule {number} is", pattern)
            checked.append(Rule(pattern, named(f"Rules: rule {number}", identifier)))
        object.__setattr__(self, "rules", tuple(checked))

    def __repr__(self) -> str:
        """The constructor call, without what is at its default."""
        rules = tuple(
            rule if rule.further() else (rule.pattern, rule.initializer) for rule in self.rules
        )
        layout = "" if self.layout is None else f", layout={self.layout!r}"
        usage = "" if self.usage is None else f", usage={self.usage!r}"
        return f"Rules(rules={rules!r}{layout}{usage})"

    def extend(self, rules: "RulesLike", *, before: bool = False) -> "Rules":
        """These rules and others, as new rules.

        Args:
            rules: what `Rules` are made of. If they have a `layout`, it is kept rule by
                rule where it differs.
            before: whether the others come first, and so win where both match.

        Returns:
            `Rules`, of the layout of these; of the others', if these have none.

        Raises:
            TypeError, ValueError: as for `Rules`.

        Example:
            >>> rules = Rules([(".*/kernel", "he_normal"), (".*", "zeros")])
            >>> rules = rules.extend([("head/kernel", "zeros")], before=True)
            >>> rules.match([("body", "kernel"), ("body", "bias"), ("head", "kernel")])
            [HeNormal(), Zeros(), Zeros()]
        """
        other = rules if isinstance(rules, Rules) else Rules(rules)
        layout = self.layout or other.layout
        parts = [
            [
                dataclasses.replace(rule, layout=part.layout)
                if rule.layout is None and part.layout not in (None, layout)
                else rule
                for rule in part.rules
            ]
            for part in ((other, self) if before else (self, other))
        ]
        usage = one_usage("Rules.extend", self, other.usage)
        return Rules([*parts[0], *parts[1]], layout=layout, usage=usage)

    def to_json(self) -> str:
        """The rules as JSON, which `from_json` reads.

        Raises:
            TypeError: an initializer is a function of yours, or another that no config
                holds.
        """
        records = []
        for number, rule in enumerate(self.rules, 1):
            try:
                records.append(rule.to_record())
            except TypeError as error:
                raise checks.in_name_of(f"Rules.to_json: rule {number}", error) from None
        usage = None if self.usage is None else self.usage.to_record()
        return json.dumps({"rules": records, "layout": self.layout, "usage": usage})

    @classmethod
    def from_json(cls, text: str, *, custom_objects: CustomObjects = None) -> "Rules":
        """Read rules that `to_json` wrote. No code is run but the initializers' own.

        Args:
            text: what `to_json` returned.
            custom_objects: your own initializers' classes, by name.

        Returns:
            Equal rules.

        Raises:
            ValueError: `text` is not what `to_json` wrote, or names an initializer that
                is unknown.

        Example:
            >>> rules = Rules([(".*/bias", "zeros"), (".*", "he_normal")], layout="out_in")
            >>> Rules.from_json(rules.to_json()) == rules
            True
        """
        record = json.loads(text)
        try:
            rules = []
            for number, one in enumerate(record["rules"], 1):
                try:
                    rules.append(Rule.from_record(one, custom_objects))
                except ValueError as error:
                    owner = f"Rules.from_json: rule {number}"
                    raise checks.in_name_of(owner, error) from None
            known = record.get("usage")
            usage = None if known is None else Usage.from_record(known)
            return cls(rules, layout=record["layout"], usage=usage)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"Rules.from_json: text must be what Rules.to_json wrote; it is other JSON "
                f"({error!r})"
            ) from None

    def match(self, paths: Sequence[Path]) -> list[Any]:
        """Find the initializer of each path.

        Args:
            paths: the paths of all parameters.

        Returns:
            An initializer, or `Keep()`, for each.

        Raises:
            ValueError: a parameter that no rule matches, or a rule that matches
                nothing or comes after others that take all it matches, and is not
                optional; or a parameter that rules give two roles.
        """
        return [rule.initializer for rule in self.resolve(paths)]

    def resolve(self, paths: Sequence[Path]) -> list[Rule]:
        """The rule of each path, as `match`, with an initializer that knows its layer."""
        regexes = [
            patterns.Pattern(f"Rules: rule {number} is", rule.pattern)
            for number, rule in enumerate(self.rules, 1)
        ]
        names = [join(path) for path in paths]
        taken = [0] * len(regexes)
        reached = [0] * len(regexes)
        found: list[int] = []
        unmatched, doubtful = [], []
        for name in names:
            matching = [at for at, regex in enumerate(regexes) if regex.matches(name)]
            for at in matching:
                reached[at] += 1
            if matching:
                taken[matching[0]] += 1
                found.append(matching[0])
            else:
                unmatched.append(name)
            roles = {role for at in matching if (role := self.rules[at].role) is not None}
            if len(roles) > 1 and self.rules[matching[0]].role is not None:
                doubtful.append((name, sorted(roles)))
        if unmatched:
            globs = [self._glob_hint(at, names) for at, count in enumerate(reached) if not count]
            raise ValueError(self._describe_unmatched(unmatched) + "".join(globs))
        if doubtful:
            raise ValueError(describe_doubtful(doubtful))
        lawless = [
            (name, self.rules[at].initializer.why)
            for name, at in zip(names, found, strict=True)
            if isinstance(self.rules[at].initializer, Lawless)
        ]
        if lawless:
            raise ValueError(describe_lawless(lawless))
        dead = [at for at, count in enumerate(taken) if not count and not self.rules[at].optional]
        if dead:
            raise ValueError(self._describe_dead(dead, reached, names))
        rules = [self.rules[at] for at in found]
        for at, rule in enumerate(self.rules):
            if asks_for_layer(rule.initializer):
                mine = [number for number, one in enumerate(found) if one == at]
                layers = patterns.layers_of(regexes[at], [names[one] for one in mine], names)
                for number, layer in zip(mine, layers or (), strict=bool(layers)):
                    rules[number] = self._at_layer(at, *layer)
        return rules

    def _at_layer(self, at: int, layer: int, layers: int) -> Rule:
        """A rule whose initializer now knows its layer."""
        rule = self.rules[at]
        try:
            known = at_layer(rule.initializer, layer, layers)
        except ValueError as error:
            raise ValueError(f"Rules: rule {at + 1}: {error}") from None
        return dataclasses.replace(rule, initializer=known)

    def _describe_unmatched(self, names: list[str]) -> str:
        listed = checks.listed([f"  {name}" for name in names], SHOWN)
        roles = sorted({rule.role for rule in self.rules if rule.role is not None})
        known = f"\nThe roles that the rules know are {', '.join(roles)}" if roles else ""
        dotted = (
            "\nA name with dots is one step of a path; cthulhu.adapters.torch.tree makes a tree "
            "of a state dict"
        ) * all("." in name and "/" not in name for name in names)
        return (
            f"Rules: {len(names)} of the parameters match no rule (a rule must match the whole "
            f'path):\n{listed}\nAdd rules for them; (".*", …) at the end takes all the rest'
            f"{known}{dotted}"
        )

    def _describe_dead(self, dead: list[int], reached: list[int], names: list[str]) -> str:
        lines = []
        for at in dead:
            pattern = self.rules[at].pattern
            if reached[at]:
                why = "all it matches is taken by rules before it; move it up"
            else:
                plain = re.sub(r"\\(.)", r"\1", pattern).replace(".*", "")
                close = difflib.get_close_matches(plain, names, n=3, cutoff=0.3) or names[:3]
                near = f"the closest are {', '.join(map(repr, close))}"
                why = f"no path matches; {near if names else 'there are no parameters'}"
                why += self._glob_hint(at, names)
            lines.append(f"  rule {at + 1}, {pattern!r}: {why}")
        return "Rules: these rules are never used:\n" + "\n".join(lines)

    def _glob_hint(self, at: int, names: list[str]) -> str:
        """What to write for a rule that would match if it were a glob."""
        pattern = self.rules[at].pattern
        written = patterns.glob_as_regex(pattern)
        if written is None:
            return ""
        meant = patterns.Pattern(f"Rules: rule {at + 1} is, as a glob,", written)
        if not any(map(meant.matches, names)):
            return ""
        return f". Rule {at + 1}, {pattern!r}, looks like a glob; write {written!r}"


# Not so strict for a mapping: of a dict of several kinds, mypy makes a dict of objects.
Pairs: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, typing.InitializerLike | Keep] | Rule]

RulesLike: TypeAlias = Rules | Pairs | typing.InitializerLike | Keep
"""What `Rules` are made of, or `Rules`."""


def listed(rules: Any) -> list[Any]:
    """The pairs that `rules` holds; one initializer is a rule for all parameters."""
    if isinstance(rules, Rules):
        return list(rules.rules)
    is_config = isinstance(rules, Mapping) and "class_name" in rules
    if is_config or isinstance(rules, str | Keep) or callable(rules):
        return [(".*", rules)]
    if isinstance(rules, Mapping):
        return list(rules.items())
    if not isinstance(rules, Iterable) or hasattr(rules, "dtype"):
        raise TypeError(
            "Rules: pairs (regular expression, initializer) are needed, or one initializer for all "
            f"parameters; got {rules!r} of type {type(rules).__name__}"
        )
    return list(rules)


def one_layout(owner: str, rules: Rules, layout: TreeLayout) -> TreeLayout:
    """The layout that was said: with the rules, or beside them."""
    if layout is not None and rules.layout not in (None, layout):
        raise ValueError(
            f"{owner}: layout is {layout!r}, but the rules have layout={rules.layout!r}; "
            "say it once"
        )
    return layout or rules.layout


def one_usage(owner: str, rules: Rules, usage: Usage | None) -> Usage | None:
    """The usage that was said: with the rules, or beside them."""
    if usage is not None and rules.usage not in (None, usage):
        raise ValueError(f"{owner}: the rules have another usage already; say it once")
    return rules.usage if usage is None else usage
