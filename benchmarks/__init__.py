"""Programs that print the figures in the documents; run each as `python -m benchmarks.NAME` from the project's
folder."""
