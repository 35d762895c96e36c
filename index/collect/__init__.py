"""Collect photographs for a library: from sources with licences and credits, chosen for the poses they add."""
