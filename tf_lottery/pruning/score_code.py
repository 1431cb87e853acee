"""What a score of the user's computes, so that nothing goes on with another of the same name."""

import dis
import functools
import hashlib
import inspect
import re
import sys
from bisect import bisect_left
from collections.abc import Mapping
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

# Two instructions in one.
_PAIR = re.compile(r"((?:LOAD|STORE)_FAST)_((?:LOAD|STORE)_FAST)")
_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def code_of(score: Any) -> dict[str, str] | None:
    """Describes the code of a function as JSON values.

    Comments, docstrings and layout do not count. What counts is what it does, its defaults, and
    plain data and functions that it takes from functions around it. What it looks up elsewhere, as
    globals and functions that it calls, is not looked at.

    Args:
      score: a function, or an object that is called like one.

    Returns:
      A digest, and the Python that it is of, as each compiles the same text to other code; None of
      a name, and of what is not written in Python.
    """
    if isinstance(score, str):
        return None
    digest = hashlib.sha256()
    if not _add_callable(digest, score, set()):
        return None
    return {"python": str(sys.implementation.cache_tag), "sha256": digest.hexdigest()}


def _add(digest: Any, value: Any, seen: set[int]) -> None:
    """Adds what another process can tell of a value: data and code, of other objects the kind."""
    if isinstance(value, CodeType):
        _add_code(digest, value, seen)
    elif isinstance(value, np.ndarray | np.generic) and not np.asarray(value).dtype.hasobject:
        array = np.asarray(value)
        digest.update(f"array {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    elif isinstance(value, Mapping):
        _add(digest, [part for item in value.items() for part in item], seen)
    elif isinstance(value, list | tuple):
        digest.update(f"{type(value).__name__} of {len(value)} ".encode())
        for each in value:
            _add(digest, each, seen)
    elif isinstance(value, set | frozenset):
        # Another process has them in another order.
        digest.update(f"set {sorted(map(repr, value))} ".encode())
    elif isinstance(value, _PLAIN):
        digest.update(f"{type(value).__name__} {value!r} ".encode())
    elif isinstance(value, type) or not _add_callable(digest, value, seen):
        digest.update(f"{getattr(value, '__qualname__', type(value).__qualname__)} ".encode())


def _add_callable(digest: Any, value: Any, seen: set[int]) -> bool:
    """Adds the code behind something that can be called; says whether there is any."""
    if isinstance(value, functools.partial):
        _add(digest, [value.args, value.keywords], seen)
        return _add_callable(digest, value.func, seen)
    if not isinstance(value, FunctionType | MethodType) and not isinstance(value, type):
        # A cache holds its function, and the class of an object its `__call__`.
        value = getattr(value, "__wrapped__", None) or inspect.getattr_static(
            type(value), "__call__", None
        )
    function = getattr(value, "__func__", value)
    if not isinstance(function, FunctionType):
        return False
    digest.update(b"function ")
    if id(function) in seen:
        return True
    seen.add(id(function))
    _add_code(digest, function.__code__, seen)
    _add(digest, [function.__defaults__, function.__kwdefaults__], seen)
    for cell in function.__closure__ or ():
        try:
            _add(digest, cell.cell_contents, seen)
        except ValueError:  # Nothing is assigned to it yet.
            digest.update(b"empty ")
    return True


def _add_code(digest: Any, code: CodeType, seen: set[int]) -> None:
    parts = [part for each in dis.get_instructions(code) for part in _parts(each)]
    offsets = [offset for offset, _, _ in parts]
    for _, instruction, argument in parts:
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            argument = bisect_left(offsets, instruction.argval)
        digest.update(f"{instruction.opname} ".encode())
        _add(digest, argument, seen)


def _parts(instruction: dis.Instruction) -> list[tuple[int, dis.Instruction, Any]]:
    """An instruction with its offset and argument; as two, or none, where the layout made it."""
    offset, name = instruction.offset, instruction.opname
    argument: Any = instruction.arg
    if name in ("NOP", "EXTENDED_ARG"):
        return []
    if pair := _PAIR.fullmatch(name):
        # Python 3.13 joins two instructions if their text is on one line.
        halves = zip(pair.groups(), (argument >> 4, argument & 15), strict=True)
        return [
            (offset, instruction._replace(opname=half, opcode=dis.opmap[half]), place)
            for half, place in halves
        ]
    if instruction.opcode in dis.hasconst or instruction.opcode in dis.hasname:
        # The place of a constant or name depends on docstrings, which do not count.
        argument = instruction.argval
    return [(offset, instruction, argument)]
