"""What the command has said to its user."""

import pytest


def assert_one_line(captured: pytest.CaptureFixture[str], *wanted: str) -> None:
    """Check that the error output since the last look is one line, with all of these texts in it, but for warnings.

    Args:
        captured: pytest's `capsys` or `capfd`.
        wanted: parts of the line.
    """
    lines = captured.readouterr().err.strip().splitlines()
    message = "\n".join(line for line in lines if not line.startswith("warning: "))
    assert all(text in message for text in wanted), message
    assert "\n" not in message
