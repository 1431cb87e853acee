# It is optional: a check of types must not need it.
from typing import Any

from mlflow import entities as entities
from mlflow import exceptions as exceptions

def __getattr__(name: str) -> Any: ...
