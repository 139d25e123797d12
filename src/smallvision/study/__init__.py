"""Many experiments as one: expanded, put in order of need, run in worker processes, chosen by validation."""
