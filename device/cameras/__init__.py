"""The drivers behind `device.camera`, one module each; and what keeps one open."""
