"""The one thing that pyproject.toml cannot say: configs/ is installed within the package."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["tf_lottery*"]), "tf_lottery.configs"],
    package_dir={"tf_lottery.configs": "configs"},
    package_data={
        "tf_lottery": ["py.typed", "report/*.j2"],
        "tf_lottery.configs": [
            path.relative_to("configs").as_posix() for path in Path("configs").rglob("*.*")
        ],
    },
)
