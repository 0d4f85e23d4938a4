"""The error of wrong input, and the sentences for errors of the operating system."""


class MemrnnError(ValueError):
    """One sentence that says what is wrong and what is allowed; the command line prints it as is.

    Any other exception is a fault of the program and keeps its type and its traceback.
    """


class MemrnnWarning(UserWarning):
    """One sentence about what works, but with less certainty than users may expect."""


def os_error_text(error: OSError) -> str:
    """A sentence of memrnn as it is; of the system's words also which file they are about."""
    text = str(error.args[-1] if error.args else error)
    return text if error.filename is None else f"{error.filename}: {text}."
