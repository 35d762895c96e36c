"""Visitors take their GIFs home: a page for phones, served by a process of its own.

The mirror has no network, and the process that serves the page has no camera. They meet in files alone: a folder of
shared GIFs, which the mirror writes, and a file with the address of the page, which the server writes.
"""
