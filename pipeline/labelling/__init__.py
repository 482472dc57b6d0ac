"""Keypoint prompts and parsing labels for folders of crops."""
