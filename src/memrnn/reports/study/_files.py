"""The report of a study as files: a page that needs nothing else, figures, LaTeX and CSV tables."""

from pathlib import Path

from memrnn.reports.study._page import gather, render
from memrnn.reports.study._table import to_csv, to_latex
from memrnn.runtime.checkpoints import write_bytes
from memrnn.runtime.figures import save_figure
from memrnn.studies import load_results


def write_study_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Writes index.html, figures/*.svg and *.pdf, tables/*.tex and *.csv of a study.

    The study may still run: what is missing is marked so.

    Args:
        folder: of the study, with its ledger.
        out: where to write; by default `report` in the study's folder.

    Returns:
        The path of the page.

    Raises:
        MemrnnError: if there is no study in the folder, or it cannot be read.
        OSError: naming a file that could not be written.
    """
    folder = Path(folder)
    out = folder / "report" if out is None else Path(out)
    content = gather(load_results(folder), folder)
    page = render(content)
    for name in ("figures", "tables"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for drawing in content.drawings:
        path = out / "figures" / drawing.stem
        write_bytes(path.with_name(f"{path.name}.svg"), drawing.svg.encode())
        save_figure(drawing.figure, path.with_name(f"{path.name}.pdf"), drawing.title)
    for table in content.tables:
        write_bytes(out / "tables" / f"{table.stem}.csv", to_csv(table).encode())
        write_bytes(out / "tables" / f"{table.stem}.tex", to_latex(table).encode())
    write_bytes(out / "index.html", page.encode())
    return out / "index.html"
