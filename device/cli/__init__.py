"""The command line: one module for the parser, one for each group of commands."""
