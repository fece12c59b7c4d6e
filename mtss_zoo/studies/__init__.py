"""Studies: a recipe trained in every cell of a grid, in a queue that restarts, gathered in one table."""
