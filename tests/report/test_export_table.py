"""The table of an export on the terminal."""

import io

import pytest
from rich.console import Console

from tf_lottery.report.export_table import format_bytes, print_export

LATENCIES = [
    f"{name}_batch_{batch_size}_one_thread"
    for batch_size in (1, 32)
    for name in ("ms", "dense_ms", "ratio")
]


def printed(folder, *rows: str) -> list[str]:
    header = ["format", "file", "skipped", "accuracy", "bytes", "compressed_bytes", *LATENCIES]
    (folder / "export.csv").write_text("\n".join([",".join(header), *rows]) + "\n")
    stream = io.StringIO()
    print_export(folder, Console(file=stream, width=80))
    return stream.getvalue().splitlines()


def test_a_row_per_file_and_a_sentence_per_skipped_format(tmp_path):
    numbers = "12.34567,9,1.337,0.00123456,9,0.25"
    lines = printed(
        tmp_path,
        f"saved_model_compressed,saved_model.tar.gz,,0.97654,1234567,999999,{numbers}",
        "keras,,layer [x] is a Lambda,,,,,,,,,",
    )
    (row,) = (line for line in lines if "saved_model_compressed" in line)
    numbers = ["1.23", "MB", "1.00", "MB", "97.65%", "12.3", "1.34", "0.00123", "0.25"]
    assert row.split()[1:] == numbers
    assert "keras was not written: layer [x] is a Lambda" in lines
    assert max(map(len, lines)) <= 80


def test_what_was_not_measured_is_a_dash(tmp_path):
    lines = printed(tmp_path, "keras,model.keras,,,1234,99,,,,,,")
    (row,) = (line for line in lines if "keras" in line)
    assert row.split() == ["keras", "1.23", "kB", "99", "B", *"-----"]


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
