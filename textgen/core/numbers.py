"""Arithmetic that several packages need."""


def ceil_div(number: int, size: int) -> int:
    """How many parts of a size hold so many things, the last of them perhaps not full."""
    return -(-number // size)
