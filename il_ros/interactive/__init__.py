"""Interactive imitation in rounds: roll out, ask, aggregate, train, evaluate."""
