"""The one class of error that a user meets, and the signal that ends a run which was asked to stop."""

LONGEST = 1500  # characters; long enough to name all folders in which a stack was looked for


class InputError(ValueError):
    """Something the user gave is wrong: a file, a row, a setting.

    The message is one line that says what file, what row, what is wrong and what to do. The command line prints it and
    ends with exit code 2; no half-written file is left behind. Line ends and control characters that come from a
    damaged file are shown as escape codes, and a message too long to be read loses its middle.
    """

    def __init__(self, message: str) -> None:
        line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in message)
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}")


class Stopped(Exception):  # noqa: N818 - nothing is wrong
    """The run was asked to stop: its checkpoint is written, and the same command resumes from there."""
