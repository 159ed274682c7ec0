"""Several answers to one prompt, written side by side, one token each at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..router.errors import UpstreamRefused
from ..router.evidence import FinishReason, Generation, HiddenState
from ..router.protocols import ModelCall
from .model_transformers_engine import Step, TransformersEngine
from .model_transformers_text import AnswerText

__all__ = ["Decoding", "Row"]

# So many tokens of a prompt at once: on a CPU about a second of a model of a billion weights, which
# is how long a cancelled call may hold up the next one.
_PREFILL = 256
_DIGITS = 6


@dataclass(slots=True)
class Row:
    """One answer under way.

    Attributes:
        place: which answer of the call it is.
        finish: why it ended; None while it is being written.
        states: per token that was put in, the layers asked for, each (width,).
    """

    place: int
    text: AnswerText
    generator: Any
    finish: FinishReason | None = None
    states: list[list[Any]] = field(default_factory=list)
    is_gone: bool = False

    def stop(self) -> None:
        """End it here."""
        self.finish = "stopped"


class Decoding:
    """Writes `call.n` answers. Blocks: each `step` is one forward pass.

    The prompt is computed once for all of them. Answer i draws with a random source of its own,
    from seed + i, so that it does not depend on how many others are written beside it.
    """

    def __init__(self, engine: TransformersEngine, call: ModelCall) -> None:
        import torch

        self._engine = engine
        self._call = call
        self._loaded = engine.load()
        self._prompt = engine.encode(call.prompt)
        self._left = list(self._prompt)
        self._cache: Any = None
        self._most = max(1, min(call.max_tokens, self._loaded.context - len(self._prompt)))
        stops = [each for each in call.prompt.stop if each]
        self.rows = [
            Row(
                place,
                AnswerText(self._loaded.texts, self._prompt, stops),
                torch.Generator().manual_seed((call.seed + place) % 2**63),
            )
            for place in range(call.n)
        ]
        self._running: list[Row] = []  # in the order of the batch
        self._check_layers()

    @property
    def prompt_tokens(self) -> int:
        """How many tokens the prompt has."""
        return len(self._prompt)

    @property
    def is_done(self) -> bool:
        """Whether all answers have ended and all of them that was asked for is known."""
        return all(row.finish is not None and not self._lacks_states(row) for row in self.rows)

    def step(self) -> None:
        """Put in a piece of the prompt, or the latest token of every answer; write the next."""
        if self._left:
            self._read_prompt()
            return
        self._drop_finished()
        ids = [[row.text.ids[-1]] for row in self._running]
        if self._cache is None:  # the model keeps nothing: all of it, every time
            ids = [[*self._prompt, *row.text.ids] for row in self._running]
        step = self._forward(ids, hidden=bool(self._call.hidden))
        for number, row in enumerate(self._running):
            self._keep_states(row, step, number)
        self._write(step)

    def generation(self, row: Row) -> Generation:
        """The answer, once `is_done`."""
        return Generation(row.text.text(), row.text.tokens(), row.finish, hidden=self._hidden(row))

    def _read_prompt(self) -> None:
        piece, self._left = self._left[:_PREFILL], self._left[_PREFILL:]
        step = self._forward([piece], hidden=False)
        if self._cache is None and self._left:  # nothing is kept: the whole prompt at once
            self._left = []
            step = self._forward([self._prompt], hidden=False)
        if self._left:
            return
        n = len(self.rows)
        self._running = list(self.rows)
        if n > 1 and self._cache is not None:
            self._cache.batch_repeat_interleave(n)
        self._write(Step(step.logits.expand(n, -1), step.cache))

    def _forward(self, ids: Sequence[Sequence[int]], *, hidden: bool) -> Step:
        step = self._engine.forward(ids, self._cache, hidden=hidden)
        self._cache = step.cache
        return step

    def _drop_finished(self) -> None:
        import torch

        kept = [
            number
            for number, row in enumerate(self._running)
            if row.finish is None or self._lacks_states(row)
        ]
        if len(kept) == len(self._running):
            return
        if self._cache is not None:
            index = torch.tensor(kept, device=self._loaded.device)
            self._cache.batch_select_indices(index)
        self._running = [self._running[number] for number in kept]

    def _write(self, step: Step) -> None:
        """The next token of every answer that goes on."""
        import torch

        logprobs = torch.log_softmax(step.logits, dim=-1)
        k = min(self._call.top_logprobs, logprobs.shape[-1])
        values, others = torch.topk(logprobs, max(k, 1))
        tops, names = values.tolist(), others.tolist()
        for number, row in enumerate(self._running):
            if row.finish is not None:
                continue
            token = names[number][0]
            if self._call.temperature > 0.0:
                token = self._drawn(step.logits[number], row)
            logprob = float(logprobs[number, token]) if k > 0 else None
            listed = list(zip(names[number], tops[number], strict=True)) if k > 0 else []
            # Vocabulary that the model was told never to use has no logprob that can be told.
            self._take(row, token, logprob, [one for one in listed if one[1] > float("-inf")])

    def _take(
        self, row: Row, token: int, logprob: float | None, others: Sequence[tuple[int, float]]
    ) -> None:
        if token in self._loaded.ends:
            row.text.end(token, logprob, others)
            row.finish = "stop"
            return
        row.text.add(token, logprob, others)
        if row.text.is_stopped:
            row.finish = "stop"
        elif len(row.text.ids) >= self._most:
            row.finish = "length"

    def _drawn(self, logits: Any, row: Row) -> int:
        """From the whole distribution at the temperature; in double precision, on the CPU."""
        import torch

        p = torch.softmax(logits.double().cpu() / self._call.temperature, dim=-1)
        total = torch.cumsum(p, dim=-1)
        u = torch.rand((), dtype=torch.float64, generator=row.generator) * total[-1]
        return min(int(torch.searchsorted(total, u, right=True)), len(total) - 1)

    # --- hidden states -------------------------------------------------------------------------

    def _check_layers(self) -> None:
        depth = getattr(self._loaded.model.config.get_text_config(), "num_hidden_layers", None)
        for wanted in self._call.hidden:
            if isinstance(depth, int) and not -depth - 1 <= wanted.layer <= depth:
                raise UpstreamRefused(
                    f"{self._engine.files.name} has no layer {wanted.layer}: it has {depth}, and "
                    "0 is the embedding"
                )

    def _lacks_states(self, row: Row) -> bool:
        """Whether the last token that counts has not been put in yet."""
        if not self._call.hidden:
            return False
        content = row.text.content()
        return bool(content) and len(row.states) <= content[-1]

    def _keep_states(self, row: Row, step: Step, number: int) -> None:
        if self._call.hidden:
            row.states.append(
                [
                    step.hidden[wanted.layer][number, -1].float().cpu()
                    for wanted in self._call.hidden
                ]
            )

    def _hidden(self, row: Row) -> tuple[HiddenState, ...]:
        content = row.text.content()
        if not content or not self._call.hidden:
            return ()
        found = []
        for number, wanted in enumerate(self._call.hidden):
            states = [row.states[place][number] for place in content]
            pooled = states[-1] if wanted.pooling == "last" else sum(states) / len(states)
            values = tuple([float(f"{x:.{_DIGITS}g}") for x in pooled.tolist()])
            found.append(HiddenState(wanted.layer, wanted.pooling, values))
        return tuple(found)
