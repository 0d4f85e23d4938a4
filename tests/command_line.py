"""The command line as a user sees it."""

import pytest

from memrnn import cli


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    status = 0
    try:
        cli.main(list(arguments))
    except SystemExit as exit:
        status = int(exit.code or 0)
    return status, *capsys.readouterr()
