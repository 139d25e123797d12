"""What a study has to do: its cases, its search, its jobs and their order. No torch."""
