"""The error of wrong input, and the sentences for errors of the operating system."""


class MemrnnError(ValueError):
    """One sentence that says what is wrong and what is allowed; the command line prints it as is.

    Any other exception is a fault of the program and keeps its type and its traceback.

    Examples:
        >>> import memrnn
        >>> try:
        ...     memrnn.get_model("transformer")
        ... except memrnn.MemrnnError as error:
        ...     print(str(error)[:36])
        There is no model 'transformer'; the
    """


class MemrnnWarning(UserWarning):
    """One sentence about what works, but with less certainty than users may expect.

    Examples:
        >>> import warnings
        >>> from memrnn.errors import MemrnnWarning
        >>> warnings.simplefilter("ignore", MemrnnWarning)  # to see none of them
    """


def os_error_text(error: OSError) -> str:
    """A sentence of memrnn as it is; of the system's words also which file they are about."""
    text = str(error.args[-1] if error.args else error)
    return text if error.filename is None else f"{error.filename}: {text}."
