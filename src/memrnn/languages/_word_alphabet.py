"""How languages with k word symbols are named and displayed."""

DEFAULT_WORD_SYMBOLS = 2
"""k in the experiments of DuSell & Chiang 2023 (arXiv 2210.01343), section 4."""


def parametrised_name(name: str, k: int) -> str:
    """The name under which `get_language` finds a language with k word symbols."""
    return name if k == DEFAULT_WORD_SYMBOLS else f"{name}:k={k}"


def digits(count: int) -> tuple[str, ...]:
    """Display names for the ids 0 .. count-1: the ids themselves."""
    return tuple(str(i) for i in range(count))
