"""What tests and benchmarks share: stand-ins, made-up poses, real videos and photos, and the paths to these."""
