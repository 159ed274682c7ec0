"""Settings from environment variables, over those of a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from ..router.errors import ConfigurationError

__all__ = ["PREFIX", "with_environment"]

PREFIX = "SUREFOOT__"


def with_environment(data: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The document with what variables like `SUREFOOT__SERVE__PORT=9000` put in its place.

    Two underscores lead into a table, or to a number in an array: `SUREFOOT__TIERS__0__BASE_URL`.
    Keys are found whatever their case, and written in lower case where there are none. A value is
    one of TOML, and a plain text where it is none.

    Raises:
        ConfigurationError: a variable leads nowhere; names it.
    """
    found: dict[str, Any] = _copied(data)
    for name in sorted(environment):
        if name.startswith(PREFIX):
            _put(found, name, environment[name])
    return found


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _put(document: dict[str, Any], name: str, text: str) -> None:
    steps = name.removeprefix(PREFIX).split("__")
    if not all(steps):
        raise ConfigurationError(
            f"{name}: expected {PREFIX}TABLE__KEY, as in {PREFIX}SERVE__PORT", field=name
        )
    place: Any = document
    for step in steps[:-1]:
        place = _into(place, step, name)
    last = steps[-1]
    if isinstance(place, list):
        place[_number(place, last, name)] = _value(text)
    elif isinstance(place, dict):
        place[_key(place, last)] = _value(text)
    else:
        raise _nowhere(name, last)


def _into(place: Any, step: str, name: str) -> Any:
    if isinstance(place, list):
        return place[_number(place, step, name)]
    if not isinstance(place, dict):
        raise _nowhere(name, step)
    return place.setdefault(_key(place, step), {})


def _number(place: list[Any], step: str, name: str) -> int:
    if step.isascii() and step.isdigit() and int(step) < len(place):
        return int(step)
    raise ConfigurationError(
        f"{name}: expected a number below {len(place)} in place of {step}", field=name
    )


def _key(place: Mapping[str, Any], step: str) -> str:
    known = [key for key in place if key.lower() == step.lower()]
    return known[0] if known else step.lower()


def _nowhere(name: str, step: str) -> ConfigurationError:
    return ConfigurationError(f"{name}: there is no table that {step} could be in", field=name)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, RecursionError):
        return text
