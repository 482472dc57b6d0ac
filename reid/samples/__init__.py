"""From crops, skeletons and label maps to network input."""
