"""The mirror itself: camera, screen, button, and the loops between them."""
