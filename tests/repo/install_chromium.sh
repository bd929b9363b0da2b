#!/bin/sh
# The browser of tests/repo/test_browser.py, from Debian or Ubuntu. Run as root.
set -eu
command -v chromium >/dev/null || { apt-get update && apt-get install -y --no-install-recommends chromium; }
chromium --version
