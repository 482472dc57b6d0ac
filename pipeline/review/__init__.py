"""A finished run looked at again: why links are as they are, which to ask a person about, and who was where."""
