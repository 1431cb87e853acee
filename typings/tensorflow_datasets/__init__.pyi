# tensorflow_datasets is annotated in part, and against what it does.
from typing import Any

def __getattr__(name: str) -> Any: ...
