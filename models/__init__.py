"""People in pictures: poses, the PoseNet that finds them, and figures drawn in them."""
