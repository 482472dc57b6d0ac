"""One run from its request to its folder: track, associate, write."""
