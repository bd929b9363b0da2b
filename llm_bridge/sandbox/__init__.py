"""Running programs that a language model wrote: locked up, and judged from outside."""

from .errors import CacheError, LimitError, UnsafeError
from .layers import Layers, layers
from .run import Output, Run
from .sandbox import Sandbox, judge

__all__ = [
    "CacheError",
    "Layers",
    "LimitError",
    "Output",
    "Run",
    "Sandbox",
    "UnsafeError",
    "judge",
    "layers",
]
