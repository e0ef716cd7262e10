"""Arithmetic that several packages need."""

from collections.abc import Sequence


def ceil_div(number: int, size: int) -> int:
    """How many parts of a size hold so many things, the last of them perhaps not full."""
    return (number + size - 1) // size


def even_parts(total: int, number: int) -> list[int]:
    """The sizes of so many parts of a total; they differ by one at most, the smaller ones first."""
    size, rest = divmod(total, number)
    smaller = [size for _ in range(number - rest)]
    larger = [size + 1 for _ in range(rest)]
    return smaller + larger


def common_length(one: Sequence[object], other: Sequence[object]) -> int:
    """How many elements two sequences have in common from their beginning on."""
    length = 0
    for of_one, of_other in zip(one, other, strict=False):
        if of_one != of_other:
            break
        length += 1
    return length
