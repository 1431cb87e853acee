"""Writes what docs/results has measured of each claim into the tables of docs/claims.md."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from measured import measured_claims
from measured.words import Measured

PAGE = Path(__file__).with_name("claims.md")
VERDICTS = ("shows", "shows in part", "does not show", "not run")
_CLAIM = re.compile(r"^\| (\d\.\d+) \|")
_COUNTS = re.compile(r"Of \d+ claims [^.]*\.")


def page_with(measured: Mapping[str, Sequence[Measured]], page: str) -> str:
    """The page with these results in the place of those that it has, and with its verdicts counted.

    Raises:
      ValueError: if a claim has a verdict and no results, or results that no verdict is about.
    """
    lines, verdicts = page.splitlines(keepends=True), []
    for place, line in enumerate(lines):
        if not (found := _CLAIM.match(line)):
            continue
        _, number, claim, _, _, paper, verdict, end = line.split("|")
        results = measured.get(found[1], [])
        if verdict.strip() not in VERDICTS or bool(results) == (verdict.strip() == "not run"):
            raise ValueError(f"claim {found[1]}: {len(results)} results, verdict{verdict}")
        data = "<br>".join(f"{result.data}, {result.replicates}" for result in results)
        here = "<br>".join(result.here for result in results)
        lines[place] = "|".join(["", number, claim, _cell(data), _cell(here), paper, verdict, end])
        verdicts.append(verdict.strip())
    return _COUNTS.sub(sentence_of(verdicts), "".join(lines))


def sentence_of(verdicts: Iterable[str]) -> str:
    """Says how many claims have which verdict."""
    counts = Counter(verdicts)
    shows, in_part, fails, not_run = (counts[verdict] for verdict in VERDICTS)
    return (
        f"Of {sum(counts.values())} claims {shows} show, {in_part} show in part, {fails} "
        f"{'does' if fails == 1 else 'do'} not show, and {not_run} were not run."
    )


def _cell(text: str) -> str:
    return f" {text} " if text else " "


if __name__ == "__main__":
    PAGE.write_text(page_with(measured_claims(), PAGE.read_text(encoding="utf-8")), "utf-8")
