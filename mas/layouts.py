"""The layouts of a window. tmux 3.3a crashes on one it does not know, with every session it has. Pure."""

LAYOUTS = ("tiled", "even-horizontal", "even-vertical", "main-horizontal", "main-vertical")
