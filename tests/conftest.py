"""Settings shared by every test: hypothesis profiles and a plotting backend without a screen."""

import os
import signal

from hypothesis import settings

os.environ["MPLBACKEND"] = "Agg"

# "fast" draws the same examples on every run; "thorough" (`make test-all`) explores new ones.
settings.register_profile("fast", max_examples=30, derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None, print_blob=True)
settings.load_profile("fast")

# a shell that runs the tests in the background makes them, and the programs they start, deaf to
# Ctrl-C; several tests are about Ctrl-C
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
