"""The page of a comparison of finished runs."""
