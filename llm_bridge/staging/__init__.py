"""A run in stages: what each does, on what it depends, where it stands, whole or not there."""
