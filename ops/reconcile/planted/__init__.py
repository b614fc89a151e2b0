"""Breaks that are planted into clean books by a seed, and whether the matcher finds each with its reason."""
