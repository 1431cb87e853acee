# It finds its modules in a way that type checkers do not follow.
from typing import Any

PruningSchedule: Any

def __getattr__(name: str) -> Any: ...
