# scikit-learn has no annotations, and what is inferred from its source is wrong.
from typing import Any

def __getattr__(name: str) -> Any: ...
