"""The mirror as an appliance: camera, display, button, and the loops between them."""

import os

# otherwise pygame prints a greeting to stdout, where commands print their answers
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
