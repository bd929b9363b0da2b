"""``python -m persuasion`` is the command ``persuasion``."""

from __future__ import annotations

from persuasion.cli import main

if __name__ == "__main__":
    main()
