"""Our own detector with 17 keypoints: the network, its windows and losses, and its files."""
