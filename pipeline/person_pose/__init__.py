"""Our own detector with 17 keypoints: the network, its training and its files."""
