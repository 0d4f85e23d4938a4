"""The rules of a study's verdicts: their text, their date, and the runs that began under others."""

import re
from collections.abc import Sequence

from memrnn.reports.study import Rules, View
from memrnn.runtime import formats as form
from memrnn.runtime.digests import text_digest


def written_rules(
    view: View, text: str, name: str, *, level: float, together: bool, notes: Sequence[str] = ()
) -> Rules:
    """The rules with their digest, their date and that of the study.

    Args:
        text: of the rules, with a line `Date: YYYY-MM-DD`.
        name: under which every run keeps their digest among its versions.
        level: of the intervals.
        together: whether all intervals hold together with 95 %.
        notes: on this study, in sentences.
    """
    results, digest = view.results, text_digest(text)
    digests = [run.versions.get(name, "") for run in results.runs if run.finished]
    other, without = sum(one not in ("", digest) for one in digests), digests.count("")
    exploratory = ""
    if other or without:
        parts = [f"{other} began under other rules"] if other else []
        parts += [f"{without} before there were rules"] if without else []
        exploratory = (
            f"Of the {form.plural(len(digests), 'finished run')} {form.listed(parts)}: what this "
            "page says of the claims is exploratory."
        )
    left = sum(not run.finished and run.status != "failed" for run in results.runs)
    preliminary = (
        f"{form.plural(left, 'run')} {'is' if left == 1 else 'are'} still to come: verdicts are "
        "preliminary."
        if left
        else ""
    )
    date = re.search(r"^Date: (\S+)$", text, re.MULTILINE)
    assert date is not None
    return Rules(
        text=text,
        digest=digest,
        written=date[1],
        begun=min((session["began"] for session in results.sessions), default=""),
        exploratory=exploratory,
        preliminary=preliminary,
        level=level,
        together=together,
        notes=tuple(notes),
    )
