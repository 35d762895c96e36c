"""Programs for contributors: what `make` needs from apt, and the drawings of the documents."""
