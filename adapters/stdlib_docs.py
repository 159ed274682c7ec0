"""Collects the docstrings of the running interpreter's standard library.

The modules are imported and looked at, not parsed: half of what people ask for (`str`, `math`,
`itertools`, `time`, most of `os`) is written in C and has no source to parse, and re-exports
(`os.path.join`, `asyncio.sleep`) are found under the name that people know only through the live
module. It takes half a second. What importing 200 modules does to a process (deprecation
warnings, escape codes on the terminal, memory) is kept out of the caller's: this file is also
a script, which `corpus_python` runs in a child interpreter of its own. It therefore imports
nothing but the standard library.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import pkgutil
import re
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

__all__ = ["Entry", "collect", "collect_quietly"]


class Entry(NamedTuple):
    """One documented thing.

    Attributes:
        kind: module, class, exception, function, method, attribute, constants, or topic.
        name: dotted, as one would write it in code (`str.split`, `os.path.join`).
        signature: with parentheses, empty where it has none or it is not known.
        doc: the docstring, indentation cleaned.
    """

    kind: str
    name: str
    signature: str
    doc: str


# They act on import, need a display, are aliases of another module, are going or gone (PEP 594),
# or are the interpreter's own workshop rather than a library.
_SKIPPED = frozenset(
    "aifc antigravity asynchat asyncore audioop cgi cgitb chunk crypt distutils encodings "
    "ensurepip genericpath idlelib imghdr imp lib2to3 mailcap msilib nis nntplib nt nturl2path "
    "ntpath opcode ossaudiodev pipes posix posixpath pydoc_data pyexpat readline rlcompleter smtpd "
    "sndhdr spwd sre_compile sre_constants sre_parse sunau telnetlib test this tkinter turtle "
    "turtledemo uu xdrlib".split()
)
_SKIPPED_PARTS = frozenset({"__main__", "test", "tests", "idle_test"})
# Their plain values depend on the machine, its libraries or the way Python was started.
_MACHINE_BOUND = frozenset(
    {"os", "os.path", "site", "sqlite3", "sqlite3.dbapi2", "ssl", "sys", "sysconfig", "time"}
    | {"xml.parsers.expat", "zlib"}
)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ROUTINES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)
_ATTRIBUTES = (property, types.GetSetDescriptorType, types.MemberDescriptorType)


def collect() -> list[Entry]:
    """Everything worth having, sorted by name; the same on every run of one Python version."""
    modules = dict(_modules())
    entries = [entry for name, module in modules.items() for entry in _module(name, module)]
    for name, thing in sorted(_canonical(modules).items()):
        entries += _thing(name, thing)
    return sorted({*entries}) + sorted(_topics())


def collect_quietly() -> list[Entry]:
    """`collect` for a process that has no child: no warnings, nothing on stdout or stderr."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        return collect()


def _modules() -> Iterator[tuple[str, types.ModuleType]]:
    """Public modules and their public submodules, by the name that people import."""
    for root in sorted(sys.stdlib_module_names - _SKIPPED):
        if not root.startswith("_"):
            yield from _module_tree(root)
    yield "os.path", importlib.import_module("os.path")


def _module_tree(name: str) -> Iterator[tuple[str, types.ModuleType]]:
    module = _imported(name)
    if module is None:
        return
    yield name, module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not found.name.startswith("_") and found.name not in _SKIPPED_PARTS:
            yield from _module_tree(f"{name}.{found.name}")


def _imported(name: str) -> types.ModuleType | None:
    try:
        return importlib.import_module(name)
    # A module of another platform, or one whose C library is missing, fails in any way it likes;
    # documentation then goes without it.
    except (Exception, SystemExit):
        return None


def _public(name: str, module: types.ModuleType) -> dict[str, object]:
    """The names that a module offers, imported ones left out."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return {key: getattr(module, key) for key in listed if hasattr(module, key)}
    found = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    root = name.partition(".")[0]
    return {
        key: value
        for key, value in found.items()
        if (getattr(value, "__module__", None) or root).lstrip("_").partition(".")[0] == root
    }


def _canonical(modules: dict[str, types.ModuleType]) -> dict[str, object]:
    """Each class and function once, under its shortest name; own spelling before an alias."""
    best: dict[int, tuple[tuple[bool, int, int, str], object]] = {}
    for prefix, module in modules.items():
        for key, value in _public(prefix, module).items():
            if not (isinstance(value, type) or callable(value)) or inspect.ismodule(value):
                continue
            name = key if prefix == "builtins" else f"{prefix}.{key}"
            rank = (getattr(value, "__name__", key) != key, name.count("."), len(name), name)
            if id(value) not in best or rank < best[id(value)][0]:
                best[id(value)] = (rank, value)
    return {rank[-1]: value for rank, value in best.values()}


def _module(name: str, module: types.ModuleType) -> Iterator[Entry]:
    doc = _doc(module)
    if doc:
        yield Entry("module", name, "", doc)
    constants = [
        _constant(name, key, value)
        for key, value in sorted(_public(name, module).items())
        if not key.startswith("_")
        and not (callable(value) or inspect.ismodule(value) or isinstance(value, enum.Enum))
        and type(value).__module__ != "__future__"
    ]
    if constants:
        yield Entry("constants", name, "", ", ".join(constants))


def _constant(module: str, key: str, value: object) -> str:
    telling = type(value) in (bool, int, float, str) and len(repr(value)) <= 64
    return f"{key} = {value!r}" if telling and module not in _MACHINE_BOUND else key


def _thing(name: str, thing: object) -> Iterator[Entry]:
    if isinstance(thing, type):
        yield from _class(name, thing)
        return
    # An instance of a library's class carries the docstring of that class.
    doc = "" if _doc(type(thing)) == _doc(thing) else _doc(thing)
    if doc or isinstance(thing, _ROUTINES):
        yield Entry("function", name, _signature(thing, doc), doc)


def _class(name: str, thing: type) -> Iterator[Entry]:
    doc, bare = _doc(thing), []
    for key, raw in _namespace(thing).items():
        member = None if key.startswith("_") else _member(f"{name}.{key}", raw)
        if member is not None and member.doc:
            yield member
        elif member is not None:
            bare.append(key + member.signature)
    signature = _signature(thing, doc)
    kind = "exception" if issubclass(thing, BaseException) else "class"
    if not doc:
        bases = ", ".join(base.__name__ for base in thing.__bases__)
        doc = f"{kind.capitalize()} derived from {bases}."
    if bare:
        doc += f"\n\nOther members: {', '.join(bare)}"
    if issubclass(thing, enum.Enum):
        # All enumerations are called in the same way; what matters is what they hold.
        signature, members = "", [f"{member.name} = {member.value!r}" for member in thing]
        doc += f"\n\nMembers: {', '.join(members)}" if members else ""
    yield Entry(kind, name, signature, doc)


def _namespace(thing: type) -> dict[str, object]:
    """What the class defines, and what it has from private bases, which nobody looks up."""
    found: dict[str, object] = {}
    for base in reversed(thing.__mro__):
        if base is thing or base.__name__.startswith("_"):
            found.update(vars(base))
    return dict(sorted(found.items()))


def _member(name: str, raw: object) -> Entry | None:
    """A method or attribute of a class, from its raw value in the class's namespace."""
    inner = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
    doc = _doc(inner)
    if isinstance(inner, _ROUTINES):
        return Entry("method", name, _signature(inner, doc, bound=inner is raw), doc)
    if isinstance(inner, _ATTRIBUTES) and not doc.startswith("Alias for field number"):
        return Entry("attribute", name, "", doc)
    return None


def _doc(thing: object) -> str:
    doc = getattr(thing, "__doc__", None)
    return inspect.cleandoc(doc) if isinstance(doc, str) else ""


def _signature(thing: object, doc: str, bound: bool = True) -> str:
    """The call's form, or "" where it is unknown or the docstring begins with it anyway."""
    if re.match(r"[\w.]+\(", doc):
        return ""
    try:
        shown = str(inspect.signature(thing))  # type: ignore[arg-type]  # TypeError is expected
    except (AttributeError, NameError, TypeError, ValueError):
        # C functions without a signature, or with a default that cannot be evaluated.
        return ""
    shown = _ADDRESS.sub("", shown)
    if sys.executable:
        shown = shown.replace(repr(sys.executable), "sys.executable")
    return re.sub(r"^\((?:self|cls)(?:, /)?(?:, )?", "(", shown) if bound else shown


def _topics() -> list[Entry]:
    """The language reference that `help()` shows; left out of some minimal installations."""
    module = _imported("pydoc_data.topics")
    found: dict[str, str] = getattr(module, "topics", {})
    return [Entry("topic", name, "", text) for name, text in found.items()]


if __name__ == "__main__":
    json.dump(collect_quietly(), sys.stdout)
