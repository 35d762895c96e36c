"""From a press of the button to a GIF on the disk."""
