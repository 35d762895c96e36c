"""The mirror itself: camera, screen, button, and the loops between them."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on stdout, where commands print their answers
