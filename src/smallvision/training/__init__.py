"""Training: the loop (a generator), its state, optimisers, schedules, checkpoints."""
