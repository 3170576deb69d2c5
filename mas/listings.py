"""How tmux is asked for rows, so that its answer can be told from whatever is in it. Pure."""

from mas.errors import UnknownStateError
from mas.structs import Frozen


class Listing(Frozen):
    """Rows that tmux prints, each field between two marks that were drawn for this one question.

    A working directory, a title or an option may hold anything, also what looks like a row; it cannot hold the mark.
    """

    mark: str
    fields: tuple[str, ...]

    @property
    def format(self) -> str:
        """What to give to ``-F``, or to ``display-message -p``."""
        return self.mark + "".join(f"#{{{field}}}{self.mark}" for field in self.fields)

    def rows(self, text: str) -> list[list[str]]:
        """The rows in what tmux printed, whatever stands between them; raises UnknownStateError for half a row."""
        parts, width = text.split(self.mark), len(self.fields) + 1
        if len(parts) % width != 1:
            raise UnknownStateError("tmux printed something else than it was asked for")
        return [parts[start : start + width - 1] for start in range(1, len(parts), width)]
