"""The tables of an export on the terminal."""

import csv
import io

import pytest
from rich.console import Console

from tf_lottery.report.export_table import format_bytes, print_export

FILES = {"bytes": 1234567, "compressed_bytes": 999999, "largest_difference": 4.4e-07}
DENSE = {"dense_bytes": 4000000, "dense_compressed_bytes": 2000000}
LATENCIES = {
    f"{name}_batch_{batch_size}_{threads}": value * scale
    for threads, scale in (("one_thread", 1), ("all_threads", 0.1))
    for batch_size, values in ((1, (12.34567, 9, 1.337)), (32, (0.00123456, 9, 0.25)))
    for name, value in zip(("ms", "dense_ms", "ratio"), values, strict=True)
}
LONG = {"format": "saved_model_compressed", "file": "saved_model.tar.gz"}


def printed(folder, *rows: dict, width: int = 80) -> list[str]:
    # As in the program, columns are there whether or not there is anything in them.
    names = ["format", "file", "skipped", "remark", "accuracy", *FILES, *DENSE, *LATENCIES]
    names += ["network_accuracy", "dense_accuracy", "examples", "peak_memory_bytes"]
    names += sorted({name for row in rows for name in row} - set(names))
    with (folder / "export.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    stream = io.StringIO()
    print_export(folder, Console(file=stream, width=width))
    return stream.getvalue().splitlines()


def test_a_row_per_file_with_its_size_accuracy_and_memory(tmp_path):
    row = LONG | FILES | DENSE | {"accuracy": 0.97654, "peak_memory_bytes": 683_000_000}
    lines = printed(tmp_path, row)
    (line,) = (line for line in lines if "saved_model_compressed" in line)
    numbers = ["1.23", "MB", "0.31", "1.00", "MB", "0.50", "97.65%", "4.4e-07", "683", "MB"]
    assert line.split()[1:] == numbers
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(("width", "tables"), [(80, 2), (120, 1)])
def test_times_are_beside_one_another_where_there_is_room(tmp_path, width, tables):
    lines = printed(tmp_path, LONG | FILES | LATENCIES, width=width)
    times = [line.split()[1:] for line in lines if "saved_model_compressed" in line][1:]
    assert len(times) == tables
    one, all_of_them = ["12.3", "1.34", "0.00123", "0.25"], ["1.23", "0.13", "0.000123", "0.03"]
    assert [cell for cells in times for cell in cells] == one + all_of_them
    assert max(map(len, lines)) <= width
    assert any(line.startswith("Times are medians") for line in lines)


def test_what_no_file_has_is_left_out_and_what_one_lacks_is_a_dash(tmp_path):
    other = {"format": "tflite", "file": "model.tflite", "bytes": 99, "compressed_bytes": 98}
    lines = printed(tmp_path, LONG | FILES, other)
    (line,) = (line for line in lines if line.startswith("tflite"))
    assert line.split() == ["tflite", "99", "B", "98", "B", "-"]
    shown = "\n".join(lines)
    assert "dense" not in shown
    assert "ms" not in shown
    assert "medians" not in shown
    assert "memory" not in shown


def test_each_output_has_its_accuracy(tmp_path):
    accuracies = {"accuracy_left": 0.5, "accuracy_right": 0.25, "network_accuracy_left": 0.5}
    lines = printed(tmp_path, LONG | FILES | accuracies)
    (line,) = (line for line in lines if "saved_model_compressed" in line)
    assert line.split()[-3:] == ["50.00%", "25.00%", "4.4e-07"]
    assert {"left", "right"} <= set(" ".join(lines).split())


def test_sentences_say_what_was_found_and_what_is_particular(tmp_path):
    (tmp_path / "compaction.csv").write_text(
        "name,parameters,parameters_before\nfirst,1000,3000\nsecond,234,2000\n"
    )
    found = {"network_accuracy": 0.5, "dense_accuracy": 0.75, "examples": 10000}
    reason = {"skipped": "layer [x] is a Lambda"}
    lines = printed(
        tmp_path,
        LONG | FILES | found,
        {"format": "tflite", "file": "a", "remark": "takes one example at a time"},
        {"format": "keras"} | reason,
        {"format": "tflite_sparse"} | reason,
        {"format": "tflite_int8", "skipped": "no"},
        width=120,
    )
    assert lines[-7:] == [
        "Accuracy of the ticket 50.00%, of the dense network 75.00%, on 10,000 test examples.",
        "Units without effect were removed: of 5,000 parameters 1,234 are left. compaction.csv "
        "says in which layers.",
        "tflite: takes one example at a time.",
        "keras, tflite_sparse were not written: layer [x] is a Lambda.",
        "tflite_int8 was not written: no.",
        "The largest difference is that of an output from the ticket's own.",
        "All numbers are in the folder's export.csv; its README.md says how to load each file.",
    ]


def test_headers_are_explained(tmp_path):
    row = LONG | FILES | DENSE | LATENCIES | {"peak_memory_bytes": 683_000_000}
    assert printed(tmp_path, row, width=120)[-6:] == [
        'Columns "times dense" divide by what the dense network takes in the same format.',
        "The largest difference is that of an output from the ticket's own.",
        "Peak memory is that of the whole process: Python, what loads the file (tflite: LiteRT, "
        "onnx: ONNX Runtime, others:",
        "TensorFlow), and the file.",
        "Times are medians of calls with 1 and with 32 examples, on 1 thread and on all.",
        "All numbers are in the folder's export.csv; its README.md says how to load each file.",
    ]


def test_what_is_fastest_is_said_by_batch_size_and_then_by_format(tmp_path):
    of_one, of_32 = "fastest_batch_1_one_thread", "fastest_batch_32_all_threads"
    lines = printed(
        tmp_path,
        LONG | FILES | {of_32: "Compressed, of 32."},
        {"format": "tflite", "file": "a", "remark": "takes one", of_one: "A, of 1."},
        {"format": "tflite_int8", "file": "b", of_one: "B, of 1.", of_32: "B, of 32."},
        {"format": "keras", "skipped": "no"},
        width=120,
    )
    assert lines[-8:-2] == [
        "A, of 1.",
        "B, of 1.",
        "Compressed, of 32.",
        "B, of 32.",
        "tflite: takes one.",
        "keras was not written: no.",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_995, "10.0 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (1_770_000, "1.77 MB"),
        (12_345_678_901, "12.3 GB"),
    ],
)
def test_bytes_have_three_digits(count, text):
    assert format_bytes(count) == text
