"""Building photo libraries: reading sources, scanning photos for people, and writing the library."""
