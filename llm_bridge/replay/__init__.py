"""Recorded answers of real models as a game, and an Advisor who reads the questions."""
