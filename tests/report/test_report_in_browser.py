import html
import re
import shutil
import subprocess

import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report.report import compare_runs

pytestmark = pytest.mark.slow

LONG_NAME = "lenet_300_100_of_mnist_" + 4 * "with_a_name_that_says_everything_"
EARLY = dict.fromkeys(range(17), (20, 0.9))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

# Tells what sticks out of the page, other than by scrolling within itself.
MEASURE = """
<script>
const root = document.documentElement, width = root.clientWidth;
const out = [...document.querySelectorAll("body *")].filter((element) =>
  !element.closest(".scroll *, svg *") && element.getBoundingClientRect().right > width + 1);
const grid = getComputedStyle(document.querySelector(".figures")).gridTemplateColumns;
parent.document.body.textContent = [
  width, root.scrollWidth, grid.split(" ").length, ...out.map((element) => element.tagName)
].join(" ");
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a run with long names, 17 levels, branches and damaged files."""
    workdir = tmp_path_factory.mktemp("runs")
    runs = []
    for name in (LONG_NAME, "mnist"):
        for number in (1, 2, 3):
            accuracies = [0.95 - 0.001 * abs(level - 8) for level in range(17)]
            path = workdir / name / f"replicate_{number}"
            runs.append(write_replicate(path, accuracies, early=EARLY))
            for label in ("random_mask", "retrain-" + "learning_rate_0.001-" * 4):
                levels = {level: 0.9 - 0.01 * level for level in range(1, 17, 2)}
                write_branch(runs[-1], label, levels, early=EARLY)
    (runs[-1] / "level_3" / "level.json").write_text("{}")
    return compare_runs(runs, workdir / "report").page


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize(("width", "columns"), [(1280, 2), (400, 1)])
def test_nothing_sticks_out_of_the_page(page, tmp_path, width, columns):
    text = page.read_text().replace("<details>", "<details open>")
    text = html.escape(text.replace("</body>", f"{MEASURE}</body>"))
    # Chromium's own window is never as narrow as a telephone.
    frame = tmp_path / "frame.html"
    frame.write_text(f'<body><iframe srcdoc="{text}" width={width} frameborder=0></iframe></body>')
    found = re.search(r"<body>(.*)</body>", dump(frame, tmp_path / "profile"), re.DOTALL)[1]
    assert found.split() == [str(width), str(width), str(columns)]


def dump(page, profile):
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={profile}",
        "--window-size=1400,1000",
        "--dump-dom",
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
