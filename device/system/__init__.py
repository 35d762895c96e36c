"""What the mirror asks of its system: systemd, signals, memory, and drawing in the background."""
