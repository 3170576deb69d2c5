"""mas runs teams of terminal agents: sessions with a workspace, a lifecycle and a history of their own."""
