"""docs/claims.md is what docs/results has measured, and its commands are understood."""

import re
import runpy
import shlex
import sys

import pytest

from tests.command_line import command_of
from tests.documents import DOCUMENTS, ROOT

PAGE = DOCUMENTS["docs/claims.md"]
CLAIM = r"\d\.\d+"
SENTENCES = re.findall(rf"^- (\*\*{CLAIM}\*\*.*?)(?=\n-|\n\n)", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^python main\.py (.*)$", PAGE.replace("\\\n", ""), re.MULTILINE)


@pytest.fixture(scope="module")
def generator():
    """What docs/make_claims.py defines; the package beside it is found as when it is run."""
    sys.path.insert(0, str(ROOT / "docs"))
    yield runpy.run_path(str(ROOT / "docs" / "make_claims.py"))
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def measured(generator):
    return generator["measured_claims"]()


def claims() -> dict[str, list[str]]:
    """The cells of each claim, by its number."""
    rows = re.findall(r"^\| (\d\.\d+) \|(.*)\|$", PAGE, re.MULTILINE)
    return {number: [cell.strip() for cell in row.split("|")] for number, row in rows}


def test_numbers_and_verdicts_are_those_of_the_results(generator, measured):
    assert set(measured) <= set(claims())
    made = generator["page_with"](measured, PAGE)
    assert made == PAGE, "docs/claims.md is out of date; run `make docs`."
    counts = generator["sentence_of"](cells[-1] for cells in claims().values())
    assert counts in PAGE
    assert counts.rstrip(".") in " ".join(DOCUMENTS["README.md"].split())


def test_numbers_are_computed_from_the_results(generator, measured):
    """Some of them, read from the CSV files by hand."""
    assert measured["1.1"][0] == ("MNIST", 5, "97.98, 98.03, 98.07, 98.07 and 97.90")
    assert measured["3.2"] == [
        (
            "MNIST",
            2,
            "barrier 1.32 and 0.56 of the dense networks, 0.20 and 0.01 of tickets at 3.52%",
        )
    ]
    assert measured["1.8"][1].here.startswith("one-shot 85.69 at 1.85%, iterative 88.52;")
    assert measured["5.2"][0].here.startswith("barrier 1.06 over 30 pairs; 18 of them")


def test_a_verdict_needs_results_and_results_a_verdict(generator, measured):
    without = {number: results for number, results in measured.items() if number != "3.1"}
    with pytest.raises(ValueError, match=r"claim 3\.1: 0 results, verdict shows"):
        generator["page_with"](without, PAGE)
    with pytest.raises(ValueError, match=r"claim 3\.7: 1 results, verdict not run"):
        generator["page_with"]({**measured, "3.7": measured["3.1"]}, PAGE)


def test_sentences_about_verdicts_have_no_numbers_of_their_own():
    """Those stand in the tables, where they are computed; 0 and the numbers of claims aside."""
    for sentence in SENTENCES:
        text = re.sub(rf"\]\([^)]*\)|\*\*{CLAIM}\*\*|\({CLAIM}\)", "", sentence)
        assert re.findall(r"(?<![\w-])[1-9][\d.,]*", text) == [], sentence


def test_every_claim_has_a_sentence_and_a_command():
    first_words = [re.match(rf"(\W*{CLAIM}|\W* to)+", sentence)[0] for sentence in SENTENCES]
    comments = re.findall(r"^# (.*)$", PAGE.partition("## ")[2], re.MULTILINE)
    for texts in (first_words, comments):
        assert {number for text in texts for number in _told(text)} == set(claims())


def _told(text: str) -> list[str]:
    """The claims that a text names: "1.1, 1.3 to 1.5"."""
    numbers = []
    for paper, first, last in re.findall(r"(\d)\.(\d+)(?:\W* to \W*\d\.(\d+))?", text):
        numbers += [f"{paper}.{number}" for number in range(int(first), int(last or first) + 1)]
    return numbers


@pytest.mark.slow
def test_commands_are_understood():
    assert len(COMMANDS) > 40
    for command in COMMANDS:
        # What a pattern fits is on the disk of those who have run the command before.
        command_of(*shlex.split(command.replace("*", "any")))
