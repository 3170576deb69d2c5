"""mas runs teams of terminal agents: sessions with a workspace, a lifecycle and a history of their own."""

__version__ = "3.0.0"
