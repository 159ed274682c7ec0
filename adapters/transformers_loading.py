"""Loading with transformers: one model at a time, and without a word on the terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["transformers_loading"]

# `from_pretrained` replaces `PreTrainedModel.tie_weights` and torch's default type for the whole
# process while it runs. Two threads inside it restore each other's replacement, after which no
# model of this process gets its tied weights again (seen with transformers 5.23).
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def transformers_loading() -> Iterator[None]:
    """Within it, weights are loaded; others of this process wait, and no progress bar is drawn."""
    import transformers

    logging: Any = transformers.utils.logging  # its functions bear no annotations
    with _ONE_AT_A_TIME:
        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
