"""The routes, one file a noun. A handler checks what it is given, calls ``Mas`` in a thread, says what came of it."""
