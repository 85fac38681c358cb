"""What every part of the store that reads stands on."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import Connection


class Reads(ABC):
    """A part of the store that only reads; mixed into the store, which brings the connection."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for as long as the answer takes."""
