"""The command line: `pose-mirror` and its commands."""
