"""What runs inside the sandboxed child: standard library only, imported by a bare interpreter.

The child starts as ``python -s -P -S`` with this package as its one import beyond the standard
library, reads one job from its standard input, locks itself up, and only then runs the program.
"""
