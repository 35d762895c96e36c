"""Fuzzing of all that reads files: any bytes are read, or refused in one sentence. docs/explanation/fuzzing.md says how to run it.

Each module of a target (`config`, `library`, `model`, `pictures`, `keypoints`) gives what `promise.Target` names.
"""
