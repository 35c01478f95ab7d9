"""Which publisher the samples of each observation come from, where the middleware says so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

HOLD = 1.0
"""How long a publisher counts after its last sample, once another one has followed it [s]."""

_MOST = 16  # publishers of one key that are remembered


class MessageOrigins:
    """Remembers the publishers of each key; more than one at a time are rivals.

    Where another publisher follows, the one before may have ended or may speak again: it counts
    until it is silent for `HOLD` and gone from the graph. So a driver that begins again is believed
    after that, and two that speak by turns are not.

    Args:
        keys: That have one publisher each.
        clock: The time that silence is measured on [s]; it may go back.
    """

    def __init__(self, keys: Iterable[str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._newest = dict.fromkeys(keys, b'')
        self._heard: dict[str, dict[bytes, float]] = {}  # rivals, and when each spoke last

    def hear(self, keys: Iterable[str], publisher: bytes) -> None:
        """Take the identity of a message's publisher, which may be empty: not known.

        Args:
            keys: What the message has a value for, also keys that are not watched.
            publisher: Its identity, as the middleware has it.
        """
        newest, heard = self._newest, self._heard
        if not publisher:
            return
        for key in keys:
            if newest.get(key, publisher) != publisher or key in heard:
                self._take(key, publisher)

    def watch(self, key: str) -> None:
        """Watch one more key."""
        self._newest.setdefault(key, b'')

    def publishers(self, keys: Iterable[str]) -> set[bytes]:
        """Who publishes any of `keys`, as far as it was heard."""
        newest = {self._newest[key] for key in keys} - {b''}
        return newest.union(*(self._heard.get(key, ()) for key in keys))

    def rivals(self, key: str) -> tuple[bytes, ...]:
        """The publishers of a key, if it has more than one; the first that was heard first."""
        return tuple(self._heard.get(key, ()))

    @property
    def contested(self) -> tuple[str, ...]:
        """Keys with more than one publisher."""
        return tuple(self._heard)

    def settle(self, key: str, present: Collection[bytes]) -> None:
        """Forget those that have fallen silent and are gone.

        Args:
            key: One of `contested`.
            present: Publishers that the graph has.
        """
        now, newest = self._clock(), self._newest[key]
        left = {
            publisher: at
            for publisher, at in self._heard[key].items()
            if publisher == newest or publisher in present or abs(now - at) <= HOLD
        }
        if len(left) > 1:
            self._heard[key] = left
        else:
            del self._heard[key]

    def _take(self, key: str, publisher: bytes) -> None:
        before, self._newest[key] = self._newest[key], publisher
        if not before:
            return
        now = self._clock()
        heard = self._heard.setdefault(key, {before: now})
        heard[publisher] = now
        if len(heard) > _MOST:
            del heard[min(heard, key=lambda each: heard[each])]
