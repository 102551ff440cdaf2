"""The one error class a user may meet."""


class InputError(ValueError):
    """Something the user gave is wrong: a file, a row, a setting.

    The message is one line that says what file, what row, what is wrong and what to do.
    The command line prints it and ends with exit code 2; nothing half-written stays behind.
    """
