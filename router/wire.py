"""Records to plain JSON values and back, without loss.

pydantic does the work: one adapter per record type, built at first use, so that importing this
module costs nothing. Unknown fields are ignored, since files may come from a newer version.
Records hold finite numbers (adapters turn a logprob that is not finite into None, a missing one),
so nothing is lost to JSON's lack of infinities.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["decode", "decode_json", "encode", "encode_json"]

T = TypeVar("T")


@lru_cache(maxsize=64)
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(cast(Any, kind))


def encode(record: object) -> Any:
    """The record as dicts, lists, strings, numbers and None."""
    return _adapter(cast(Hashable, type(record))).dump_python(record, mode="json")


def encode_json(record: object) -> str:
    """The record as one line of JSON."""
    return _adapter(cast(Hashable, type(record))).dump_json(record).decode()


def decode(kind: type[T], data: object) -> T:
    """The record that `encode` made.

    Raises:
        UsageError: names the first field that does not fit.
    """
    from pydantic import ValidationError

    try:
        return cast(T, _adapter(cast(Hashable, kind)).validate_python(data))
    except ValidationError as error:
        raise _usage_error(kind, error) from error


def decode_json(kind: type[T], text: str | bytes) -> T:
    """The record that `encode_json` made; raises as `decode`."""
    from pydantic import ValidationError

    try:
        return cast(T, _adapter(cast(Hashable, kind)).validate_json(text))
    except ValidationError as error:
        raise _usage_error(kind, error) from error


def _usage_error(kind: type[Any], error: Any) -> UsageError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "(the whole record)"
    return UsageError(f"{kind.__name__}: field '{field}': {first['msg']}")
