"""Judging the associator: tracklets of which it is known who they are, and scores of what it made of them."""
