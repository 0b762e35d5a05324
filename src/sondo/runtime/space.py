"""The space of a vector: which student, teacher, dimension and front-end made it."""

from __future__ import annotations

from sondo.errors import SondoError


class SpaceMismatchError(SondoError):
    """Vectors of two spaces were about to be compared."""


def check_same_space(first: str, second: str, *, what: str = "these embeddings") -> None:
    """Refuse to go on unless two space ids are the same. Call it before vectors of two origins meet.

    Args:
        first: A space id, e.g. `model.space_id` or the `space_id` of a file of embeddings.
        second: The other one.
        what: What is compared, for the message.

    Raises:
        SpaceMismatchError: They differ, or one of them is empty.
    """
    if not first or not second:
        raise SpaceMismatchError(
            f"{what} cannot be compared: {'both have' if first == second else 'one has'} no space id"
        )
    if first != second:
        raise SpaceMismatchError(
            f"{what} cannot be compared: they lie in two spaces, {first!r} and {second!r}. "
            "Embed both sides with the same model"
        )
