"""What tests and benchmarks share: stand-ins, made-up poses, real films and photos, and the paths to these."""
