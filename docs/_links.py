"""Signatures as they are written, and links from names of code to what documents them.

A build fetches nothing, so of other projects' documentation it knows the names that
`inventories/` lists, a line each: the name, its kind, its page.
"""

import ast
import dataclasses
import functools
import inspect
import textwrap
import zlib
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

import cthulhu

HERE = Path(__file__).parent
STUB = Path(cthulhu.functional.__file__).with_suffix(".pyi")
# The pages of each project, below which the pages in its inventory lie.
PROJECTS = {
    "flax": "https://flax.readthedocs.io/en/latest/",
    "flax.linen": "https://flax-linen.readthedocs.io/en/latest/",
    "jax": "https://docs.jax.dev/en/latest/",
    "optax": "https://optax.readthedocs.io/en/latest/",
}
# A short name of a function means the first of these that has it.
PACKAGES = (
    "functional",
    "initializers",
    "params",
    "random",
    "fans",
    "layers",
    "models",
    "typing",
)


def listed(project):
    """The lines of an inventory: name, kind, page."""
    lines = (HERE / "inventories" / f"{project}.txt").read_text().splitlines()
    return [line.split() for line in lines if not line.startswith("#")]


def write_inventories(app, config):
    """Write the inventories as Sphinx reads them, and say where they are."""
    folder = Path(app.doctreedir)
    folder.mkdir(parents=True, exist_ok=True)
    for project, url in PROJECTS.items():
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        lines = "".join(
            f"{name} py:{kind} 1 {page}#{'module-' if kind == 'module' else ''}$ -\n"
            for name, kind, page in listed(project)
        )
        file = folder / f"{project}.inv"
        file.write_bytes(head.encode() + zlib.compress(lines.encode()))
        config.intersphinx_mapping[project] = (url, str(file))


@functools.cache
def elsewhere():
    """The names that other projects document."""
    return {name for project in PROJECTS for name, *_ in listed(project)}


def definition(function):
    """The syntax of a function, as it stands in its file or, if it is derived, in the stub."""
    derived = hasattr(function, "definition")
    source = STUB.read_text() if derived else textwrap.dedent(inspect.getsource(function))
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return next(node for node in functions if node.name == function.__name__ or not derived)


def without_types(thing):
    """The arguments of a value whose constructor is made of its fields."""
    own_to_flax = ("self", "parent", "name")
    parameters = inspect.signature(thing.__init__).parameters.values()
    plain = [p.replace(annotation=p.empty) for p in parameters if p.name not in own_to_flax]
    return str(inspect.Signature(plain)).replace("<class 'jax.numpy.float32'>", "jnp.float32")


def as_written(app, what, name, thing, options, signature, returns):
    """Show types by the names that the code has for them, and not what they stand for."""
    if what == "class" and dataclasses.is_dataclass(thing) and signature:
        own = "__init__" in vars(thing) and not thing.__dataclass_params__.init
        return (without_types(thing), None) if not own else (signature, returns)
    if what not in ("function", "method") or not inspect.isroutine(thing):
        return signature, returns
    written = definition(thing)
    if what == "method":
        del written.args.args[0]
    returned = None if written.returns is None else ast.unparse(written.returns)
    return f"({ast.unparse(written.args)})", returned


def name_public_bases(app, name, thing, options, bases):
    """Show `Initializer` or `Law` as the base where the real one is an internal helper."""
    public = {object, *(getattr(cthulhu.laws, law) for law in cthulhu.laws.__all__)}
    for base, known in (
        (cthulhu.initializers.Initializer, set()),
        (cthulhu.laws.Law, public),
    ):
        if isinstance(thing, type) and issubclass(thing, base) and thing is not base:
            bases[:] = [one if one in known else base for one in bases]


def resolve_type(app, env, node, contnode):
    """Find a name in a signature among the types of `cthulhu.typing`."""
    name = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in cthulhu.typing.__all__:
        return None
    python = env.domains["py"]
    return python.resolve_xref(
        env, node["refdoc"], app.builder, "obj", f"cthulhu.typing.{name}", node, contnode
    )


def is_foreign(literal):
    """Whether code stands in a table beside a column "here", and so names other libraries."""
    entry = literal
    while entry is not None and not isinstance(entry, nodes.entry):
        entry = entry.parent
    if entry is None:
        return False
    (head,) = next(one for one in entry.parent.parent.parent if isinstance(one, nodes.thead))
    titles = [title.astext() for title in head]
    return "here" in titles and titles[entry.parent.index(entry)] != "here"


def called(text):
    """The name of what a text calls, if it is a class or has a module, as `HeNormal(seed=1)`."""
    name, parenthesis, _ = text.partition("(")
    if not parenthesis or not text.endswith(")"):
        return text
    if name[:1].isupper():
        return name.partition(".")[0]
    return name if "." in name else text


class LinkCode(SphinxPostTransform):
    """Make a link of code that is exactly the name of something documented, or calls a class."""

    default_priority = 5  # Before Sphinx resolves references.

    def run(self, **kwargs):
        for literal in list(self.document.findall(nodes.literal)):
            inside = (addnodes.pending_xref, nodes.reference, nodes.title)
            if isinstance(literal.parent, inside):
                continue
            text = literal.astext()
            target = text if text in elsewhere() else None
            if target is None and not is_foreign(literal):
                target = self.target(text)
            if target is not None:
                link = addnodes.pending_xref(
                    "",
                    refdomain="py",
                    reftype="obj",
                    reftarget=target,
                    refdoc=self.env.docname,
                    refexplicit=True,
                    refwarn=True,
                )
                literal.replace_self(link)
                link += literal

    def target(self, text):
        """The full name that is meant, if it is clear."""
        documented = self.env.domains["py"].objects
        if text in documented or text in elsewhere():
            return text
        text = called(text)
        if "." in text or not text.isidentifier():
            full = f"cthulhu.{text}"
            return full if full in documented else None
        found = [f"cthulhu.{package}.{text}" for package in PACKAGES]
        found = [name for name in found if name in documented]
        # One plain word may as well be an argument, or a name in another library.
        common = text.islower() and "_" not in text and f"cthulhu.backend.{text}" in documented
        return None if common or not found else found[0]


def setup(app):
    app.connect("config-inited", write_inventories, priority=100)  # Before intersphinx reads it.
    app.connect("autodoc-process-signature", as_written)
    app.connect("autodoc-process-bases", name_public_bases)
    app.connect("missing-reference", resolve_type)
    app.add_post_transform(LinkCode)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
