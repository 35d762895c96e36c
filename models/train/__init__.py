"""A PoseNet of our own: drawn scenes with known key points → a network in PyTorch → the .tflite file that estimates."""
