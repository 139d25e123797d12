"""Compares finished runs from their files alone. No torch."""
