"""Parameters in files: what arrays there are, each of which is read when it is looked at.

An array of a file says its shape and its type, and NumPy reads its values when it asks for them:
those of safetensors and of npz without compression as a map of the file's memory, so that neither
a file nor an array need fit into memory. Nothing in a file is run.
"""

import json
import math
import re
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu._types import DType, HostArray, PyTree
from cthulhu.trees import component, nested

FORMATS = "safetensors, npz, or a folder of Orbax"
LARGEST_HEADER = 100_000_000  # Bytes, as the format itself has it.
TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
}
PICKLED = (
    "is pickled by PyTorch, and to read a pickle runs whatever code is in it. Save the tensors "
    "alone: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
)
ORBAX = ("_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt")

Read = Callable[[], HostArray]


class Stored:
    """An array of a file, which NumPy reads when it asks for its values."""

    def __init__(self, shape: tuple[int, ...], dtype: DType, read: Read) -> None:
        self.shape = shape
        self.dtype = dtype
        self.read = read

    @property
    def nbytes(self) -> int:
        """The bytes of its values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> HostArray:
        """The values."""
        values = np.asarray(self.read())
        return values if dtype is None else values.astype(dtype, copy=bool(copy))


def load(path: str | Path) -> dict[str, Any]:
    """The arrays of a checkpoint, as nested dicts of `Stored`.

    Args:
        path: a file of safetensors or npz, or a folder: of safetensors, or of Orbax.

    Returns:
        Nested dicts by the paths that the names are: split at slashes, or at dots if no name
        has a slash.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r}{near(path)}")
    found = dict(arrays(path))
    if not found:
        raise ValueError(f"{str(path)!r} holds no arrays")
    return nested_by_name(found)


def near(path: Path) -> str:
    """A file of nearly this name, if there is one."""
    if not path.parent.is_dir():
        return ""
    return checks.did_you_mean(path.name, sorted(one.name for one in path.parent.iterdir()))


def arrays(path: Path) -> Iterator[tuple[str, Stored]]:
    """The arrays of a checkpoint by name, in whichever format it is."""
    if path.is_dir():
        parts = sorted(path.glob("*.safetensors"))
        if parts:
            for part in parts:
                yield from of_safetensors(part)
        else:
            yield from of_orbax(path)
        return
    with path.open("rb") as file:
        start = file.read(16)
    if zipfile.is_zipfile(path):
        yield from of_npz(path)
    elif start[8:9] == b"{":
        yield from of_safetensors(path)
    elif start[:1] == b"\x80":
        raise ValueError(f"{str(path)!r} {PICKLED}")
    else:
        raise ValueError(f"{str(path)!r} must be {FORMATS}; its first bytes are {start!r}")


def of_safetensors(path: Path) -> Iterator[tuple[str, Stored]]:
    """The tensors of a file of safetensors: a header in JSON, then their bytes."""
    wrong = f"{str(path)!r} is no file of safetensors, or was cut short"
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if length > min(size - 8, LARGEST_HEADER):
            raise ValueError(f"{wrong}: its header would be of {length:,} bytes")
        try:
            header = json.loads(file.read(length))
            entries = [(name, one) for name, one in header.items() if name != "__metadata__"]
            told = [
                (name, one["dtype"], tuple(map(int, one["shape"])), *map(int, one["data_offsets"]))
                for name, one in entries
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{wrong}: its header cannot be read ({error!r})") from None
    first = 8 + length
    for name, kind, shape, begin, end in told:
        if kind not in TYPES:
            raise ValueError(
                f"{str(path)!r}: {name!r} is of type {kind}, which JAX does not have; known are "
                f"{', '.join(TYPES)}"
            )
        dtype = jnp.dtype(TYPES[kind])
        if end - begin != math.prod(shape) * dtype.itemsize or min((begin, *shape), default=0) < 0:
            raise ValueError(f"{wrong}: {name!r} has other bytes than its shape {shape} says")
        if first + end > size:
            raise ValueError(f"{wrong}: {name!r} ends behind the end of the file")
        yield name, Stored(shape, dtype, mapped(path, dtype, shape, first + begin, "C"))


def mapped(path: Path, dtype: DType, shape: tuple[int, ...], offset: int, order: Any) -> Read:
    """What maps a part of a file as an array."""

    def read() -> HostArray:
        if not math.prod(shape):
            return np.zeros(shape, dtype)
        # Not as an np.memmap, whose every slice is a Python object that costs time.
        flat = np.memmap(path, dtype, "r", offset, (math.prod(shape),))
        return np.asarray(flat).reshape(shape, order=order)

    return read


def of_npz(path: Path) -> Iterator[tuple[str, Stored]]:
    """The arrays of an archive of NumPy's."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(one.filename.endswith("data.pkl") for one in members):
            raise ValueError(f"{str(path)!r} {PICKLED}")
        members = [one for one in members if one.filename.endswith(".npy")]
        if not members:
            raise ValueError(f"{str(path)!r} must be {FORMATS}; it is an archive without arrays")
        for one in members:
            name = one.filename.removesuffix(".npy")
            with archive.open(one) as file:
                version = np.lib.format.read_magic(file)
                read_header: Any = getattr(np.lib.format, f"read_array_header_{version[0]}_0", None)
                if read_header is None:
                    raise ValueError(f"{str(path)!r}: {name!r} is of version {version} of npy")
                shape, fortran, dtype = read_header(file)
                length = file.tell()
            if dtype.hasobject:
                raise ValueError(
                    f"{str(path)!r}: {name!r} holds objects of Python, which are pickled, and to "
                    "read a pickle runs whatever code is in it; save arrays of numbers"
                )
            # NumPy has no bfloat16, and writes that its numbers are of two bytes.
            known = jnp.dtype(jnp.bfloat16) if dtype == np.dtype("V2") else dtype
            if one.compress_type == zipfile.ZIP_STORED:
                offset = begin_of(path, one) + length
                read = mapped(path, known, shape, offset, "F" if fortran else "C")
            else:
                read = unpacked(path, one.filename, known)
            yield name, Stored(shape, known, read)


def begin_of(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member of an archive begin: behind a header of its own."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return member.header_offset + 30 + int(name) + int(extra)


def unpacked(path: Path, member: str, dtype: DType) -> Read:
    """What reads an array that is compressed."""

    def read() -> HostArray:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            values: HostArray = np.lib.format.read_array(file, allow_pickle=False)
        return values if values.dtype == dtype else values.view(dtype)

    return read


def of_orbax(path: Path) -> Iterator[tuple[str, Stored]]:
    """The arrays of a folder that Orbax wrote: of a step, of its item, or of a tree."""
    path = step_of(path)
    with checks.extra("a checkpoint of Orbax", "orbax"):
        import orbax.checkpoint as ocp
    reader = ocp.PyTreeCheckpointer()
    told: Any = reader.metadata(path)
    told = getattr(told, "item_metadata", told)
    told = getattr(told, "tree", told)
    found, structure = jax.tree_util.tree_flatten_with_path(
        told, is_leaf=lambda one: hasattr(one, "shape")
    )

    def reading(at: int) -> Read:
        """What reads one array alone."""

        def read() -> HostArray:
            items = [ocp.PLACEHOLDER] * len(found)
            items[at] = found[at][1]
            options = [ocp.RestoreArgs(restore_type=np.ndarray)] * len(found)
            restored = reader.restore(
                path,
                args=ocp.args.PyTreeRestore(
                    item=jax.tree.unflatten(structure, items),
                    restore_args=jax.tree.unflatten(structure, options),
                ),
            )
            leaves = jax.tree.leaves(restored, is_leaf=lambda one: one is ocp.PLACEHOLDER)
            return np.asarray(leaves[at])

        return read

    for at, (entries, one) in enumerate(found):
        if getattr(one, "shape", None) is not None and getattr(one, "dtype", None) is not None:
            name = "/".join(map(component, entries))
            yield name, Stored(tuple(one.shape), jnp.dtype(one.dtype), reading(at))


def step_of(path: Path) -> Path:
    """Of a folder of Orbax, the one that has a tree: of steps the last, of items the only one."""
    steps = [one for one in path.iterdir() if one.is_dir() and one.name.isdecimal()]
    if steps and not (path / "_METADATA").exists():
        return step_of(max(steps, key=lambda one: int(one.name)))
    if (path / "_METADATA").exists():
        return path.resolve()
    items = sorted(one.parent for one in path.glob("*/_METADATA"))
    if len(items) == 1:
        return items[0].resolve()
    if items:
        names = ", ".join(repr(one.name) for one in items)
        raise ValueError(f"{str(path)!r} holds several items: pass the folder of one of {names}")
    raise ValueError(f"{str(path)!r} must be {FORMATS}; the folder holds neither")


def nested_by_name(found: Mapping[str, Stored]) -> dict[str, Any]:
    """Arrays by name as nested dicts."""
    split = "/" if any("/" in name for name in found) else "."
    return nested((tuple(name.split(split)), array) for name, array in found.items())


def under(tree: PyTree, path: str) -> PyTree:
    """The part of a tree at a path, joined by slashes or dots."""
    node, at = tree, ""
    for step in filter(None, re.split(r"[/.]", path)):
        if not isinstance(node, dict) or step not in node:
            names = list(node) if isinstance(node, dict) else []
            there = ", ".join(map(repr, names[:10])) or "no more"
            raise ValueError(
                f"the checkpoint has no {(at + step)!r}{checks.did_you_mean(step, names)}; "
                f"{'under ' + repr(at[:-1]) if at else 'at the top'} it has {there}"
            )
        node, at = node[step], f"{at}{step}/"
    return node if isinstance(node, dict) else {at.split("/")[-2]: node}
