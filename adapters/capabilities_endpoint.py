"""What an OpenAI-compatible endpoint tells of its models without generating: free to ask."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..router.capabilities import NOTHING_KNOWN, Capabilities

__all__ = ["endpoint_facts"]

_TIMEOUT_S = 5.0
_MOST_BYTES = 4 * 1024 * 1024
# Of vLLM and SGLang, OpenRouter, Groq, LM Studio.
_CONTEXT_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length")
_V1 = "/v1"


async def endpoint_facts(base_url: str, model: str, api_key: str | None = None) -> Capabilities:
    """The context length of a model, from the endpoint's list of models or llama.cpp's `/props`.

    Nothing is known of an endpoint that has neither; this never raises for what it answers.
    """
    import httpx

    root = base_url.rstrip("/")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, headers=headers) as client:
        context = _listed(await _fetched(client, f"{root}/models"), model)
        if context is None:
            context = _props(await _fetched(client, f"{root.removesuffix(_V1)}/props"))
    return NOTHING_KNOWN if context is None else Capabilities(context=context)


async def _fetched(client: Any, url: str) -> Any:
    """The JSON at a URL; None where there is none."""
    import httpx

    body = b""
    try:
        async with client.stream("GET", url) as response:
            if response.status_code != 200:
                return None
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    return None
        return json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError):
        return None


def _listed(found: Any, model: str) -> int | None:
    """The context of the model of that name, or of the only one: llama.cpp names it by its file."""
    data = found.get("data") if isinstance(found, Mapping) else None
    if not isinstance(data, Sequence) or isinstance(data, str):
        return None
    entries = [each for each in data if isinstance(each, Mapping)]
    named = [each for each in entries if each.get("id") == model]
    chosen = named or (entries if len(entries) == 1 else [])
    if not chosen:
        return None
    meta = chosen[0].get("meta")
    places = [chosen[0].get(key) for key in _CONTEXT_KEYS]
    if isinstance(meta, Mapping):
        places.append(meta.get("n_ctx"))
    return next((one for each in places if (one := _tokens(each)) is not None), None)


def _props(found: Any) -> int | None:
    settings = found.get("default_generation_settings") if isinstance(found, Mapping) else None
    return _tokens(settings.get("n_ctx")) if isinstance(settings, Mapping) else None


def _tokens(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= 1 << 30 else None
