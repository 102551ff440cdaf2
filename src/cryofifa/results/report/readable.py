"""Numbers as the page writes them."""

from __future__ import annotations

import math

NOT_GIVEN, NOT_REACHED = "not given", "not reached"


def angstrom(value: float | None) -> str:
    """A resolution; None is one that the verdict does not give, NaN and infinity were not reached."""
    if value is None:
        return NOT_GIVEN
    return f"{value:.2f} Å" if math.isfinite(value) else NOT_REACHED


def crossed_at(value: float | None) -> str:
    """Where a curve crosses a threshold, if it does and that is given."""
    text = angstrom(value)
    return text if text in (NOT_GIVEN, NOT_REACHED) else f"crossed at {text}"


def share(value: float) -> str:
    """A number between 0 and 1."""
    return f"{value:.2f}" if math.isfinite(value) else "unknown"


def duration(seconds: float) -> str:
    """Seconds below a minute, minutes below an hour, then hours."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"
