"""A finished run looked at again: why links are as they are, and which to ask a person about."""
