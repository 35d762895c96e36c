"""The status: how the mirror is doing, in a small file in memory that other programs read."""
