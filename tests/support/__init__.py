"""What tests and benchmarks share: stand-ins, made-up poses, real films and photos, and where these are."""
