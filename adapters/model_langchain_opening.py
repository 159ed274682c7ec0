"""From a configured import path to a LangChain model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from ..router.errors import ConfigurationError
from ..router.protocols import Model
from .import_path import import_object
from .model_langchain import LangChainModel

__all__ = ["open_langchain_model"]

_SHORTEST_SECRET = 8


def open_langchain_model(path: str, options: Mapping[str, Any] | None = None) -> Model:
    """The model that a configuration names as `package.module:name`.

    The name stands for a chat model or runnable, for a chat model's class, or for a function that
    returns one of these or a `Model` of Surefoot's.

    Args:
        options: arguments of the class or function.

    Raises:
        ConfigurationError: there is no such name, it is none of these, or the options do not fit.
    """
    try:
        found = import_object(path)
    except ConfigurationError as error:
        raise ConfigurationError(str(error), field="model") from error
    if inspect.isclass(found) or inspect.isfunction(found) or inspect.ismethod(found):
        found = _made(path, found, dict(options or {}))
    elif options:
        raise ConfigurationError(
            f"'{path}' is made already and takes no {' or '.join(options)}; name its class, or a "
            "function that makes it",
            field="options",
        )
    if _is_model(found):
        return found
    try:
        return LangChainModel(found, name=path)
    except ConfigurationError as error:
        raise ConfigurationError(f"'{path}': {error}", field="model") from error


def _made(path: str, maker: Callable[..., object], options: dict[str, Any]) -> object:
    if "max_retries" in getattr(maker, "model_fields", ()):
        # There is one place that retries, with the request's time and the tier's budget in sight.
        options.setdefault("max_retries", 0)
    try:
        return maker(**options)
    except Exception as error:
        # The user's code runs here, and the validation of every integration: the path is named.
        # Without the cause, which shows the values that were given, and a key is among them.
        said = _without_values(str(error), options)
        failure = f"'{path}' cannot be made: {type(error).__name__}: {said}"
    raise ConfigurationError(failure, field="options")


def _without_values(text: str, options: Mapping[str, Any]) -> str:
    for value in options.values():
        if isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text


def _is_model(found: object) -> TypeGuard[Model]:
    """Whether it is a model of Surefoot's, by its methods; LangChain's have no `aclose`."""
    return all(callable(getattr(found, name, None)) for name in ("generate", "aclose"))
