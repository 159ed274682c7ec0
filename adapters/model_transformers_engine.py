"""A causal language model in this process: loading it, showing it a prompt, one step of writing.

Everything here blocks and is meant to be called from one worker thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

from ..router.errors import RunError, UpstreamMalformed, UpstreamRefused, UpstreamUnavailable
from ..router.protocols import Message, Prompt
from .model_transformers_files import CausalModel
from .model_transformers_text import TokenTexts
from .openmp import short_spins
from .transformers_loading import transformers_loading

__all__ = ["Loaded", "Step", "TransformersEngine"]

_DEFAULT_CONTEXT = 2048
_DTYPE_ARGUMENT = (4, 56)  # earlier releases of transformers call it torch_dtype


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready.

    Attributes:
        ends: ids of the tokens that end an answer.
        context: tokens of prompt and answer together.
    """

    model: Any
    tokenizer: Any
    texts: TokenTexts
    device: str
    ends: frozenset[int]
    context: int
    keeps_logits: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one forward pass.

    Attributes:
        logits: (rows, vocabulary), of the last position, float32.
        cache: what spares computing the past again; None where the model keeps none.
        hidden: per layer (rows, tokens that were put in, width); empty where not asked for.
    """

    logits: Any
    cache: Any
    hidden: Sequence[Any] = ()


class TransformersEngine:
    """Loads a model at its first use and runs it."""

    def __init__(self, files: CausalModel) -> None:
        self.files = files
        self._loaded: Loaded | None = None
        self._is_closed = False

    def load(self) -> Loaded:
        """The model, loaded if need be.

        Raises:
            UpstreamUnavailable: it cannot be loaded, or was closed.
        """
        if self._is_closed:
            raise UpstreamUnavailable(f"{self.files.name} is closed")
        if self._loaded is None:
            try:
                self._loaded = self._opened()
            except RunError:
                raise
            except Exception as error:
                # A damaged or foreign file: every format and library has an error of its own.
                raise self._broken("cannot be loaded", error) from error
        return self._loaded

    def close(self) -> None:
        """Give the memory back."""
        self._is_closed = True
        self._loaded = None

    def encode(self, prompt: Prompt) -> list[int]:
        """The tokens that the model is shown: messages through its chat template, text as it is.

        Raises:
            UpstreamRefused: there is nothing to show, no template to show messages with, or more
                than the context takes.
        """
        loaded = self.load()
        if prompt.messages:
            text = self._rendered(loaded, prompt.messages)
            ids = loaded.tokenizer.encode(text, add_special_tokens=False)
        elif prompt.text:
            ids = loaded.tokenizer.encode(_encodable(prompt.text))
        else:
            raise UpstreamRefused("the prompt is empty; give it text or messages")
        if len(ids) >= loaded.context:
            raise UpstreamRefused(
                f"the prompt has {len(ids)} tokens and the context of {self.files.name} takes "
                f"{loaded.context}; show it fewer passages or use a longer context"
            )
        return list(ids)

    def forward(self, ids: Sequence[Sequence[int]], cache: Any, *, hidden: bool) -> Step:
        """Put in the next tokens of every row.

        Args:
            ids: as many in each row; with `cache` None the whole of it.

        Raises:
            UpstreamUnavailable: the model cannot be run (no memory, say).
            UpstreamMalformed: it returned something that is no number.
        """
        import torch

        loaded = self.load()
        extra: dict[str, Any] = {"logits_to_keep": 1} if loaded.keeps_logits else {}
        try:
            with torch.inference_mode():
                output = loaded.model(
                    input_ids=torch.tensor(ids, device=loaded.device),
                    past_key_values=cache,
                    use_cache=True,
                    output_hidden_states=hidden,
                    **extra,
                )
                logits = output.logits[:, -1].float()
                if bool(torch.isnan(logits).any() or torch.isposinf(logits).any()):
                    raise UpstreamMalformed(f"{self.files.name} returned numbers that are none")
        except (RuntimeError, IndexError) as error:  # torch's own, no memory included
            raise self._broken("cannot be run", error) from error
        found = output.hidden_states if hidden else ()
        return Step(logits, getattr(output, "past_key_values", None), found)

    def _rendered(self, loaded: Loaded, messages: Sequence[Message]) -> str:
        if loaded.tokenizer.chat_template is None:
            raise UpstreamRefused(
                f"{self.files.name} has no chat template and cannot be given messages; "
                "give the prompt as text"
            )
        from jinja2 import TemplateError

        shown = [{"role": each.role, "content": _encodable(each.content)} for each in messages]
        try:
            return self._templated(loaded, shown)
        except TemplateError as error:
            if len(shown) < 2 or shown[0]["role"] != "system":
                raise UpstreamRefused(f"{self.files.name}: its chat template: {error}") from error
        # Some templates know no system message: it then begins the first message of the user.
        first = {**shown[1], "content": f"{shown[0]['content']}\n\n{shown[1]['content']}"}
        try:
            return self._templated(loaded, [first, *shown[2:]])
        except TemplateError as error:
            raise UpstreamRefused(f"{self.files.name}: its chat template: {error}") from error

    def _templated(self, loaded: Loaded, messages: Sequence[Mapping[str, str]]) -> str:
        text = loaded.tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=True
        )
        return str(text)

    def _opened(self) -> Loaded:
        with short_spins():
            import torch
        import transformers

        files = self.files
        device = files.device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = files.dtype or ("float32" if device == "cpu" else "auto")
        release = tuple(int(part) for part in transformers.__version__.split(".")[:2])
        argument = "dtype" if release >= _DTYPE_ARGUMENT else "torch_dtype"
        with transformers_loading():
            tokenizer = transformers.AutoTokenizer.from_pretrained(**files.sources())
            found: Any = transformers.AutoModelForCausalLM.from_pretrained(
                **files.sources(),
                **{argument: dtype if dtype == "auto" else getattr(torch, dtype)},
                output_loading_info=True,
            )
        model, info = found
        if info["missing_keys"]:  # they would be random numbers
            lost = sorted(info["missing_keys"])
            raise UpstreamUnavailable(
                f"{files.name} cannot be loaded: its files lack {len(lost)} weights, {lost[0]} for "
                "one; name a causal language model"
            )
        model = model.to(device).eval()
        return Loaded(
            model,
            tokenizer,
            TokenTexts(tokenizer),
            device,
            _ends(model, tokenizer),
            self._context(model.config),
            "logits_to_keep" in signature(model.forward).parameters,
        )

    def _context(self, config: Any) -> int:
        made_for = getattr(config.get_text_config(), "max_position_embeddings", None)
        known = made_for if isinstance(made_for, int) else None
        wanted = self.files.context or known or _DEFAULT_CONTEXT
        return wanted if known is None else min(wanted, known)

    def _broken(self, what: str, error: Exception) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"{self.files.name} {what}: {type(error).__name__}: {error}")


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    found: set[int] = set()
    for holder in (getattr(model, "generation_config", None), model.config, tokenizer):
        ids = getattr(holder, "eos_token_id", None)
        found |= {ids} if isinstance(ids, int) else set(ids or ())
    return frozenset(found)


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced: they have no UTF-8 form."""
    return text.encode("utf-8", "replace").decode()
