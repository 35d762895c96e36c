"""What makes a library: sources, scans, the journal, and the writer."""
