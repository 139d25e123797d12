"""The plan of a study: its cases, its search, its jobs and their order. No torch."""
