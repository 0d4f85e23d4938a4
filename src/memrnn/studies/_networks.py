"""The best network of each cell of a study, without what training it further needs."""

from pathlib import Path

from memrnn.errors import MemrnnError
from memrnn.studies._results import load_results
from memrnn.studies._tables import is_export
from memrnn.training import keep_network


def export_networks(folder: str | Path, out: str | Path) -> list[Path]:
    """Writes the best finished restart of each cell into a folder of its own in `out`.

    Each is a run that `memrnn evaluate`, `explain`, `extract` and `horizon` read and that others
    start from; see `keep_network`.

    Args:
        folder: of the study.

    Returns:
        The folders, in the study's order.

    Raises:
        MemrnnError: if there is no study in `folder`, or its networks are not there.
    """
    folder, out, written = Path(folder), Path(out), list[Path]()
    if is_export(folder):
        raise MemrnnError(
            f"{folder} holds exported tables, and no networks; give the folder that "
            "memrnn study run filled."
        )
    for cell in load_results(folder).cells:
        best = cell.best
        if best is None:
            continue
        if not (folder / best.folder).is_dir():
            raise MemrnnError(f"The network of {best.folder} is not in {folder}.")
        written.append(out / Path(best.folder).parent.name)
        keep_network(folder / best.folder, written[-1], best.restart, source=f"run {best.id}")
    return written
