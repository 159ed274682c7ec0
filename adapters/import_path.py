"""Objects of the user's own code, named in the configuration as `package.module:name`."""

from __future__ import annotations

import importlib

from ..router.errors import ConfigurationError

__all__ = ["import_object"]


def import_object(path: str) -> object:
    """What `package.module:name` (or `:name.attribute`) stands for; imports the module.

    Raises:
        ConfigurationError: the path has another form, or there is no such module or name.
    """
    module_name, _, name = path.partition(":")
    names = name.split(".")
    if not all(part.isidentifier() for part in (*module_name.split("."), *names)):
        raise ConfigurationError(
            f"'{path}' is no import path: expected package.module:name, say my_app.search:retriever"
        )
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:
        # The user's code runs here: whatever it raises, the configuration names it.
        raise ConfigurationError(
            f"'{path}' cannot be imported: {type(error).__name__}: {error}; install the package, "
            "or put the folder that holds it on PYTHONPATH"
        ) from error
    reached = module_name
    for part in names:
        if not hasattr(found, part):
            raise ConfigurationError(f"'{path}' cannot be imported: {reached} has no '{part}'")
        found, reached = getattr(found, part), f"{reached}.{part}"
    return found
