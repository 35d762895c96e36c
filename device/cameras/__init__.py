"""The drivers behind `device.cameras.base`, one module each; and what keeps one open."""
