"""Lines that say where an export stands."""

import io

from rich.console import Console

from tf_lottery.report.progress.exports import ExportProgressReporter


def test_a_line_for_each_beginning_with_the_time_left_of_measurements():
    stream, now = io.StringIO(), [100.0]
    progress = ExportProgressReporter(Console(file=stream, width=40), clock=lambda: now[0])
    for seconds, stage in (
        (0, ("writing", "saved_model", 1, 2)),
        (50, ("writing", "tflite", 2, 2)),
        (9, ("verifying", "all files", 1, 1)),
        (5, ("measuring", "saved_model", 1, 3)),
        (30, ("measuring", "saved_model_compressed", 2, 3)),
        (10, ("measuring", "tflite", 3, 3)),
    ):
        now[0] += seconds
        progress(*stage)
    assert stream.getvalue().splitlines() == [
        "writing   1/2  saved_model",
        "writing   2/2  tflite",
        "verifying 1/1  all files",
        "measuring 1/3  saved_model",
        "measuring 2/3  saved_model_compressed  1 min 00 s left",
        "measuring 3/3  tflite  20 s left",
    ]
