# The stubs that type checkers bring lack operators and much else of TensorFlow.
from typing import Any

def __getattr__(name: str) -> Any: ...
