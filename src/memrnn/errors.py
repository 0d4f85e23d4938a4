"""The error that a user caused and can mend."""


class MemrnnError(ValueError):
    """One sentence that says what is wrong and what is allowed; the command line prints it as is.

    Any other exception is a fault of the program and keeps its type and its traceback.
    """


class MemrnnWarning(UserWarning):
    """One sentence about what works, but with less certainty than users may expect."""
