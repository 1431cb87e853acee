# SciPy has no annotations, and those inferred from defaults are wrong: a tolerance of 0 is no int.
from typing import Any

def __getattr__(name: str) -> Any: ...
