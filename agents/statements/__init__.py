"""Statements of banks and partners: from the bytes of a file to proven lines, or to the reason why it is refused.

Everything here is pure: `read_statements` in `agents.statements.reading` is the way in.
"""
