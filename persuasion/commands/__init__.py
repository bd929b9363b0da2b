"""Subcommands of the command line, one file each; typer and rich are imported nowhere else.

A file defines ``register(app)``, which adds its commands to a `typer.Typer`. Plug-ins in other
packages do the same (see `persuasion.commands.plugins`). Modules that solve, draw or read are
imported when a command runs, so that ``persuasion --help`` stays quick.
"""
