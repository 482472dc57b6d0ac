"""Sizes that fit: the networks, input size and schedule with which this machine keeps up with some cameras."""
