"""From a picture to the people in it: PoseNet, its files, and the process it runs in."""
