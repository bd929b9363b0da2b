"""Settings shared by every test: hypothesis profiles and a plotting backend without a screen."""

import os

from hypothesis import settings

os.environ["MPLBACKEND"] = "Agg"

# "fast" draws the same examples on every run; "thorough" (`make test-all`) explores new ones.
settings.register_profile("fast", max_examples=30, derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None, print_blob=True)
settings.load_profile("fast")
