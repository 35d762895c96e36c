"""What the visitor sees: the display, and everything that is drawn on it."""
