"""Random families of games, one file each; use them through `persuasion.zoo.random_game`."""
