"""Side-by-side timings of the package; run by ``python -m benchmarks``."""
