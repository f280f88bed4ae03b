"""The docstring of a function, from that of the class that defines it.

Summary, law, options and references are the class's. The arguments of a call
take the place of the seed, and the example is the function's own.
"""

import inspect
import re
import textwrap
from collections.abc import Collection, Mapping

SECTIONS = ("Law", "Args", "Raises", "Example", "References")
WIDTH = 80

# What the arguments of every function are, where a class does not say otherwise.
ARGUMENTS = {
    "key": "one PRNG key, typed or raw.",
    "shape": "the shape of the result.",
    "dtype": "a floating or complex type; default: JAX's default float. Types below 32 bits hold "
    "the float32 values, rounded.",
    "out_sharding": "the layout of the result, which changes no value.",
}
REAL = {
    "dtype": "a real floating type; default: JAX's default float. Types below 32 bits hold "
    "the float32 values, rounded."
}
WITHOUT_KEY = {
    "key": "ignored, and may be `None`.",
    "dtype": "the type of the result, floating, complex, integer or boolean; default: JAX's "
    "default float.",
}


# What a class with these options says of them in one line, and what is shown.
AXES_LINE = re.compile(r"^( +)in_axis, out_axis, batch_axis, layout: .*\n", re.MULTILINE)
AXES = """\
in_axis: the axis, or axes, of the inputs; default -2.
out_axis: the axis, or axes, of the outputs; default -1.
batch_axis: axes that stack independent tensors and count in no fan;
    default none; ``"rest"`` is all that are neither inputs nor outputs.
layout: in place of axes, the layout of a common layer, as ``"moe"`` (see
    `cthulhu.fans.LAYOUTS`), or a `cthulhu.fans.Layout`; default none.
"""


def with_axes(docstring: str) -> str:
    """A docstring in which the options for axes are told in full."""
    return AXES_LINE.sub(lambda line: textwrap.indent(AXES, line[1]), docstring)


def function_docstring(
    docstring: str,
    *,
    arguments: Mapping[str, str],
    options: Mapping[str, bool],
    example: str,
    draws: bool,
) -> str:
    """Write the docstring of a function.

    Args:
        docstring: the class's.
        arguments: what the class says of the arguments of a call.
        options: the names of the options, and whether they may be traced.
        example: the code of the function's example.
        draws: whether the function needs a key.
    """
    told = sections(docstring)
    texts = {**ARGUMENTS, **({} if draws else WITHOUT_KEY), **arguments}
    explained = entries(told.get("Args", ""))
    for name, may_be_traced in options.items():
        texts[name] = explained[name] + (" May be traced." if may_be_traced else "")
    told["Args"] = written(texts)
    told["Returns"] = "An array of `shape` and `dtype`."
    told["Raises"] = written(errors(entries(told.get("Raises", "")), draws))
    told["Example"] = inspect.cleandoc(example)
    order = ("Law", "Args", "Returns", "Raises", "Example", "References")
    parts = [told[""]]
    for name in order:
        if name == "Law":
            parts.append(f"Law: {told[name]}")
        elif name in told:
            parts.append(f"{name}:\n{textwrap.indent(told[name], '    ')}")
    return "\n\n".join(parts) + "\n"


def sections(docstring: str) -> dict[str, str]:
    """The sections of a docstring by name, without their indents; the first has none."""
    heads = rf"^({'|'.join(SECTIONS)}):"
    parts = re.split(heads, inspect.cleandoc(docstring), flags=re.MULTILINE)
    first, *rest = (part.strip("\n ") for part in parts)
    found = dict(zip(rest[::2], rest[1::2], strict=True))
    # The first line has lost its indent already.
    shown = {
        name: textwrap.dedent(f"    {text}" if name != "Law" else text)
        for name, text in found.items()
    }
    return {"": first, **shown}


def entries(section: str) -> dict[str, str]:
    """What a section says of each name, as one line of text."""
    parts = re.split(r"^(\w+): ", section, flags=re.MULTILINE)
    return {
        name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def errors(raised: Mapping[str, str], draws: bool) -> dict[str, str]:
    """What a call raises: what the class does, and what is wrong with the call itself."""
    more = {"ValueError": "`shape` has a negative or unknown dimension"}
    if draws:
        more["TypeError"] = "`key` is no key, or `dtype` is no such type"
        more["ValueError"] += ", or `key` is a batch of keys"
    found = {}
    for name in sorted({*raised, *more}):
        texts: Collection[str] = [t.rstrip(".") for t in (raised.get(name), more.get(name)) if t]
        found[name] = "; ".join(texts) + "."
    return found


def written(texts: Mapping[str, str]) -> str:
    """A section of names and what is said of each."""
    return "\n".join(
        textwrap.fill(
            f"{name}: {text}",
            WIDTH - 4,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in texts.items()
    )
