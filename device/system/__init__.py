"""The mirror as a guest of its system: systemd, signals, memory, background work."""
