"""Numbers as the page writes them."""

from __future__ import annotations

import math

NOT_REACHED = "not reached"


def angstrom(value: float | None) -> str:
    """A resolution; None, NaN and infinity were not reached."""
    return NOT_REACHED if value is None or not math.isfinite(value) else f"{value:.2f} Å"


def crossed_at(value: float | None) -> str:
    """Where a curve crosses a threshold, if it does."""
    text = angstrom(value)
    return text if text == NOT_REACHED else f"crossed at {text}"


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
