"""Fuzzing of everything that reads files: any bytes are read, or refused in one sentence.

Each target (`config`, `library`, `packed`, `model`, `pictures`, `keypoints`) is a module with what `promise.Target`
names. docs/explanation/fuzzing.md says how to run it.
"""
