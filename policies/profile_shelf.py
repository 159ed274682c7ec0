"""The profiles of a deployment: which is active, which is tried beside it, which came before.

A shelf lies where all replicas see it. Every change is made on what was read, or not at all, so
that two people who promote at the same time do not undo each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..router.errors import BadInput, StoreCorrupt, StoreError, UsageError
from ..router.wire import decode_json, encode_json
from .monitor_store import MonitorStore
from .profile import Profile, parse_profile, profile_text

__all__ = ["ProfileShelf", "ShelfState"]

_TRIES = 50
_MOST_BEFORE = 20


@dataclass(frozen=True, slots=True)
class ShelfState:
    """What a shelf says.

    Attributes:
        active: fingerprint of the profile that decides; None where none was promoted yet.
        candidate: of the one that is tried beside it; None where none is.
        before: of those that were active earlier, the last one first.
        known: of all that were put on the shelf, in that order.
        changes: how often the shelf was changed.
    """

    active: str | None = None
    candidate: str | None = None
    before: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    changes: int = 0


class ProfileShelf:
    """Profiles by fingerprint in a store of versioned texts, and one text that says which counts.

    Every method raises a StoreError where the store cannot be asked, and StoreCorrupt where what it
    holds cannot be read.

    Args:
        name: of the deployment: several may share a store.
    """

    def __init__(self, store: MonitorStore, name: str = "default") -> None:
        self.name = name
        self._store = store

    async def state(self) -> ShelfState:
        """What counts at the moment."""
        return (await self._read())[1]

    async def profile(self, fingerprint: str) -> Profile:
        """The profile of that fingerprint.

        Raises:
            UsageError: it is not on the shelf.
        """
        kept = await self._store.load(self._key(fingerprint))
        if kept is None:
            raise UsageError(f"profile {fingerprint[:12]} is not on the shelf '{self.name}'")
        try:
            found = parse_profile(kept[1], f"shelf '{self.name}'")
        except BadInput as error:
            raise StoreCorrupt(f"profile {fingerprint[:12]} is damaged: {error}") from error
        if found.fingerprint != fingerprint:
            raise StoreCorrupt(f"the shelf keeps {found.fingerprint[:12]} for {fingerprint[:12]}")
        return found

    async def add(self, profile: Profile) -> ShelfState:
        """Put a profile on the shelf; it decides nothing yet. Idempotent."""
        fingerprint = profile.fingerprint
        await self._store.save(self._key(fingerprint), profile_text(profile), expected=0)

        def change(state: ShelfState) -> ShelfState:
            if fingerprint in state.known:
                return state
            return replace(state, known=(*state.known, fingerprint))

        return await self._change(change)

    async def shadow(self, fingerprint: str | None) -> ShelfState:
        """Try a profile beside the active one; None ends that.

        Raises:
            UsageError: it is not on the shelf.
        """

        def change(state: ShelfState) -> ShelfState:
            if fingerprint is not None:
                self._check(state, fingerprint)
            return replace(state, candidate=fingerprint)

        return await self._change(change)

    async def promote(self, fingerprint: str, *, expected: str | None = None) -> ShelfState:
        """Let a profile decide, everywhere.

        Args:
            expected: the one that is active at the moment, where that must still be so.

        Raises:
            UsageError: it is not on the shelf, or another one than expected is active.
        """

        def change(state: ShelfState) -> ShelfState:
            self._check(state, fingerprint)
            if expected is not None and state.active != expected:
                found = "none" if state.active is None else state.active[:12]
                raise UsageError(
                    f"{found} is active and not {expected[:12]}: somebody else was faster; look at "
                    "`surefoot profile status`"
                )
            if state.active == fingerprint:
                return state
            before = state.before if state.active is None else (state.active, *state.before)
            candidate = None if state.candidate == fingerprint else state.candidate
            return replace(
                state, active=fingerprint, candidate=candidate, before=before[:_MOST_BEFORE]
            )

        return await self._change(change)

    async def roll_back(self) -> ShelfState:
        """Let the profile decide that did before.

        Raises:
            UsageError: there was none.
        """

        def change(state: ShelfState) -> ShelfState:
            if not state.before:
                raise UsageError(f"no profile was active before on the shelf '{self.name}'")
            return replace(state, active=state.before[0], before=state.before[1:])

        return await self._change(change)

    def _check(self, state: ShelfState, fingerprint: str) -> None:
        if fingerprint not in state.known:
            known = ", ".join(one[:12] for one in state.known) or "nothing"
            raise UsageError(
                f"profile {fingerprint[:12]} is not on the shelf '{self.name}', which holds "
                f"{known}; put it there with `surefoot profile add FILE`"
            )

    async def _change(self, change: Callable[[ShelfState], ShelfState]) -> ShelfState:
        for _ in range(_TRIES):
            version, state = await self._read()
            after = change(state)
            if after == state:
                return state
            after = replace(after, changes=state.changes + 1)
            if await self._store.save(self._key(""), encode_json(after), expected=version):
                return after
        raise StoreError(f"the shelf '{self.name}' was changed by others {_TRIES} times; try again")

    async def _read(self) -> tuple[int, ShelfState]:
        kept = await self._store.load(self._key(""))
        if kept is None:
            return 0, ShelfState()
        try:
            return kept[0], decode_json(ShelfState, kept[1])
        except UsageError as error:
            raise StoreCorrupt(f"the shelf '{self.name}' is damaged: {error}") from error

    def _key(self, fingerprint: str) -> str:
        name = hashlib.sha256(self.name.encode()).hexdigest()[:16]
        return f"profiles-{name}" if not fingerprint else f"profiles-{name}-{fingerprint}"
