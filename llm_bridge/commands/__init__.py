"""Commands below ``persuasion bridge`` that have a file of their own."""
