"""The worker processes of a study."""
