"""Every error that Surefoot raises, in one tree.

::

    SurefootError
    ├── ConfigurationError          the operator: names the field and what to do
    │   ├── MissingExtra            a library of an optional extra is not installed
    │   ├── WeightsError            a model file is absent or is not the file that was pinned
    │   └── ProfileMismatch         a profile was fitted on something else than what runs now
    ├── UsageError                  the caller: bad question, bad file, bad argument
    │   ├── ContextTooLong          no configured tier can take the question
    │   └── BadInput                a file's line or field is wrong; names file, line and field
    ├── Abstained                   nothing failed: no answer was good enough; for doors that raise
    └── RunError                    the world: retried, degraded or abstained on
        ├── UpstreamError           a model or retriever did not deliver
        │   ├── UpstreamMalformed   it answered with something that is no answer
        │   ├── UpstreamTruncated   its answer ended before it was complete
        │   ├── UpstreamRateLimited it asks for patience; carries `retry_after_s`
        │   ├── UpstreamRefused     it rejects this request or these credentials for good
        │   │   ├── UpstreamUnauthorized  these credentials, for any request
        │   │   ├── ContentRefused        what this request says
        │   │   └── ContextOverflow       how long this request is
        │   └── UpstreamUnavailable it cannot be reached or is broken at the moment
        │       ├── CircuitOpen         it failed too often, and is left alone for a while
        │       └── Overloaded          too many calls of it are under way here
        ├── DeadlineExceeded        the request's time is up
        └── StoreError              a history or index failed; drivers degrade on it
            └── StoreCorrupt        what lies on disk is not what was written

An unavailable *signal* is a value (`Unavailable`), never an exception.
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "Abstained",
    "BadInput",
    "CircuitOpen",
    "ConfigurationError",
    "ContentRefused",
    "ContextOverflow",
    "ContextTooLong",
    "DeadlineExceeded",
    "MissingExtra",
    "Overloaded",
    "ProfileMismatch",
    "Reach",
    "RunError",
    "StoreCorrupt",
    "StoreError",
    "SurefootError",
    "UpstreamError",
    "UpstreamMalformed",
    "UpstreamRateLimited",
    "UpstreamRefused",
    "UpstreamTruncated",
    "UpstreamUnauthorized",
    "UpstreamUnavailable",
    "UsageError",
    "WeightsError",
]


class SurefootError(Exception):
    """The root: whatever Surefoot raises on purpose is one of these."""


class ConfigurationError(SurefootError):
    """The configuration is wrong. `field` is the dotted name of the culprit, where there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MissingExtra(ConfigurationError):
    """A library of an optional extra is not installed; the message carries the install line."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(
            f"{library} is not installed; install it with: pip install 'surefoot[{extra}]'"
        )
        self.library = library
        self.extra = extra


class WeightsError(ConfigurationError):
    """Model weights are absent, or the file is not the one that was pinned."""


class ProfileMismatch(ConfigurationError):
    """A profile was fitted on other models, estimators or calibrators than those that run."""


class UsageError(SurefootError):
    """The caller's request or arguments are wrong; doors map it to exit code 2 or a 4xx."""


class ContextTooLong(UsageError):
    """No tier can take the question. Sizes are in tokens, as estimated before the call."""

    def __init__(self, needed: int, largest: int) -> None:
        super().__init__(
            f"the question needs about {needed:,} tokens, and the largest tier takes {largest:,}; "
            "shorten the question or configure a tier with a longer context"
        )
        self.needed = needed
        self.largest = largest


class BadInput(UsageError):
    """A file holds something that cannot be read; names the file, the line and the field."""

    def __init__(
        self, message: str, *, file: str, line: int | None = None, field: str | None = None
    ) -> None:
        where = file if line is None else f"{file}:{line}"
        subject = where if field is None else f"{where}: field '{field}'"
        super().__init__(f"{subject}: {message}")
        self.file = file
        self.line = line
        self.field = field


class Abstained(SurefootError):
    """No answer was good enough to be served, and the caller wants that as an error."""


class RunError(SurefootError):
    """The world failed. The loop retries elsewhere, degrades or abstains; it never guesses.

    Attributes:
        calls: model calls that were made for nothing.
    """

    kind = "run"
    calls = 1


Reach = Literal["unknown", "not_sent", "sent", "answered"]
"""How far a request came that failed: `not_sent` is certain, nothing of it can have been worked on;
after `sent` it may have been, though nothing came back; `answered` is an answer or a part of one,
which may have to be paid for."""


class UpstreamError(RunError):
    """A model or a retriever did not deliver what was asked.

    Attributes:
        retry_after_s: seconds for which the upstream asks to be left alone; None where it did not.
        should_retry: what the upstream itself says of asking again; None where it says nothing.
        reach: how far the request came.
    """

    kind = "upstream"
    reach: Reach = "unknown"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
        reach: Reach | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry
        if reach is not None:
            self.reach = reach


class UpstreamMalformed(UpstreamError):
    """The upstream answered with something that is not an answer (HTML, bad JSON, no choices)."""

    kind = "malformed"
    reach = "answered"


class UpstreamTruncated(UpstreamError):
    """The upstream's answer ended before it was complete."""

    kind = "truncated"
    reach = "answered"


class UpstreamRateLimited(UpstreamError):
    """The upstream asks for patience; `retry_after_s` says how much, where it did."""

    kind = "rate_limited"


class UpstreamRefused(UpstreamError):
    """The upstream rejects this request or these credentials; repeating it cannot help."""

    kind = "refused"


class UpstreamUnauthorized(UpstreamRefused):
    """The upstream rejects these credentials, or what they may use: so it will any request."""

    kind = "unauthorized"


class ContentRefused(UpstreamRefused):
    """The upstream will not process what this request says; another model may."""

    kind = "content_refused"


class ContextOverflow(UpstreamRefused):
    """The request is longer than the model's context; a model with a larger one may take it."""

    kind = "context_overflow"


class UpstreamUnavailable(UpstreamError):
    """The upstream cannot be reached, or is broken at the moment."""

    kind = "unavailable"


class CircuitOpen(UpstreamUnavailable):
    """The upstream failed too often and is not asked; `retry_after_s` says when it will be."""

    kind = "circuit_open"
    calls = 0
    reach = "not_sent"


class Overloaded(UpstreamUnavailable):
    """Too many calls of the upstream are under way in this process: this one was not made."""

    kind = "overloaded"
    calls = 0
    reach = "not_sent"


class DeadlineExceeded(RunError):
    """The time that this request was given is up."""

    kind = "deadline"


class StoreError(RunError):
    """A history or an index failed. Drivers note it as a degradation and go on."""

    kind = "store"


class StoreCorrupt(StoreError):
    """A store on disk is not what was written; the message says which file and what to do."""

    kind = "corrupt"
