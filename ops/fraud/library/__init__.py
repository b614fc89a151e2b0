"""Shipped fraud rules: data files, each with parameters that can be set, what it is against, and its sources."""
