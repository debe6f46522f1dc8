"""A clock that goes only when somebody sleeps."""

from __future__ import annotations

from datetime import UTC, datetime


class Over(BaseException):
    """The story is told: the sleeper would sleep beyond its end."""


class FakeClock:
    """Tells a time that a test sets; sleeping moves it on, up to the end of the story."""

    def __init__(self, start: str, end: str = "2100-01-01") -> None:
        self.ms, self.end_ms = _ms(start), _ms(end)

    def now_ms(self) -> int:
        return self.ms

    def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)
        if self.ms >= self.end_ms:
            raise Over

    def set(self, text: str) -> None:
        self.ms = _ms(text)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
