# tf_keras has no annotations, and what is inferred from its source is often wrong.
from typing import Any

from . import utils as utils

def __getattr__(name: str) -> Any: ...
