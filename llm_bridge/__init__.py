"""The bridge between persuasion games and language models: nothing here yet in this version."""
