"""How it is learned: the loop (a generator), its state, optimisers, schedules, checkpoints."""
