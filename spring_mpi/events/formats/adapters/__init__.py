"""Readers that ask a facility's own package."""
