"""Train the bundled model: draw scenes with known key points, train a PoseNet in PyTorch, and export it as .tflite."""
