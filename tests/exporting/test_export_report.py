"""An export's report shows itself: as text, in a notebook, as a frame, as a figure."""

from pathlib import Path

import pytest

from tf_lottery.exporting.export_report import ExportReport, FormatResult
from tf_lottery.exporting.measure import FileSize


@pytest.fixture
def report() -> ExportReport:
    results = (
        FormatResult("keras", "model.keras", size=FileSize(4000, 900)),
        FormatResult("tflite", "model.tflite", size=FileSize(1000, 800)),
        FormatResult("tflite_int8", skipped="it takes strings"),
    )
    return ExportReport(Path("out"), results, {"a": (10, 40)}, 3, accuracies={"y": 0.987654})


def test_the_text_is_a_table_of_what_is_known(report):
    lines = repr(report).splitlines()
    assert lines[0].split() == ["format", "file", "skipped", "bytes"]
    assert len(lines) == 4
    assert "it takes strings" in lines[3]


def test_a_notebook_shows_a_table(report):
    html = report._repr_html_()
    assert html.startswith("<table") and html.count("<tr") == 4
    assert "FormatResult" not in html and "nan" not in html.lower()


def test_the_frame_has_what_export_csv_has(report, tmp_path):
    report.write_csv(tmp_path / "export.csv")
    header = (tmp_path / "export.csv").read_text().splitlines()[0].split(",")
    frame = report.to_frame()
    assert list(frame.columns) == [name for name in header if name in frame.columns]
    assert frame["compressed_bytes"].tolist()[:2] == [900, 800]
    assert "dense_bytes" not in frame.columns


def test_the_figure_has_a_bar_for_each_file(report):
    axes = report.plot().axes[0]
    assert [bar.get_width() for bar in axes.patches] == [4, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["keras", "tflite"]
