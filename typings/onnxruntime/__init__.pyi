# It is optional: a check of types must not need it.
from typing import Any

def __getattr__(name: str) -> Any: ...
