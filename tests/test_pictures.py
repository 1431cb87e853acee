"""The pictures of docs/concepts.md show what the results beside it say."""

import re
import runpy

import pytest

from tests.documents import DOCUMENTS, ROOT

MADE = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"))


def test_barriers_are_those_of_the_table():
    _, _, section = DOCUMENTS["docs/results/fashion_mnist_landscape.md"].partition(
        "Two copies of the dense network from iteration k"
    )
    table, _, _ = section.partition("Tickets, random masks")
    row = re.compile(r"^\| ([\d,]+) \|.*\| ([\d.]+) \(([\d.]+) to ([\d.]+)\) \|", re.MULTILINE)
    told = {
        int(step.replace(",", "")): list(map(float, rest)) for step, *rest in row.findall(table)
    }
    shown = MADE["dense_barriers"]()
    assert len(told) == 8
    assert {step: shown.loc[step].tolist() for step in shown.index} == {
        step: pytest.approx(numbers, abs=0.006) for step, numbers in told.items()
    }


def test_every_picture_is_on_the_page_and_is_drawn():
    page = DOCUMENTS["docs/concepts.md"]
    pictures = {picture.name: picture for picture in MADE["pictures"]()}
    assert re.findall(r"\(pictures/(\w+)\.png\)", page) == list(pictures)
    (axes,) = pictures["accuracy"].figure.axes
    densities, accuracies = axes.lines[1].get_data()
    assert (densities[0], round(densities[-1], 2)) == (100, 1.85)
    assert [round(accuracies[0], 2), round(accuracies[-1], 2)] == [88.36, 88.52]
    assert all((ROOT / "docs" / "pictures" / f"{name}.png").exists() for name in pictures)
